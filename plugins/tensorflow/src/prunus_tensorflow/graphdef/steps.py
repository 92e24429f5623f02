"""The native graph as inference sees it: branches chosen, patterns named, dropout off.

A :class:`Step` stands for one native node. Most keep op and inputs; a ``Merge`` becomes the
branch that is taken, and the last node of a known pattern becomes one pseudo op (its name
starts with an underscore) that reads the pattern's inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.names import is_control, split, tensor
from prunus_tensorflow.graphdef.view import PASSING, GraphView


@attrs.frozen(eq=False)
class Step:
    """One native node at inference.

    Attributes:
        name: Node name.
        op: Its op, or a pseudo op: ``_BatchNorm``, ``_PRelu``, ``_LeakyRelu``, ``_Dropout``,
            ``_AtrousConv``.
        inputs: Tensors it reads, canonical names; ``""`` for a missing optional one.
        node: The NodeDef.
        values: Numbers of a pseudo op (epsilon, alpha, ratio).
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    node: Any
    values: Mapping[str, float] = attrs.field(factory=dict)


Steps = dict[str, Step]
DEAD = "_Dead"  # a node of a branch that is not taken


def make_steps(view: GraphView, settings: Mapping[str, bool]) -> tuple[Steps, tuple[str, ...]]:
    """Steps of the whole graph with branches chosen, and notes on what was assumed.

    Args:
        view: The graph.
        settings: Boolean placeholder -> value; those left out count as False.
    """
    predicates, assumed = _predicates(view, settings)
    dead = _dead(view, predicates)
    steps: Steps = {}
    for node in view.graph.node:
        inputs = tuple(view.inputs(node))
        op = node.op
        if op in ("Merge", "RefMerge"):
            alive = [reference for reference in inputs if reference not in dead]
            if len(alive) == 1:
                op, inputs = "Identity", (alive[0],)
        elif op in ("Switch", "RefSwitch") and node.name in predicates:
            op, inputs = "Identity", inputs[:1]
        elif node.name in dead:
            op, inputs = DEAD, ()
        steps[node.name] = Step(node.name, op, inputs, node)
    notes = tuple(f"placeholder '{name}' is taken as False (inference)" for name in assumed)
    return steps, notes


def source(steps: Mapping[str, Step], reference: str) -> str:
    """Tensor that a chain of passing steps begins with."""
    step = steps[split(reference)[0]]
    while step.op in PASSING and step.inputs:
        reference = step.inputs[0]
        step = steps[split(reference)[0]]
    return reference


def needed(steps: Mapping[str, Step], outputs: Iterable[str], cut: Iterable[str]) -> list[str]:
    """Names of the steps that the tensors ``outputs`` need, each after what it reads.

    Args:
        steps: The graph.
        outputs: Tensor names.
        cut: Tensors not to go beyond.
    """
    return list(_walk(steps, list(outputs), frozenset(cut)))


def _walk(steps: Mapping[str, Step], outputs: list[str], cut: frozenset[str]) -> Iterator[str]:
    seen: set[str] = set()
    stack = [(split(output)[0], False) for output in reversed(outputs) if output not in cut]
    while stack:
        name, done = stack.pop()
        if done:
            yield name
            continue
        if name in seen:
            continue
        seen.add(name)
        stack.append((name, True))
        stack.extend(
            (split(reference)[0], False)
            for reference in reversed(steps[name].inputs)
            if reference and reference not in cut
        )


def _predicates(
    view: GraphView, settings: Mapping[str, bool]
) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Switch node -> its predicate where it is known, and the placeholders taken as False."""
    found: dict[str, bool] = {}
    assumed: dict[str, None] = {}
    for node in view.graph.node:
        if node.op in ("Switch", "RefSwitch"):
            value = _truth(view, view.inputs(node)[1], settings, assumed)
            if value is not None:
                found[node.name] = value
    return found, tuple(assumed)


def _truth(
    view: GraphView, reference: str, settings: Mapping[str, bool], assumed: dict[str, None]
) -> bool | None:
    node = view.producer(reference)
    inputs = view.inputs(node)
    if node.name in settings:
        return settings[node.name]
    if node.op == "Const":
        value = view.constant(reference)
        return bool(value) if value is not None and value.size == 1 else None
    if node.op == "Placeholder" and attr(node, "dtype").type == 10:  # DT_BOOL
        assumed[node.name] = None
        return False
    if node.op in PASSING and inputs:
        return _truth(view, inputs[0], settings, assumed)
    if node.op == "Switch":
        return _truth(view, inputs[0], settings, assumed)
    if node.op == "LogicalNot":
        inner = _truth(view, inputs[0], settings, assumed)
        return None if inner is None else not inner
    if node.op in ("LogicalAnd", "LogicalOr"):
        both = [_truth(view, one, settings, assumed) for one in inputs]
        if None in both:
            return None
        return all(both) if node.op == "LogicalAnd" else any(both)
    return None


def _dead(view: GraphView, predicates: Mapping[str, bool]) -> set[str]:
    """Tensors that are never computed, data and control edges alike (a Merge revives)."""
    if not predicates:
        return set()
    dead: set[str] = set()
    outputs = [node.name for node in view.graph.node]
    for name in view.sorted_from(outputs, frozenset(), control=True):
        node = view.nodes[name]
        if node.op in ("Switch", "RefSwitch") and name in predicates:
            dead.add(name if predicates[name] else f"{name}:1")
            continue
        gone = [
            tensor(reference) in dead or (is_control(reference) and split(reference)[0] in dead)
            for reference in node.input
        ]
        merge = node.op in ("Merge", "RefMerge")
        if gone and (all(gone) if merge else any(gone)):
            dead.update((name, f"{name}:1"))
    return dead
