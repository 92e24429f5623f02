"""Is a path a Caffe network? Looks at the name and the first bytes only."""

from __future__ import annotations

import re
from pathlib import Path

from prunus.plugin import check_regular

FORMAT = "caffe"

_FIRST = re.compile(
    rb"^\s*(?:#[^\n]*\n\s*)*(?:name\s*:|input\s*:|input_shape\s*[:{]|layers?\s*:?\s*\{|force_backward\s*:|state\s*\{)"
)
_LAYER = re.compile(rb"\b(?:layers?\s*:?\s*\{|input\s*:|input_dim\s*:)")


def is_caffe(path: Path) -> bool:
    """True for a prototxt that holds a network; never raises."""
    if path.suffix.lower() not in (".prototxt", ".prototext", ".pbtxt", ".pt", ".txt", ""):
        return False
    try:
        check_regular(path)
        with path.open("rb") as file:
            head = file.read(65536)
    except OSError:
        return False
    if b"\0" in head[:1024]:
        return False
    head = head.removeprefix(b"\xef\xbb\xbf")
    return bool(_FIRST.match(head) and _LAYER.search(head)) and b"node {" not in head[:2048]
