"""Engines for prunus that need nothing but their own package: OpenCV DNN, OpenVINO."""

__version__ = "0.1.0"
