"""Run two networks on the same inputs and say how far apart they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import numpy as np
import onnx_ir as ir

from prunus.errors import ModelError, ProofError
from prunus.evaluation.session import Array, Session, with_fed_weights
from prunus.graph.release import return_memory
from prunus.proof.batches import Inputs, batches_of
from prunus.proof.difference import Pair, finite, pairs_of
from prunus.proof.last_activations import values_before_activations

TOLERANCE = 1e-5
"""Largest relative error of a proof (DESIGN section 9)."""

_ROUNDING = 2.0**-20
"""Relative change of every weight and input that rounding in float32 is likened to: some eight
units in the last place, the sum of some dozen roundings."""

_WEIGHTED = frozenset(
    "Conv ConvTranspose Gemm MatMul BatchNormalization Add Sub Mul Div PRelu".split()
)
"""Operators whose operands are numbers to calculate with; others may hold sizes."""

Outcome = dict[str, Array] | None
"""Value name -> array; ``None`` where the network does not run for that batch size."""


@attrs.frozen
class Proof:
    """Compared values and their agreement.

    Attributes:
        error: Largest relative error over all outputs. It is relative to the largest number, or
            to 1e5 times what rounding alone changes, where that is more.
        output: Output where it was seen.
        samples: Number of inputs compared; 0 where the network gave no finite numbers.
        batches: Batch sizes compared.
        refused: Batch sizes that the masked network itself does not run for.
    """

    error: float
    output: str
    samples: int
    batches: tuple[int, ...]

    refused: tuple[int, ...] = ()

    @property
    def limit(self) -> str | None:
        """A sentence where the masked network does not run for some batch size."""
        if not self.refused:
            return None
        held, refused = (", ".join(map(str, sizes)) for sizes in (self.batches, self.refused))
        return (
            f"the network holds its batch size: it runs for {held}, not for {refused}; export it "
            "with a dynamic batch axis to use it for others"
        )


def compare(
    masked: ir.Model,
    compact: ir.Model,
    inputs: Inputs | None = None,
    original: ir.Model | None = None,
) -> Proof:
    """Run both graphs on random inputs and, where given, on real ones.

    One after the other, and neither copies its weights: they may fill most of the memory.

    Args:
        masked: The masked graph.
        compact: The compact graph, or the same graph, which is then only run.
        inputs: Graph input name -> ``(N, ...)`` real inputs.
        original: The graph before it was masked. Random inputs for which it gives no finite
            numbers itself (the logarithm of a negative one, say) prove nothing and are left out.

    Raises:
        ProofError: the compact graph does not run where the masked one does.
        ModelError: the masked graph does not run at all.
    """
    values_before = (values_before_activations(masked), values_before_activations(compact))
    outputs = [value.name or "" for value in masked.graph.outputs]
    whole = masked if original is None else original
    for positive in (False, True):
        batches = batches_of(masked, inputs, positive=positive)
        first = outcomes(masked, batches, values_before[0])
        refused = _sizes(b for b, found in zip(batches, first, strict=True) if found is None)
        batches, first = _usable(whole, batches, first, outputs)
        if batches:
            break
    if not batches:
        return Proof(float("inf"), outputs[0], 0, (), refused)
    second = first if compact is masked else outcomes(compact, batches, values_before[1])
    found = agreement(masked, batches, first, second, values_before)
    return attrs.evolve(found, refused=refused)


def agreement(
    model: ir.Model,
    batches: Sequence[Inputs],
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    values_before: tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]],
) -> Proof:
    """How far apart two runs are.

    Args:
        model: The graph of the first run, to see what rounding alone changes.
        batches: What both were given.
        first: What the graph gave.
        second: What is compared with it.
        values_before: Output name -> values before its last activations, of either.

    Raises:
        ProofError: the second did not run for a batch.
    """
    outputs = [value.name or "" for value in model.graph.outputs]
    pairs = _pairs(batches, first, second, outputs, values_before)
    errors = [pair.error() for pair in pairs]
    if TOLERANCE < max(errors) < np.inf:
        shaken = outcomes(model, batches, values_before[0], shake=True)
        moved = _pairs(batches, first, shaken, outputs, (values_before[0], values_before[0]))
        floors = [_moved(pair) / TOLERANCE for pair in moved]
        if len(floors) == len(pairs):
            errors = [p.error(floor) for p, floor in zip(pairs, floors, strict=True)]
    worst = int(np.argmax(errors))
    count = sum(_size(batch) for batch in batches)
    return Proof(errors[worst], pairs[worst].output, count, _sizes(batches))


def outcomes(
    model: ir.Model,
    batches: Sequence[Inputs],
    values_before: Mapping[str, tuple[str, ...]],
    *,
    shake: bool = False,
) -> list[Outcome]:
    """Outputs, and the values before them, for every batch.

    Args:
        model: The graph.
        batches: What to feed.
        values_before: Output name -> further values to return.
        shake: Change weights and inputs as rounding might.
    """
    draw = np.random.default_rng(0)
    if shake:
        batches = [{name: _shaken(a, draw) for name, a in batch.items()} for batch in batches]
    fed, weights = with_fed_weights(_rounded(model, draw) if shake else model)
    wanted = [value.name or "" for value in model.graph.outputs]
    wanted += [name for names in values_before.values() for name in names]
    count = sum(_size(batch) for batch in batches)
    asked = list(dict.fromkeys(wanted)) if values_before else None
    session = Session(fed, asked, arena=False, samples=count)  # an arena takes half as much more
    found: list[Outcome] = []
    failure: ModelError | None = None
    for batch in batches:
        try:
            values = session.run({**batch, **weights})
            # copies: an output lies in the engine's memory and would keep all of it
            found.append({name: array.copy() for name, array in values.items()})
        except ModelError as error:
            found.append(None)
            failure = error
    del session
    return_memory(model)  # without an arena, freed activations stay in the C library's heap
    if failure is not None and not any(outcome is not None for outcome in found):
        raise failure
    return found


def _usable(
    original: ir.Model, batches: Sequence[Inputs], found: Sequence[Outcome], outputs: Sequence[str]
) -> tuple[list[Inputs], list[Outcome]]:
    """Batches the masked network runs for, without those that give nobody finite numbers."""
    ran = [index for index, outcome in enumerate(found) if outcome is not None]
    doubtful = [index for index in ran if not _finite(found[index], outputs)]
    if doubtful:
        whole = outcomes(original, [batches[index] for index in doubtful], {})
        useless = {
            index
            for index, outcome in zip(doubtful, whole, strict=True)
            if outcome is None or not _finite(outcome, outputs)
        }
        ran = [index for index in ran if index not in useless]
    return [batches[index] for index in ran], [found[index] for index in ran]


def _finite(outcome: Outcome, outputs: Iterable[str]) -> bool:
    return outcome is not None and finite(*(outcome[name] for name in outputs))


def _pairs(
    batches: Sequence[Inputs],
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    outputs: Sequence[str],
    values_before: tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]],
) -> list[Pair]:
    found: list[Pair] = []
    for batch, one, other in zip(batches, first, second, strict=True):
        assert one is not None
        if other is None:
            raise ProofError(
                f"the compact network does not run for a batch of {_size(batch)}, and the masked "
                "one does; nothing was written"
            )
        found += pairs_of(one, other, outputs, values_before)
    return found


def _moved(pair: Pair) -> float:
    """Largest change from the first to the second; 0 where they cannot be compared."""
    if pair.first.shape != pair.second.shape or not finite(pair.second):
        return 0.0
    return float(np.abs(pair.first.astype(np.float64) - pair.second).max(initial=0.0))


def _rounded(model: ir.Model, draw: np.random.Generator) -> ir.Model:
    """The same graph with weights changed as rounding might."""
    changed = model.clone()
    for name, value in changed.graph.initializers.items():
        held = value.const_value
        users = {node.op_type for node, _ in value.uses()}
        if held is not None and held.dtype == ir.DataType.FLOAT and users <= _WEIGHTED:
            value.const_value = ir.Tensor(_shaken(held.numpy(), draw), name=name)
    return changed


def _shaken(array: Array, draw: np.random.Generator) -> Array:
    return array * (1 + _ROUNDING * draw.uniform(-1, 1, array.shape)).astype(np.float32)


def _sizes(batches: Iterable[Inputs]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_size(batch) for batch in batches))


def _size(batch: Inputs) -> int:
    return len(next(iter(batch.values())))
