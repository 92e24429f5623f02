"""Conformance of formats: live models of a framework."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import numpy as np

from prunus.compaction.compact import identity
from prunus.graph.digest import structure_digest
from prunus.proof import TOLERANCE, compare, prove_live
from prunus.testing.checks_network import check_facts, same_weights, stored_numbers
from prunus.testing.subject import Subject, pruned

STRANGERS: tuple[object, ...] = (
    None, 3, "net.toy", b"\0", [], {}, object(), np.zeros(3), Path("net.toy"), print,
)  # fmt: skip
"""Objects that are no model of any framework."""


@attrs.frozen
class Live:
    """An example of a live model.

    Attributes:
        make: Makes it; a fresh one each time.
        example_inputs: What it is called with, where its format has to call it.
    """

    make: Callable[[], object]
    example_inputs: object = None


def check_other_objects(subject: Subject) -> None:
    """``in_memory`` is False for everything that is no model, and never raises."""
    in_memory = subject.descriptor().in_memory
    if in_memory is None:
        return
    for hook in ("prunus_lower", "prunus_rebuild"):
        assert subject.implements(hook), f"{subject.name} has in_memory, but no {hook}"
    for thing in STRANGERS:
        try:
            found = in_memory(thing)
        except Exception as error:
            raise AssertionError(
                f"{subject.name}: in_memory({thing!r}) raises {type(error).__name__}: {error}"
            ) from error
        assert found is False, f"{subject.name}: in_memory({thing!r}) is {found!r}"


def check_model(subject: Subject, live: Live) -> None:
    """A live model is its own, is lowered the same twice, and stays as it is."""
    in_memory = subject.descriptor().in_memory
    assert in_memory is not None, f"{subject.name} has no in_memory, but there is an example"
    model = live.make()
    assert in_memory(model) is True, f"{subject.name}: in_memory does not know its model"
    for other in subject.others():
        taken = other.in_memory is not None and other.in_memory(model)
        assert not taken, f"{other.name} takes the model too"
    wants = subject.descriptor().takes_inputs
    given = live.example_inputs is not None
    assert wants == given, f"{subject.name}: takes_inputs is {wants}, but inputs given: {given}"
    first = subject.lower(model, live.example_inputs)
    check_facts(subject.name, first)
    second = subject.lower(model, live.example_inputs)
    assert structure_digest(first) == structure_digest(second), "another structure the second time"
    same_weights(first, second)


def check_rebuilt(subject: Subject, live: Live) -> None:
    """A rebuilt model is one of the framework, computes the same, and is smaller where pruned.

    Where the plugin has ``prunus_infer``, in the framework itself too.
    """
    in_memory = subject.descriptor().in_memory
    assert in_memory is not None, f"{subject.name} has no in_memory, but there is an example"
    model = live.make()
    lower = partial(subject.lower, example_inputs=live.example_inputs)
    network = lower(model)
    whole = subject.rebuild(network, identity(network))
    assert in_memory(whole) is True, f"{subject.name}: the rebuilt model is none of its own"
    proof = compare(network.model, lower(whole).model)
    assert proof.error <= TOLERANCE, f"rebuilt without a change: {proof}"
    cut = pruned(network, "the model", 0.5, 0)
    rebuilt = subject.rebuild(cut.masked, cut.compact)
    smaller = lower(rebuilt)
    proof = compare(cut.masked.model, smaller.model)
    assert proof.error <= TOLERANCE, f"rebuilt with half of the channels: {proof}"
    assert stored_numbers(smaller) < stored_numbers(network), "nothing became smaller"
    if subject.implements("prunus_infer"):
        run = partial(subject.infer, cut.masked, rebuilt)
        prove_live(cut.compact.model, run, "the rebuilt model")
    same_weights(network, lower(model))
