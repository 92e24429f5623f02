"""Where a native tensor is in the neutral graph; plain data, for write-back."""

from __future__ import annotations

import attrs


@attrs.frozen
class TensorRecord:
    """A native tensor in the neutral graph.

    Attributes:
        value: Name of the neutral value.
        perm: Neutral axis i is native axis ``perm[i]``.
        shape: Native shape; multiples of ``tensors.BATCH`` run over the batch.
    """

    value: str
    perm: tuple[int, ...]
    shape: tuple[int, ...]
