"""``prunus compress`` and ``prunus decompress``: a network in one small file, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from prunus.compaction import identity
from prunus.compression.bits import Bits, check_names
from prunus.compression.compress import Compressed, packed, with_shared
from prunus.compression.decompress import decompress as unpack
from prunus.compression.share import DEFAULT_SHARING, share
from prunus.compression.train import check_shares, train_shared
from prunus.errors import UsageError
from prunus.graph.parameters import parameters
from prunus.host import Host
from prunus.network import Network, Written
from prunus.settings import DEFAULT_TRAINER, Settings
from prunus.steps.history import history, record
from prunus.steps.loaded import Loaded, load
from prunus.steps.lock import alone
from prunus.steps.measuring import measured_if_possible
from prunus.steps.report import Report, Stage, size_on_disk, warnings_of
from prunus.steps.training_samples import check_computable, training_samples
from prunus.steps.workspace import workspace_of
from prunus.storage.files import make_directory
from prunus.training import Progress, TrainingJob
from prunus.training.compact import measured_by
from prunus.training.tuning import Tuning, recipe_of

ENDING = ".prunus"
"""Of a container's name where none is given."""

NO_TRAINING = Tuning()


@attrs.frozen(eq=False)
class Result:
    """Result of ``compress``."""

    compressed: Compressed
    file: Path
    report: Report


@alone
def compress(
    host: Host,
    settings: Settings,
    output: Path | None,
    *,
    bits: Bits = None,
    sharing: str | None = None,
    measure: bool = True,
    tuning: Tuning = NO_TRAINING,
    report: Callable[[Progress], None] = lambda _: None,
) -> Result:
    """Share the weights of a network and write its native files as one container.

    Args:
        host: Plugins.
        settings: ``model`` and ``weights`` of the network (see `prunus.steps.continued.smallest`).
        output: The container; ``compressed.prunus`` in the workspace, or in the current directory,
            without it.
        bits: How many values may be shared (`prunus.compression.bits`).
        sharing: Name of the sharing.
        measure: Evaluate the network before and after.
        tuning: How the shared values are trained; without epochs and iterations they are not.
        report: Told how the training goes.

    Raises:
        UsageError: ``bits``, ``sharing``, ``output`` or the trainer cannot be used.
        DataError: there are no training samples, or no labels without ``distill``.
        ModelError: a weight is not finite, or the format cannot write the network.
        ProofError: the native files do not give the numbers of the network with shared weights.
    """
    place = Path(".") if settings.workspace is None else workspace_of(settings).path
    file = place / f"compressed{ENDING}" if output is None else output
    if file.is_dir():
        raise UsageError(f"--output {file}: is a directory; name a file, {file / f'net{ENDING}'}")
    loaded = load(host, settings)
    _check_apart(file, (loaded.source.model, loaded.source.weights))
    evaluator, unmeasured = (
        measured_if_possible(loaded, settings, loaded.network) if measure else (None, None)
    )
    check_names(bits, settings.exclude, loaded.network)
    shared = share(
        host,
        loaded.network,
        loaded.network.model,
        bits=bits,
        sharing=sharing or DEFAULT_SHARING,
        exclude=settings.exclude,
    )
    smaller = with_shared(identity(loaded.network), shared)
    network = attrs.evolve(loaded.network, model=smaller.model)
    if tuning.epochs is not None or tuning.iterations is not None:
        with _snapshots(settings, tuning) as directory:
            job = _job(host, settings, loaded, network, tuning, directory, report)
            trainer = settings.trainer or DEFAULT_TRAINER
            network, shared = train_shared(host, trainer, job, shared)
    found = packed(host, network, identity(network), shared, loaded.source.model.name)
    make_directory(file.parent)
    found.save(file)
    macs, params = round(loaded.cost.total), parameters(loaded.network, loaded.network.model)
    before = Written(loaded.source.model, loaded.source.weights)
    stages = (
        Stage(
            "given",
            None if evaluator is None else evaluator.baseline,
            macs,
            params,
            size_on_disk(before, loaded.format),
        ),
        Stage(
            "compressed",
            None if evaluator is None else evaluator.measure(found.network.model),
            macs,
            params,
            len(found.contents),
        ),
    )
    whole = [row.layer for row in found.layers if row.coded is None]
    notes = (
        *loaded.network.notes,
        *((f"stored without codes, as text or in parts: {', '.join(whole)}",) if whole else ()),
    )
    metric = None if evaluator is None else evaluator.metric.name
    facts = {"native_bytes": found.native_bytes, "bytes": len(found.contents)}
    result = Report(
        "compress",
        metric,
        stages,
        notes=notes,
        files=(file,),
        facts=facts,
        warnings=warnings_of(evaluator),
        unmeasured=unmeasured,
        storage=found.layers,
    )
    record(host, settings, loaded, result, structure=_unpruned(settings, loaded))
    return Result(found, file, result)


def _unpruned(settings: Settings, loaded: Loaded) -> str | None:
    """Digest of the unpruned structure, where the network is the workspace's transformed one."""
    if settings.workspace is None:
        return None
    workspace = workspace_of(settings)
    steps = history(workspace.path)
    own = workspace.recall("transformed")
    same = own is not None and own.model.resolve() == loaded.source.model.resolve()
    return steps[-1].structure if steps and same else None


@contextmanager
def _snapshots(settings: Settings, tuning: Tuning) -> Iterator[Path]:
    """Directory of the training's snapshots; without a workspace they do not last."""
    if settings.workspace is not None:
        directory = workspace_of(settings).directory("compressed")
        make_directory(directory)
        yield directory
        return
    if tuning.resume:
        raise UsageError("--resume: snapshots are kept in a workspace; give --workspace DIR")
    with TemporaryDirectory(prefix="prunus-") as temporary:
        yield Path(temporary)


def _job(
    host: Host,
    settings: Settings,
    loaded: Loaded,
    untrained: Network,
    tuning: Tuning,
    directory: Path,
    report: Callable[[Progress], None],
) -> TrainingJob:
    """The training of the shared values; the network as it was before can be the teacher."""
    trainer = settings.trainer or DEFAULT_TRAINER
    check_shares(host, trainer)
    training = training_samples(loaded, settings, tuning)
    check_computable(host, trainer, loaded, training)
    evaluator, _ = measured_if_possible(loaded, settings, loaded.network)
    smaller = identity(untrained)
    return TrainingJob(
        untrained,
        smaller,
        recipe_of(loaded.network, tuning, training),
        training,
        measured_by(evaluator, smaller),
        loaded.network if tuning.distill else None,
        directory,
        tuning.resume,
        settings.seed or 0,
        report,
        tuning.options,
        settings.allow_code,
    )


def decompress(path: Path, output: Path | None) -> Report:
    """Write the native files of a container.

    Args:
        path: The container.
        output: Directory; without it, one beside the container, called like it without its ending.

    Raises:
        ModelError: the container is missing or damaged.
        UsageError: there is a file of the directory's name.
    """
    beside = path.with_suffix("") if path.suffix else path.with_name(f"{path.name}-files")
    directory = beside if output is None else output
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--output {directory}: is a file; name a directory")
    written = unpack(path, directory)
    files = tuple(p for p in (written.model, written.weights, *written.others) if p is not None)
    return Report("decompress", files=files)


def _check_apart(file: Path, taken: tuple[Path | None, ...]) -> None:
    if any(path is not None and path.resolve() == file.resolve() for path in taken):
        raise UsageError(
            f"{file}: would be replaced by what is made from it; choose another --output"
        )
