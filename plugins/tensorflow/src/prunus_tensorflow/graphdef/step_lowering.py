"""Native steps -> neutral operations, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from prunus.plugin import ModelError
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.graphdef.constants import EVALUATORS
from prunus_tensorflow.graphdef.extent import check_extent
from prunus_tensorflow.graphdef.names import split, tensor
from prunus_tensorflow.graphdef.rules import RULES
from prunus_tensorflow.graphdef.rules.context import Context
from prunus_tensorflow.graphdef.steps import DEAD, Step, Steps
from prunus_tensorflow.graphdef.view import PASSING, PLACEHOLDERS, VARIABLES, const_value
from prunus_tensorflow.lower.position import Holder
from prunus_tensorflow.lower.tensors import (
    BATCH,
    Dead,
    Dynamic,
    Lowered,
    Random,
    Setting,
    Static,
    Unlowerable,
    as_static,
    symbolic,
)

_RANDOM = ("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "StatelessRandomUniformV2")
_RENAMING = (*PASSING, "Cast", "Reshape", "ExpandDims", "Squeeze")
_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
_SHAPES = ("Shape", "ShapeN", "Rank", "Size")

Value = Callable[[str], Any]
Shapes = Callable[[str], tuple[int, ...] | None]


@attrs.define(eq=False)
class Lowerer:
    """Takes the native steps one by one.

    Attributes:
        steps: The native graph at inference.
        variables: Variable node -> checkpoint name.
        value_of: Gives a variable's array by node name.
        shape_of: Gives a tensor's native shape as TensorFlow infers it.
        context: The neutral graph under construction.
        env: Native tensor -> what it is.
        barriers: Native node -> why it stays out.
        feeds: Native tensor -> the barrier it feeds.
        behind: ids of graph inputs that barriers behind weights make.
    """

    steps: Steps
    variables: Mapping[str, str]
    value_of: Value
    shape_of: Shapes
    context: Context
    env: dict[str, Lowered] = attrs.field(factory=dict)
    barriers: dict[str, str] = attrs.field(factory=dict)
    feeds: dict[str, str] = attrs.field(factory=dict)
    behind: set[int] = attrs.field(factory=set)

    def run(self, names: Sequence[str]) -> None:
        """Lower nodes, each after what it reads; what cannot be lowered becomes a barrier."""
        for name in names:
            step = self.steps[name]
            try:
                results = self._step(step)
            except Unlowerable as finding:
                results = self._barrier(step, str(finding))
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise ModelError(
                    f"node '{name}' of type '{step.op}': its inputs and attributes do not fit each "
                    f"other ({first_line(error)})"
                ) from error
            for index, result in enumerate(results):
                self.env.setdefault(tensor(f"{name}:{index}"), result)

    def _step(self, step: Step) -> list[Lowered]:
        if step.op in VARIABLES:
            return [self._variable(step)]
        if step.op == DEAD:
            return [Dead()]
        if step.op == "Const":
            array = const_value(step.node)
            holder = Holder(step.name, "const", step.name)
            wide = array.astype(np.int64) if array.dtype.kind in "iu" else array
            return [Static(wide, holder, array.shape)]
        if step.op in PLACEHOLDERS and not step.inputs:
            return [Setting(step.name)]
        if step.op in _RANDOM:
            return [Random()]
        inputs = [self.env.get(reference) if reference else None for reference in step.inputs]
        if any(isinstance(one, Random) for one in inputs) and step.op != "_Dropout":
            return [Random()]
        if step.op in _SHAPES:
            return self._shape(step, inputs)
        if all(isinstance(one, Static) for one in inputs) and step.op in EVALUATORS:
            return self._evaluate(step, inputs)
        rule = RULES.get(step.op)
        if any(isinstance(one, Setting) for one in inputs) and step.op != "_Dropout":
            known = all(isinstance(one, Static | Setting) for one in inputs)
            if known and (step.op in EVALUATORS or rule is not None):
                return [Setting(next(o.name for o in inputs if isinstance(o, Setting)))]
            raise Unlowerable("it needs a number that is fed at run time")
        if rule is None:
            raise Unlowerable(f"op {step.op} is not known")
        return rule(self.context, step, inputs)  # type: ignore[arg-type]

    def _variable(self, step: Step) -> Static:
        key = self.variables[step.name]
        array = np.asarray(self.value_of(step.name))
        return Static(array, Holder(step.name, "variable", key), array.shape)

    def _shape(self, step: Step, inputs: Sequence[Lowered | None]) -> list[Lowered]:
        shapes = []
        for one in inputs:
            if isinstance(one, Dynamic):
                shapes.append(one.shape)
            elif isinstance(one, Static):
                shapes.append(one.array.shape)
            else:
                raise Unlowerable("it asks the shape of a tensor that is not known")
        if step.op == "Rank":
            return [as_static(len(shapes[0]))]
        if step.op == "Size":
            return [as_static(np.prod(np.asarray(shapes[0], np.int64)))]
        return [as_static(np.asarray(shape, np.int64)) for shape in shapes]

    def _evaluate(self, step: Step, inputs: Sequence[Lowered | None]) -> list[Lowered]:
        known = [one for one in inputs if isinstance(one, Static)]
        arrays = [one.array for one in known]
        try:
            check_extent(step.node, arrays)
            result = EVALUATORS[step.op](step.node, arrays)
        except (ArithmeticError, IndexError, MemoryError, TypeError, ValueError) as error:
            raise Unlowerable(f"it cannot be computed ({first_line(error)})") from error
        results = [as_static(one) for one in (result if isinstance(result, list) else [result])]
        first = known[0]
        if first.holder is None or len(results) != 1:
            return list(results)
        if step.op == "Cast" and {first.array.dtype.name, results[0].array.dtype.name} <= _FLOATS:
            return [first]  # mixed precision: the graph itself rounds what the variable holds
        if _same_numbers(step.op, first.array, results[0].array):
            return [attrs.evolve(first, array=results[0].array)]
        return list(results)

    def _barrier(self, step: Step, reason: str) -> list[Lowered]:
        """The op stays out: what it makes becomes an input, what feeds it an output.

        Not so what feeds an op before all weights: TensorFlow computes that.
        """
        given = {one: self.env.get(one) for one in step.inputs}
        fed = {name: one for name, one in given.items() if isinstance(one, Dynamic)}
        builder = self.context.builder
        before_weights = all(builder.free(one.value, self.behind) for one in fed.values())
        if not before_weights:
            for reference in fed:
                self.feeds.setdefault(reference, f"feeds opaque node '{step.name}' ({step.op})")
        if not fed:
            needs = [one for one in step.inputs if isinstance(self.env.get(one), Setting)]
            why = f"needs '{needs[0]}', which is no input of the network" if needs else reason
            raise ModelError(
                f"node '{step.name}' ({step.op}): {why}: give --input_nodes, or --output_nodes in "
                "front of it"
            )
        self.barriers[step.name] = reason
        results: list[Lowered] = []
        for index in range(self._width(step)):
            name = tensor(f"{step.name}:{index}")
            shape = self._shape_behind(step, name)
            if shape is None or len(shape) == 0 or -1 in shape[1:]:
                results.append(Setting(name))
                continue
            made = self.input(name, shape)
            results.append(made)
            if not before_weights:
                self.behind.add(id(made.value))
        return results

    def _shape_behind(self, step: Step, name: str) -> tuple[int, ...] | None:
        """Shape TensorFlow infers, with what it does not know taken from the first input."""
        known, first = self.shape_of(name), self._first_shape(step)
        if known is None or first is None or len(known) != len(first):
            return known or first
        return tuple(f if k == -1 else k for k, f in zip(known, first, strict=True))

    def _first_shape(self, step: Step) -> tuple[int, ...] | None:
        for reference in step.inputs:
            one = self.env.get(reference)
            if isinstance(one, Dynamic):
                return one.shape
        return None

    def _width(self, step: Step) -> int:
        """Number of outputs that anybody in the needed part reads."""
        read = [split(name) for name in self.context.uses]
        return 1 + max((index for node, index in read if node == step.name), default=0)

    def input(self, name: str, shape: tuple[int, ...]) -> Dynamic:
        """A new graph input in native layout."""
        full = (BATCH, *shape[1:])
        value = self.context.builder.input(name, symbolic(full))
        self.env[name] = Dynamic(value, full, tuple(range(len(full))))
        return self.env[name]  # type: ignore[return-value]


def _same_numbers(op: str, before: Any, after: Any) -> bool:
    """True if the op only renamed the array or gave and took unit axes."""
    if op not in _RENAMING:
        return False
    unit = [size for size in before.shape if size != 1]
    return unit == [size for size in after.shape if size != 1] and before.dtype == after.dtype
