"""Which native arrays change, and which of their numbers remain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.plugin import Compact, Network
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.graphdef.view import VARIABLES, GraphView, shape_attr
from prunus_tensorflow.lower.position import Position

Kept = Mapping[int, NDArray[np.int64]]
Pick = Callable[[NDArray[Any]], NDArray[Any]]


@attrs.frozen(eq=False)
class Cut:
    """New content of one native array.

    Attributes:
        array: New values in native shape; ``None`` to take them from the old array.
        shape: New native shape.
        before: Old native shape.
        pick: Takes the part that remains out of an array of the old shape, in the new native
            shape; ``None`` if the shape stays.
    """

    array: NDArray[Any] | None
    shape: tuple[int, ...]
    before: tuple[int, ...]
    pick: Pick | None = None

    @property
    def smaller(self) -> bool:
        """True if something is cut off."""
        return self.pick is not None

    def of(self, old: NDArray[Any]) -> NDArray[Any]:
        """New content for an array of the old shape tied to this one (a slot)."""
        return old if self.pick is None else self.pick(old)


def find_cuts(network: Network, compact: Compact, origin: GraphOrigin) -> dict[str, Cut]:
    """Native node -> its new content, for every bound initializer.

    Slices are taken when they are asked for: index arrays would outweigh the weights.
    """
    groups = _groups(compact.model)
    cuts = {}
    for name, position in origin.positions.items():
        value = compact.model.graph.initializers.get(name)
        if value is None or value.const_value is None:
            continue
        array = value.const_value.numpy()
        cuts[position.holder.node] = _cut(
            position, array, compact.kept.get(name, {}), groups.get(name)
        )
    return cuts


def _cut(position: Position, array: NDArray[Any], kept: Kept, group: int | None) -> Cut:
    native = position.to_native(array, group)
    if native.size == math.prod(position.shape):
        return Cut(native.reshape(position.shape), position.shape, position.shape)

    def pick(old: NDArray[Any]) -> NDArray[Any]:
        return position.to_native(
            _take(position.to_neutral(old.reshape(position.shape)), kept), group
        )

    return Cut(native, native.shape, position.shape, pick)


def native_shapes(compact: Compact, origin: GraphOrigin) -> dict[str, tuple[int, ...]]:
    """Initializer -> native shape it is used in, unit axes of the stored array aside."""
    groups = _groups(compact.model)
    found = {}
    for name, position in origin.positions.items():
        value = compact.model.graph.initializers.get(name)
        if value is not None and value.const_value is not None:
            array = value.const_value.numpy()
            found[name] = position.to_native(array, groups.get(name)).shape
    return found


def _take(array: NDArray[Any], kept: Kept) -> NDArray[Any]:
    """Kept positions axis by axis; two-dimensional ones are rows an output group."""
    for axis, index in sorted(kept.items()):
        if index.ndim == 1:
            array = np.take(array, index, axis)
            continue
        rows = np.repeat(index, len(array) // len(index), axis=0)
        array = np.take_along_axis(array, rows.reshape(*rows.shape, *(1,) * (array.ndim - 2)), 1)
    return array


def _groups(model: ir.Model) -> dict[str, int]:
    """Weight initializer -> ``group`` of its convolution."""
    found = {}
    for node in model.graph:
        if node.op_type in ("Conv", "ConvTranspose") and node.inputs[1] is not None:
            found[node.inputs[1].name or ""] = int(node.attributes.get_int("group", 1))
    return found


def fit_holders(cuts: Mapping[str, Cut], view: GraphView, shapes: Any) -> dict[str, Cut]:
    """The cuts with unit axes as the native array has them (a vector used as (1, 1, 1, C)).

    Args:
        cuts: Native node -> cut, in the shape it is used in.
        view: The graph.
        shapes: Native node -> shape of its array.
    """
    fitted = {}
    for node, cut in cuts.items():
        real = shapes(node)
        if real is None or real == cut.before:
            fitted[node] = cut
            continue
        sizes = iter(new for old, new in zip(cut.before, cut.shape, strict=True) if old != 1)
        target = tuple(size if size == 1 else next(sizes) for size in real)
        array = None if cut.array is None else cut.array.reshape(target)
        pick = None if cut.pick is None else _reshaped(cut.pick, target)
        fitted[node] = Cut(array, target, real, pick)
    return fitted


def _reshaped(pick: Pick, shape: tuple[int, ...]) -> Pick:
    return lambda old: pick(old).reshape(shape)


def find_slots(
    cuts: Mapping[str, Cut],
    origin: GraphOrigin,
    view: GraphView,
    stored: Mapping[str, tuple[int, ...]],
) -> dict[str, Cut]:
    """Checkpoint name -> cut, for arrays that follow a cut variable: its optimizer slots.

    They are the further variables of the variable's ``Apply…`` op, and what the checkpoint
    holds under the variable's name with the same shape (slot_creator.py names a slot
    ``<variable>/<slot>``; an enclosing scope may stand in front).
    """
    own = {origin.variables[node] for node in cuts if node in origin.variables}
    found: dict[str, Cut] = {}
    smaller = {
        origin.variables[node]: cut
        for node, cut in cuts.items()
        if node in origin.variables and cut.smaller
    }
    for key, others in _applied(view, origin.variables):
        cut = smaller.get(key)
        if cut is None:
            continue
        for other in others:
            if other not in own and stored.get(other) == cut.before:
                found[other] = attrs.evolve(cut, array=None)
    for name, shape in stored.items():
        if name in own or name in found:
            continue
        for key, cut in smaller.items():
            if f"/{key}/" in f"/{name}" and shape == cut.before:
                found[name] = attrs.evolve(cut, array=None)
    return found


def _applied(
    view: GraphView, variables: Mapping[str, str]
) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Variable and slots of every ``Apply…`` and ``ResourceApply…`` op, by checkpoint name."""
    for node in view.graph.node:
        if "Apply" not in node.op:
            continue
        sources = [split(view.source(reference))[0] for reference in view.inputs(node)]
        keys = [variables[name] for name in sources if name in variables]
        if len(keys) > 1:
            yield keys[0], tuple(keys[1:])


def variable_shapes(view: GraphView) -> Mapping[str, tuple[int, ...] | None]:
    """Variable node -> shape in the graph."""
    return {
        node.name: shape_attr(attr(node, "shape").shape)
        for node in view.graph.node
        if node.op in VARIABLES
    }
