"""``prunus finetune``: train the compact network, scatter the weights back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.compaction import compact
from prunus.descriptors import Trainer
from prunus.errors import DataError, PlanError, PluginError, UsageError
from prunus.evaluation.evaluator import Evaluator
from prunus.host import Host
from prunus.masking import masked_units
from prunus.network import Compact, Network, Source, Written
from prunus.settings import Settings
from prunus.steps.files import make_directory
from prunus.steps.loaded import Loaded, evaluator_for, load, read_network, training_data
from prunus.steps.native import write_masked
from prunus.steps.report import Report, Stage, new_files, parameters, size_on_disk
from prunus.steps.workspace import Workspace, workspace_of
from prunus.task import Dataset, Measurement, Recipe
from prunus.training import Progress, TrainingJob, Weights

DEFAULT_TRAINER = "torch"


@attrs.frozen
class Tuning:
    """Options of finetuning alone.

    Attributes:
        data: Training samples; the network's own without it.
        distill: Imitate the original network; needs no labels.
        resume: Continue from the newest snapshot.
        epochs, iterations, batch_size, learning_rate, snapshot: In place of the recipe's.
        options: Trainer options by name.
    """

    data: str | None = None
    distill: bool = False
    resume: bool = False
    epochs: float | None = None
    iterations: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    snapshot: int | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(eq=False)
class Finetuned:
    """Result of ``finetune``."""

    network: Network
    written: Written
    report: Report


def finetune(
    host: Host,
    settings: Settings,
    tuning: Tuning,
    report: Callable[[Progress], None] = lambda _: None,
) -> Finetuned:
    """Train the compact form of the last pruned network of the workspace.

    Raises:
        UsageError: nothing was pruned in this workspace.
        DataError: no training samples, or no labels without ``distill``.
    """
    workspace = workspace_of(settings)
    settings = workspace.with_options(settings)
    source, directory = _pruned(workspace, settings)
    loaded = load(host, attrs.evolve(settings, model=source.model, weights=source.weights))
    keep = masked_units(loaded.network, loaded.grouping)
    if not keep:
        raise PlanError(
            f"{source.weights or source.model}: the weights hold no mask; run 'prunus prune' first"
        )
    original = _original(host, workspace, loaded)
    smaller = compact(loaded.network, loaded.grouping, keep)
    evaluator = evaluator_for(loaded, settings, original)
    training = _training(loaded, tuning)
    recipe = _recipe(loaded.network, tuning, training)
    make_directory(directory / "snapshots")
    job = TrainingJob(
        loaded.network,
        smaller,
        recipe,
        training,
        _measure(evaluator, smaller),
        original if tuning.distill else None,
        directory / "snapshots",
        tuning.resume,
        settings.seed or 0,
        report,
        tuning.options,
    )
    trained = host.call(Trainer, settings.trainer or DEFAULT_TRAINER, "prunus_finetune", job=job)
    network = loaded.network.with_weights(scatter(loaded.network, smaller, trained))
    rewritten = compact(network, loaded.grouping, masked_units(network, loaded.grouping))
    name = f"_iter_{recipe.iterations}"
    written = write_masked(host, loaded, network, rewritten, directory / "snapshots", name)
    result = _report(loaded, original, smaller, trained, evaluator, written, recipe)
    workspace.remember("finetuned", written, directory=str(directory.absolute()))
    return Finetuned(network, written, result)


def scatter(network: Network, compact: Compact, trained: Weights) -> dict[str, NDArray[np.generic]]:
    """Put compact weights back to their places in the full network; removed places stay.

    Args:
        network: The masked network.
        compact: Its compact form.
        trained: Initializer name -> array of the compact shape.

    Returns:
        Initializer name -> array of the full shape.

    Raises:
        PluginError: an array is not of the compact network, or holds NaN or infinite numbers.
    """
    full = network.weights()
    small = compact.model.graph.initializers
    result = {}
    for name, array in trained.items():
        shape = small[name].shape if name in small else None
        if shape is None or tuple(shape) != array.shape or not np.isfinite(array).all():
            raise PluginError(
                f"the trainer gave weights '{name}' of shape {array.shape} that do not fit the "
                f"compact network ({shape or 'no such weights'}) or are no finite numbers"
            )
        target = full[name].copy()
        axes = dict(compact.kept.get(name, {}))
        _put(target, np.asarray(array, target.dtype), axes)
        result[name] = target
    return result


def _put(
    target: NDArray[np.generic], values: NDArray[np.generic], axes: dict[int, NDArray[np.int64]]
) -> None:
    rows = axes.get(1)
    if rows is None or rows.ndim == 1:
        index = [axes.get(axis, np.arange(size)) for axis, size in enumerate(target.shape)]
        target[np.ix_(*index)] = values
        return
    outputs = axes.get(0, np.arange(target.shape[0]))
    columns = np.repeat(rows, len(outputs) // len(rows), axis=0)
    target[outputs[:, None], columns] = values


def _pruned(workspace: Workspace, settings: Settings) -> tuple[Source, Path]:
    source = workspace.recall("pruned")
    if source is None:
        raise UsageError(f"{workspace.path}: nothing pruned here yet; run 'prunus prune' first")
    directory = Path(workspace.state()["pruned"]["directory"])
    return attrs.evolve(source, options=settings.options), directory


def _original(host: Host, workspace: Workspace, loaded: Loaded) -> Network:
    source = workspace.recall("original")
    if source is None:
        return loaded.network
    network, _ = read_network(host, attrs.evolve(source, options=loaded.source.options))
    return network


def _training(loaded: Loaded, tuning: Tuning) -> Dataset:
    dataset = training_data(loaded, tuning.data)
    if dataset is None:
        raise DataError("no training samples: give --train-data")
    if not len(dataset):
        raise DataError("no training samples: the data set is empty")
    if not tuning.distill and dataset.read(np.zeros(1, np.int64), None).labels is None:
        raise DataError(
            "the training samples have no labels; use --distill to imitate the original network"
        )
    return dataset


def _recipe(network: Network, tuning: Tuning, training: Dataset) -> Recipe:
    recipe = network.task.recipe or Recipe(weight_decay=1e-4)
    if tuning.batch_size is not None:
        recipe = attrs.evolve(recipe, batch_size=tuning.batch_size)
    if tuning.learning_rate is not None:
        policy = attrs.evolve(recipe.learning_rate, base=tuning.learning_rate)
        recipe = attrs.evolve(recipe, learning_rate=policy)
    if tuning.snapshot is not None:
        recipe = attrs.evolve(recipe, snapshot=tuning.snapshot)
    if tuning.iterations is not None:
        recipe = attrs.evolve(recipe, iterations=tuning.iterations)
    elif tuning.epochs is not None:
        update = recipe.batch_size * recipe.accumulate
        count = max(1, round(tuning.epochs * len(training) / update))
        recipe = attrs.evolve(recipe, iterations=count)
    return recipe


def recipe_notes(recipe: Recipe) -> tuple[str, ...]:
    """What makes a recipe useless for so short a training."""
    burn_in = recipe.learning_rate.burn_in
    if burn_in <= recipe.iterations:
        return ()
    return (
        f"the learning rate was still rising when the training ended: burn_in={burn_in}, "
        f"{recipe.iterations} updates; lower burn_in in the recipe",
    )


def _measure(
    evaluator: Evaluator | None, smaller: Compact
) -> Callable[[Weights], Measurement] | None:
    if evaluator is None:
        return None
    chosen = evaluator

    def measure(weights: Weights) -> Measurement:
        return chosen.measure(with_weights(smaller, weights).model)

    return measure


def with_weights(compact: Compact, weights: Weights) -> Compact:
    """The compact network with other weights."""
    model = compact.model.clone()
    for name, array in weights.items():
        model.graph.initializers[name].const_value = ir.tensor(
            np.ascontiguousarray(array), name=name
        )
    return attrs.evolve(compact, model=model)


def _report(
    loaded: Loaded,
    original: Network,
    smaller: Compact,
    trained: Weights,
    evaluator: Evaluator | None,
    written: Written,
    recipe: Recipe,
) -> Report:
    keep = masked_units(loaded.network, loaded.grouping)
    macs = round(loaded.cost.macs(loaded.cost.kept(keep)))
    params = parameters(loaded.network, smaller.model)
    before = None if evaluator is None else evaluator.measure(smaller.model)
    after = None if evaluator is None else evaluator.measure(with_weights(smaller, trained).model)
    baseline = None if evaluator is None else evaluator.baseline
    stages = (
        Stage(
            "original",
            baseline,
            round(loaded.cost.total),
            parameters(loaded.network, original.model),
        ),
        Stage("pruned", before, macs, params),
        Stage("finetuned", after, macs, params, size_on_disk(written)),
    )
    metric = None if evaluator is None else evaluator.metric.name
    files = new_files(written, loaded.source)
    return Report(
        "finetune",
        metric,
        stages,
        (),
        (*loaded.network.notes, *recipe_notes(recipe)),
        files,
        "prunus transform",
        {"iterations": recipe.iterations},
    )
