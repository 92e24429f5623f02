"""Train the compact network and put its weights back: masked training at the compact cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.descriptors import Trainer
from prunus.evaluation.evaluator import Evaluator
from prunus.graph.release import collect_copies
from prunus.host import Host
from prunus.network import Compact, Network
from prunus.proof.batches import Inputs
from prunus.proof.compare import Proof
from prunus.proof.plan import prove_plan
from prunus.prunable import Prunable
from prunus.task import Measurement
from prunus.training.divergence import SLOWER, check_metric
from prunus.training.job import TrainingJob, Weights
from prunus.training.scatter import scatter, with_weights
from prunus.training.weight_masks import kept_after


@attrs.frozen(eq=False)
class Trained:
    """A trained network.

    Attributes:
        network: The masked network of full structure with the new weights.
        compact: Its compact form.
        weights: The new weights, with the compact graph's shapes.
        proof: How well both agree.
        keep: Units that stay; others than before only where masked weights regrew.
    """

    network: Network
    compact: Compact
    weights: Weights
    proof: Proof
    keep: dict[str, NDArray[np.bool_]]


def train_compact(
    host: Host,
    trainer: str,
    subject: Prunable,
    keep: Mapping[str, NDArray[np.bool_]],
    job: TrainingJob,
    inputs: Inputs | None,
) -> Trained:
    """Train the compact graph of a job, scatter the weights back, prove the result.

    Args:
        host: Plugins.
        trainer: Name of the trainer.
        subject: The masked network and its groups.
        keep: Channels or weights that stay.
        job: The training.
        inputs: Some real inputs for the proof, or ``None``.

    Raises:
        PluginError: the trainer is missing, failed, or gave weights that do not fit.
        ProofError: masked and compact network do not give the same finite numbers.
    """
    owner = str(host.find(Trainer, trainer))
    weights = host.call(Trainer, trainer, "prunus_finetune", job=job)
    network = job.network.with_weights(scatter(job.network, job.compact, weights, owner))
    keep = kept_after(owner, subject, keep, weights, regrow=job.splicing is not None)
    smaller = compact(network, subject.grouping, keep)
    proof = prove_plan(subject, keep, network, smaller, inputs, mend=SLOWER)
    return Trained(network, smaller, weights, proof, keep)


def measured_by(
    evaluator: Evaluator | None, smaller: Compact
) -> Callable[[Weights], Measurement] | None:
    """The evaluation that a trainer calls: compact weights -> value; ``None`` without samples.

    The evaluation raises `UsageError` where the value is not finite: training diverged.
    """
    if evaluator is None:
        return None
    chosen = evaluator

    def measure(weights: Weights) -> Measurement:
        found = chosen.measure(with_weights(smaller, weights).model)
        collect_copies(smaller.model)
        check_metric(chosen.metric.name, found.value)
        return found

    return measure
