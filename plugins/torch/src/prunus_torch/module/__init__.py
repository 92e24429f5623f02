"""Modules of PyTorch as networks: lowered to the neutral graph, and shrunk in place."""
