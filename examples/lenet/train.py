"""Train the float LeNet in real Caffe; run it with Caffe's interpreter in the LMDBs' directory.

Usage: python train.py EXAMPLE_DIRECTORY. This is how lenet.caffemodel was made.
"""

import os
import shutil
import sys

os.environ.setdefault("GLOG_minloglevel", "1")
import caffe

example = sys.argv[1]
for name in ("train_val.prototxt", "solver.prototxt"):
    shutil.copy(os.path.join(example, name), name)
caffe.set_mode_cpu()
caffe.set_random_seed(1)
solver = caffe.get_solver("solver.prototxt")
solver.solve()
correct = 0.0
for _ in range(10):
    solver.test_nets[0].forward()
    correct += float(solver.test_nets[0].blobs["accuracy"].data) / 10
print("held-out accuracy", round(correct, 4))
solver.net.save(os.path.join(example, "lenet.caffemodel"))
