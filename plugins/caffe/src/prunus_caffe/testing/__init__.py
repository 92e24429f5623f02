"""Comparing with the real frameworks: Caffe in its own interpreter, OpenCV DNN in this one."""

from prunus_caffe.testing.reference import (
    CaffeJob,
    caffe_python,
    opencv_outputs,
    relative_error,
    run_caffe,
)

__all__ = ["CaffeJob", "caffe_python", "opencv_outputs", "relative_error", "run_caffe"]
