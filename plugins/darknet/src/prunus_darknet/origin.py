"""Data for write-back: the files as read."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from prunus_darknet.cfg import Cfg
from prunus_darknet.dialect import Dialect
from prunus_darknet.records.layers import Structure
from prunus_darknet.weights import Array, Slot


@attrs.frozen(eq=False)
class Origin:
    """Data for writing back; ``Network.origin`` of this format.

    Attributes:
        cfg: The parsed cfg with its text.
        structure: Layer records.
        dialect: The line the files were read by.
        header: First bytes of the weights file.
        transposed: Fully connected weights are stored (in, out).
        slots: Weights as read, in the graph's shapes.
        recipe: The cfg whose ``[net]`` says how to train.
    """

    cfg: Cfg
    structure: Structure
    dialect: Dialect
    header: bytes
    transposed: bool
    slots: Mapping[Slot, Array]
    recipe: Cfg
