"""Caffe for prunus: prototxt and caffemodel in, smaller prototxt and caffemodel out."""
