"""Run the masked and the transformed network in real Caffe on the same held-out digits.

Usage: python compare_in_caffe.py MASKED.prototxt MASKED.caffemodel SMALL.prototxt SMALL.caffemodel,
with Caffe's interpreter, in the directory of the LMDBs. Fails above 1e-4.
"""

import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
import caffe
import numpy as np

caffe.set_mode_cpu()
masked, small = (caffe.Net(sys.argv[i], sys.argv[i + 1], caffe.TEST) for i in (1, 3))
worst = 0.0
accuracy = []
for _ in range(10):
    masked.forward()
    small.forward()
    first, second = masked.blobs["ip2"].data, small.blobs["ip2"].data
    worst = max(worst, float(np.abs(first - second).max() / np.abs(first).max()))
    accuracy.append(float(small.blobs["accuracy"].data))
print(
    "real Caffe: accuracy %.2f%%, largest relative difference %.1e"
    % (100 * np.mean(accuracy), worst)
)
sys.exit(worst > 1e-4)
