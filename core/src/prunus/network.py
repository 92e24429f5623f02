"""A loaded network: the neutral graph and where its parts live in the user's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.task import Task

if TYPE_CHECKING:
    import onnx_ir as ir


@attrs.frozen
class Source:
    """The files of one network, as the user names them.

    Attributes:
        model: Structure file (or directory) in the format's own terms.
        weights: Weights file, where the format keeps them apart; ``None`` asks
            for the weights inside ``model``, or for an error if there are none.
        options: Format options by name, all strings (``--option name=value``).
    """

    model: Path
    weights: Path | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Binding:
    """Where one initializer of the neutral graph lives natively.

    Attributes:
        layer: Native layer name, as the user knows it.
        role: ``weight``, ``bias``, ``mean``, ``variance``, ``scale``, ``shift``
            or ``slope``; for reports.
        index: Position within the layer (blob number, position in the stream,
            variable name): read only by the plugin that wrote it.
    """

    layer: str
    role: str
    index: int | str = 0


@attrs.frozen(eq=False)
class Network:
    """One network, as every step takes it and gives it back.

    Attributes:
        model: Neutral graph: standard ONNX operators, NCHW inside, executable
            by ONNX Runtime, symbolic batch on axis 0 of every input. Weights
            are initializers named ``<layer>/<role>``; shared weights are one
            initializer used by several nodes.
        format: Name of the format that loaded it.
        bindings: Initializer name -> native position.
        layers: Native layer name -> names of its nodes, in native order.
        frozen: Value name -> why its channels must stay ("feeds a detection head",
            "feeds opaque layer 'foo' of type 'Foo'"); graph outputs that are
            not named here are frozen as "graph output".
        origin: What the format needs for faithful write-back; opaque to the core.
        task: How the network's own files say it is evaluated and trained.
        notes: Sentences the user should see about how the files were read.
        options: Format options it was loaded with; what is written loads with the same ones.
        aliases: Native layer name -> other names its users know it by (its number, say).
        multiples: Value name -> number of which only whole multiples of its channels can be
            removed, where the native file can say nothing else.
    """

    model: ir.Model
    format: str
    bindings: Mapping[str, Binding]
    layers: Mapping[str, tuple[str, ...]]
    frozen: Mapping[str, str] = attrs.field(factory=dict)
    origin: object = None
    task: Task = attrs.field(factory=Task)
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] = attrs.field(factory=dict)
    multiples: Mapping[str, int] = attrs.field(factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Initializer name -> array, as views where the graph allows it."""
        return {
            name: value.const_value.numpy()
            for name, value in self.model.graph.initializers.items()
            if value.const_value is not None
        }

    def with_weights(self, weights: Mapping[str, NDArray[np.generic]]) -> Network:
        """The same network with some initializers replaced; ``self`` stays as it is.

        Raises:
            ValueError: an array has another shape than the one it replaces.
        """
        import onnx_ir as ir

        model = self.model.clone()
        for name, array in weights.items():
            value = model.graph.initializers[name]
            if value.shape is not None and tuple(value.shape) != array.shape:
                raise ValueError(f"{name}: shape {array.shape}, the graph has {value.shape}")
            value.const_value = ir.Tensor(np.asarray(array, order="C"), name=name)
        return attrs.evolve(self, model=model)


@attrs.frozen(eq=False)
class Compact:
    """The smaller network and how it follows from the original one.

    Attributes:
        model: Neutral graph with the removed channels physically gone. Node and
            value names are those of the original graph.
        kept: Value name -> axis -> original positions that remain, in the order
            the compact graph holds them; values and axes that keep everything
            are left out. Initializers are values too. The input axis (1) of a
            grouped convolution's weight is ``(group, n)``: one row a group.
    """

    model: ir.Model
    kept: Mapping[str, Mapping[int, NDArray[np.int64]]]


@attrs.frozen
class Destination:
    """Where and for which step a format writes.

    Attributes:
        directory: Existing directory; names inside follow the format's custom.
        stage: ``masked``: same structure, new weights, plus whatever native
            files the next step wants.
            ``compact``: the smaller network.
        name: Base name chosen by the user (``--output`` of a file), if any.
        options: Format options by name.
        original: File name of the unpruned model, where it is known: what formats without
            names of their own call the smaller network.
    """

    directory: Path
    stage: str
    name: str | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)
    original: str | None = None


@attrs.frozen
class Written:
    """Files that a format wrote: paths that load again as ``Source(model, weights)``."""

    model: Path
    weights: Path | None
    others: tuple[Path, ...] = ()
