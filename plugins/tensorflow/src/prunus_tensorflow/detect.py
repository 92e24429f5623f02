"""Which kind of TensorFlow model a path is, from its name and first bytes."""

from __future__ import annotations

import re
from pathlib import Path

FORMAT = "tensorflow"

_HDF5 = b"\x89HDF\r\n\x1a\n"
# First words of a GraphDef or a MetaGraphDef in text form (tensorflow/core/framework/graph.proto,
# tensorflow/core/protobuf/meta_graph.proto). `node` alone starts nearly every graph; a Caffe
# prototxt starts with name, layer, layers, input, or force_backward.
_TEXT = re.compile(rb"\A(\s|#[^\n]*\n)*(node|versions|library|meta_info_def|graph_def)\s*:?\s*\{")


def kind(path: Path) -> str | None:
    """``keras``, ``savedmodel``, ``graph`` or ``None`` for something else.

    ``graph`` is a GraphDef or a MetaGraphDef, text or binary.
    """
    try:
        if path.is_dir():
            names = ("saved_model.pb", "saved_model.pbtxt")
            return "savedmodel" if any((path / name).exists() for name in names) else None
        suffix = path.suffix.lower()
        if suffix == ".keras":
            return "keras"
        if path.name in ("saved_model.pb", "saved_model.pbtxt"):
            return "savedmodel"
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return _by_name(path)
    if suffix in (".h5", ".hdf5"):
        return "keras" if head.startswith(_HDF5) else None
    if suffix in (".pbtxt", ".pb", ".meta"):
        return "graph"
    return "graph" if _TEXT.match(head) else None


def is_tensorflow(path: Path) -> bool:
    """True for a model path of this format; never raises."""
    return kind(path) is not None


def _by_name(path: Path) -> str | None:
    """Kind of a path that cannot be read: lets the reader report the missing file."""
    suffix = path.suffix.lower()
    if suffix in (".keras", ".h5", ".hdf5"):
        return "keras"
    return "graph" if suffix in (".pbtxt", ".pb", ".meta") else None
