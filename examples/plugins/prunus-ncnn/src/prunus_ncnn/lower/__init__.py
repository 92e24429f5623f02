"""ncnn's layers as operators of the neutral graph."""
