"""Data for write-back of a graph that was read; plain data, no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from prunus_tensorflow.lower.position import Position
from prunus_tensorflow.lower.record import TensorRecord


@attrs.frozen(eq=False)
class GraphOrigin:
    """The original files of one low-level graph and how the network lies in them.

    Attributes:
        model: Structure file as given.
        kind: ``text`` or ``binary`` GraphDef, ``meta`` (binary MetaGraphDef) or ``metatext``.
        digest: SHA-256 of the structure file.
        content: The whole structure file; ``None`` for a frozen binary one, which is as large
            as the weights and is read again when it is written.
        checkpoint: Checkpoint prefix (V2) or file (V1); ``None`` for a frozen graph.
        version: Checkpoint format, 1 or 2.
        positions: Initializer name -> native position.
        variables: Variable node -> name in the checkpoint.
        inputs: Input tensor -> native shape, -1 for the batch.
        outputs: Output tensors of the neutral graph: what feeds opaque ops is among them.
        ends: Output tensors of the native graph, behind opaque ops too.
        tensors: Native tensor of the lowered part -> its neutral value.
    """

    model: Path
    kind: str
    digest: str
    content: bytes | None
    checkpoint: str | None
    version: int
    positions: Mapping[str, Position]
    variables: Mapping[str, str]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    ends: tuple[str, ...]
    tensors: Mapping[str, TensorRecord]
