"""Data for write-back of a SavedModel that was read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus_tensorflow.graphdef.origin import GraphOrigin


@attrs.frozen(eq=False)
class SavedModelOrigin:
    """A SavedModel that was read.

    Attributes:
        path: Its directory.
        signature: Name of the signature that was read.
        aliases: Other signatures that run the same function.
        endpoint: True if the object also has Keras' ``serve`` method.
        graph: The inlined graph.
        inputs: Argument of the signature -> tensor of the graph.
        specs: Argument -> its ``tf.TensorSpec``.
        outputs: Result of the signature -> tensor of the graph.
        variables: Const node of the graph -> name of the variable it was.
    """

    path: Path
    signature: str
    aliases: tuple[str, ...]
    endpoint: bool
    graph: GraphOrigin
    inputs: Mapping[str, str]
    specs: Mapping[str, Any]
    outputs: Mapping[str, str]
    variables: Mapping[str, str]
