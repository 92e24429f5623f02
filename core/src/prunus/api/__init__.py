"""The public functions: every step on values; nothing is written unless asked.

network = prunus.load("net.onnx")
plan = prunus.plan(network, rate=0.5, data=samples)
masked = prunus.prune(network, plan, data=samples)
small = prunus.compact(masked)
small.save("smaller/")
"""
