"""The public function that recovers accuracy with the masks held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from prunus.compaction import compact
from prunus.errors import DataError
from prunus.evaluation.choice import evaluator_on, some_inputs
from prunus.evaluation.registered import registered_metrics
from prunus.plans import plan_of
from prunus.proof.batches import SIZES
from prunus.results import MaskedNetwork, format_named, host
from prunus.samples import Samples, dataset_of
from prunus.storage.files import make_directory
from prunus.training.compact import measured_by, train_compact
from prunus.training.job import Progress, TrainingJob
from prunus.training.tuning import Tuning, check_samples, recipe_of
from prunus.training.weight_masks import check_holds, masks_of, splicing_of


def finetune(
    masked: MaskedNetwork,
    data: Samples = None,
    *,
    trainer: str = "torch",
    distill: bool = False,
    epochs: float | None = None,
    iterations: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    options: Mapping[str, str] | None = None,
    regrow: int = 0,
    evaluation: Samples = None,
    metric: str | None = None,
    snapshots: str | PathLike[str] | None = None,
    resume: bool = False,
    seed: int = 0,
    report: Callable[[Progress], None] = lambda progress: None,
) -> MaskedNetwork:
    """Train the compact form of a masked network and put the weights back.

    Args:
        masked: The masked network; it is not changed.
        data: Training samples; the network's own without it.
        trainer: Name of the trainer (``prunus methods`` lists them).
        distill: Learn from the original network; no labels are needed.
        epochs: Passes over the training samples; the recipe's iterations without it.
        iterations: Updates, instead of ``epochs``.
        batch_size: Samples of one pass; the recipe's without it.
        learning_rate: Learning rate before the policy acts; the recipe's without it.
        options: Options of the trainer by name.
        regrow: Masks of single weights: updates between two choices of the weights that stay, so
            that masked ones may come back; 0 holds the mask.
        evaluation: Held-out samples to measure on while training; none without it.
        metric: As for `prunus.evaluate`.
        snapshots: Directory for resumable snapshots; a temporary one without it.
        resume: Continue from the newest snapshot there.
        seed: Of everything drawn.
        report: Called after every update.

    Raises:
        DataError: samples are missing, have no labels, or do not fit.
        PluginError: the trainer is missing or failed.
        UsageError: an option cannot be used, or training diverged.
        ProofError: masked and compact network do not give the same finite numbers.
    """
    network, subject = masked.network, masked.subject
    descriptor = format_named(network.format)
    training = dataset_of(descriptor, network, data, training=True)
    if training is None:
        raise DataError("no training samples: give data=")
    check_samples(training, distill=distill)
    held_out = None if evaluation is None else dataset_of(descriptor, network, evaluation)
    known = registered_metrics(host())
    original = masked.original
    evaluator = evaluator_on(held_out, descriptor, network, original, metric, registered=known)
    tuning = Tuning(
        epochs=epochs, iterations=iterations, batch_size=batch_size, learning_rate=learning_rate
    )
    keep = masked.plan.keep(subject)
    check_holds(host(), trainer, subject, regrow=regrow > 0)
    smaller = compact(network, subject.grouping, keep)
    with ExitStack() as held:
        folder = Path(snapshots or held.enter_context(TemporaryDirectory(prefix="prunus-")))
        make_directory(folder)
        job = TrainingJob(
            network,
            smaller,
            recipe_of(network, tuning, training),
            training,
            measured_by(evaluator, smaller),
            masked.original if distill else None,
            folder,
            resume,
            seed,
            report,
            dict(options or {}),
            masks=masks_of(subject, keep),
            splicing=splicing_of(subject, keep, regrow) if regrow else None,
        )
        inputs = some_inputs(training, network, sum(SIZES))
        found = train_compact(host(), trainer, subject, keep, job, inputs)
    budget, criterion, allocation = (
        masked.plan.budget,
        masked.plan.criterion,
        masked.plan.allocation,
    )
    plan = plan_of(subject, found.keep, budget, criterion, allocation)
    return attrs.evolve(masked, network=found.network, plan=plan, proof=found.proof)
