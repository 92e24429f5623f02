"""Caffe's messages, built from our own table of published names and field numbers."""

from prunus_caffe.schema.messages import descriptor, message

__all__ = ["descriptor", "message"]
