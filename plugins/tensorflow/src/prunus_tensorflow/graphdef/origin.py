"""What write-back needs of a graph that was read; plain data, no TensorFlow."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen(eq=False)
class GraphOrigin:
    """The original files of one low-level graph.

    Attributes:
        model: Structure file as given.
        kind: ``text`` or ``binary`` GraphDef, ``meta`` (binary MetaGraphDef) or ``metatext``.
        content: The whole structure file.
        checkpoint: Checkpoint prefix (V2) or file (V1); ``None`` for a frozen graph.
    """

    model: Path
    kind: str
    content: bytes
    checkpoint: str | None
