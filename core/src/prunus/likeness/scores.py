"""Whether the scores before a last softmax are any that training could have given."""

from __future__ import annotations

import attrs
import numpy as np
import onnx_ir as ir

from prunus.evaluation.session import Session
from prunus.graph.batches import samples_at_once
from prunus.graph.inputs import sample_inputs
from prunus.likeness.moments import SAMPLES
from prunus.network import Network
from prunus.task import Array

_LEAD = 40.0
"""Nats between the first class and the second. Cross entropy's gradient falls as exp(-lead): at 20
it is gone in float32, so training does not lead further."""

_SPREAD = 0.1
"""Nats: standard deviation over samples. Less says that the answer hardly depends on the sample."""

_LOSS = "softmax_cross_entropy"

_PASSING = ("Flatten", "Identity", "Reshape", "Squeeze")


@attrs.frozen(eq=False)
class LastScores:
    """The scores a classifier ends with, before softmax.

    Attributes:
        session: Computes them.
        input: Graph input that samples feed.
        name: Their value name.
        batch: Samples of one run.
    """

    session: Session
    input: str
    name: str
    batch: int

    def fault(self, samples: Array) -> str | None:
        """The implausible property of scores, in words; ``None`` for plausible ones."""
        starts = range(0, len(samples), self.batch)
        parts = [samples[start : start + self.batch] for start in starts]
        found = [self.session.run({self.input: part})[self.name] for part in parts]
        scores = np.concatenate(found).astype(np.float64)
        if sum(size > 1 for size in scores.shape[1:]) != 1:
            return None  # scores of many positions, or of one class
        scores = scores.reshape(len(scores), -1)
        if not np.isfinite(scores).all():
            return "the scores are no finite numbers"
        first, second = np.sort(scores, 1)[:, :-3:-1].T
        lead, spread = float(np.median(first - second)), float(scores.std(0).mean())
        if lead > _LEAD:
            return f"the first class leads by {lead:,.0f} before the softmax"
        if spread < _SPREAD:
            return f"all samples get the same answer, their scores differ by {spread:.2g}"
        return None


def last_scores(network: Network) -> LastScores | None:
    """The scores of a network that ends with softmax, or was trained with it by its own recipe."""
    graph = network.model.graph
    inputs = sample_inputs(network.model)
    recipe = network.task.recipe
    losses = () if recipe is None else recipe.losses
    trained = {name for loss in losses if loss.kind == _LOSS for name in loss.outputs}
    for output in graph.outputs if len(inputs) == 1 else ():
        node = _behind(output)
        softmax = node is not None and node.op_type == "Softmax"
        scores = node.inputs[0] if node is not None and softmax else output
        if scores is not None and (softmax or output.name in trained):
            name = scores.name or ""
            session = Session(network.model, [name], samples=SAMPLES)
            return LastScores(session, inputs[0].name or "", name, samples_at_once(network.model))
    return None


def _behind(output: ir.Value) -> ir.Node | None:
    node = output.producer()
    while node is not None and node.op_type in _PASSING:
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    return node
