"""Layer records: what a cfg says, with shapes and the position of every weight."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from prunus_darknet.cfg import Section

NETWORK_INPUT = -1


@attrs.frozen
class Shape:
    """Output of a layer for one sample.

    Attributes:
        c, h, w: Channels, rows, columns; a vector is ``(n, 1, 1)``.
        image: False where Darknet knows a length only (softmax, flat inputs): no
            convolution may follow.
    """

    c: int
    h: int = 1
    w: int = 1
    image: bool = True

    @property
    def size(self) -> int:
        """Number of values."""
        return self.c * self.h * self.w

    @property
    def dims(self) -> tuple[int, int, int]:
        """``(c, h, w)``."""
        return (self.c, self.h, self.w)

    def __str__(self) -> str:
        return f"{self.c}x{self.h}x{self.w}"


@attrs.frozen
class Blob:
    """One run of float32 in the weights file.

    Attributes:
        role: ``weight``, ``bias``, ``mean``, ``variance``, ``scale``, ``shift``, or
            ``raw`` for the weights of an opaque layer.
        shape: Shape in the neutral graph's layout.
        transposed: The file holds the (out, in) matrix as (in, out).
    """

    role: str
    shape: tuple[int, ...]
    transposed: bool = False

    @property
    def size(self) -> int:
        """Number of values."""
        product = 1
        for side in self.shape:
            product *= side
        return product


@attrs.frozen(eq=False)
class Layer:
    """One layer of a cfg.

    Attributes:
        index: Position in the file, counted without ``[net]``.
        type: Canonical section name (``[conv]`` is ``convolutional``).
        section: The cfg section.
        sources: Indices of the layers it reads, ``-1`` for the network input.
        input: Shape of its first source.
        output: Shape of what it gives.
        numbers: Whole-number settings after Darknet's defaults.
        activation: Activation name, ``linear`` where there is none.
        blobs: Its weights in file order.
        opaque: Why it is not lowered, or ``None``.
    """

    index: int
    type: str
    section: Section
    sources: tuple[int, ...]
    input: Shape
    output: Shape
    numbers: Mapping[str, int] = attrs.field(factory=dict)
    activation: str = "linear"
    blobs: tuple[Blob, ...] = ()
    opaque: str | None = None

    @property
    def name(self) -> str:
        """Native layer name: ``<index>:<type>``."""
        return f"{self.index}:{self.type}"


@attrs.frozen(eq=False)
class Structure:
    """All layers of a cfg.

    Attributes:
        input: Shape of the network input.
        layers: Layer records; position = Darknet's layer index.
        notes: Sentences for the user.
    """

    input: Shape
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    def output_of(self, index: int) -> Shape:
        """Output shape of a layer, or the network input's for ``-1``."""
        return self.input if index == NETWORK_INPUT else self.layers[index].output
