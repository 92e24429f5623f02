"""Reading node attributes. Protobuf maps make an entry of whatever they are asked for."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _missing() -> Any:
    from tensorflow.core.framework.attr_value_pb2 import AttrValue

    return AttrValue()


def attr(node: Any, key: str) -> Any:
    """AttrValue of a NodeDef; an empty one if the node has no such attribute."""
    return node.attr[key] if key in node.attr else _missing()
