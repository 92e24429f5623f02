"""A loaded network: the neutral graph and where its parts live in the user's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.counted import counted
from prunus.task import Task

if TYPE_CHECKING:
    import onnx_ir as ir


@attrs.frozen
class TaskNames:
    """How a network is trained and measured, as the user names it; its format may know the names.

    Attributes:
        solver: Training recipe file of the framework's own.
        metric: Metric, by the native name of its layer, say.
        data: Description of samples; the format's own may name training samples too.
    """

    solver: Path | None = None
    metric: str | None = None
    data: str | None = None


@attrs.frozen
class Source:
    """The files of one network, as the user names them.

    Attributes:
        model: Structure file (or directory) in the format's own terms.
        weights: Weights file, where the format keeps them apart; ``None`` asks
            for the weights inside ``model``, or for an error if there are none.
        options: Format options by name, all strings (``--option name=value``).
        task: How it is trained and measured, where the user says so.
    """

    model: Path
    weights: Path | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)
    task: TaskNames = attrs.field(factory=TaskNames)


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


@attrs.frozen(eq=False, repr=False)
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
        frozen_width: The same, where heads of attention may still go as a whole: only how wide
            they are stays.
        origin: What the format needs for faithful write-back; opaque to the core.
        task: How the network's own files say it is evaluated and trained.
        notes: Sentences the user should see about how the files were read.
        options: Format options it was loaded with; what is written loads with the same ones.
        aliases: Native layer name -> other names its users know it by (its number, say).
        multiples: Value name -> number of which only whole multiples of its channels can be
            removed, where the native file can say nothing else.
        stored: Initializer name -> NumPy type in which the native file holds it, such as
            ``float16``, where the graph's is wider. New weights are rounded to it; an array with
            a number too large for it stays as it is, and is to be written in the wider type.
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
    stored: Mapping[str, str] = attrs.field(factory=dict)
    frozen_width: Mapping[str, str] = attrs.field(factory=dict)

    def __repr__(self) -> str:
        from prunus.graph.parameters import parameters

        params = parameters(self, self.model)
        return f"Network({self.format}, {counted(len(self.layers), 'layer')}, {params:,} params)"

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Initializer name -> array, as views where the graph allows it."""
        return _weights(self.model)

    def with_weights(self, weights: Mapping[str, NDArray[np.generic]]) -> Network:
        """The same network with some initializers replaced; ``self`` stays as it is.

        They are rounded to what the native file can hold (``stored``): what is measured and proven
        is what is written.

        Raises:
            ValueError: an array has another shape than the one it replaces.
        """
        import onnx_ir as ir

        model = self.model.clone()
        for name, array in weights.items():
            value = model.graph.initializers[name]
            if value.shape is not None and tuple(value.shape) != array.shape:
                raise ValueError(f"{name}: shape {array.shape}, the graph has {value.shape}")
            array = _as_stored(array, self.stored.get(name))
            value.const_value = ir.Tensor(np.asarray(array, order="C"), name=name)
        return attrs.evolve(self, model=model)

    def _repr_html_(self) -> str:
        from prunus.report.views import view_network

        return view_network(self)


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

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Initializer name -> array of the smaller graph, named as in ``Network.weights``."""
        return _weights(self.model)


@attrs.frozen
class Destination:
    """Where and for which step a format writes.

    Attributes:
        directory: Existing, empty directory; names inside follow the format's custom.
        stage: ``masked``: same structure, new weights, plus whatever native
            files the next step wants.
            ``compact``: the smaller network.
        name: Name that the files should have. In the stage ``compact``, the last part of
            ``--output`` with its ending, where that is the ending of the model or weights file
            that was read: ``small.weights``. In the stage ``masked``, the end of a snapshot's
            name: it starts with ``_`` and has no ending. ``None``: the format chooses.
        options: Format options by name.
        original: Name of the unpruned model file with its ending, such as ``net.onnx``, in the
            stage ``compact`` where it is known. Formats without names of their own call the
            smaller network so.
    """

    directory: Path
    stage: str
    name: str | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)
    original: str | None = None


@attrs.frozen
class Written:
    """Files that a format wrote; ``Source(model, weights)`` loads again.

    Attributes:
        model: Structure file, or folder, in the destination. In the stage ``masked`` it may be the
            file that was read, ``Source.model``, where new weights fit it as it is.
        weights: Weights file; ``None`` where ``model`` holds the weights.
        others: More files that the user should hear of.
    """

    model: Path
    weights: Path | None
    others: tuple[Path, ...] = ()


def _as_stored(array: NDArray[np.generic], stored: str | None) -> NDArray[np.generic]:
    """``array`` rounded to a narrower type, unless that makes a number infinite."""
    if stored is None:
        return array
    with np.errstate(over="ignore"):
        rounded = array.astype(stored).astype(array.dtype)
    return rounded if np.isfinite(rounded).all() else array


def _weights(model: ir.Model) -> dict[str, NDArray[np.generic]]:
    return {
        name: value.const_value.numpy()
        for name, value in model.graph.initializers.items()
        if value.const_value is not None
    }
