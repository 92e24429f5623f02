"""A prototxt as layer records: what each layer says, with both layer formats read."""
