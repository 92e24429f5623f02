"""Box-decoding layers without a network: what a cfg text says."""

from __future__ import annotations

from pathlib import Path

from prunus_darknet.boxes.head import BoxHead, heads_in
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.dialect import dialect_of
from prunus_darknet.records.structure import read_structure


def head_of(text: str) -> BoxHead:
    """The first box-decoding layer of a cfg text."""
    cfg = parse_cfg(text, Path("net.cfg"))
    dialect = dialect_of(cfg, None, None)
    return heads_in(read_structure(cfg, dialect), dialect)[0]
