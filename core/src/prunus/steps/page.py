"""``prunus report``: what a workspace holds, on one page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import attrs
import onnx_ir as ir

from prunus.compaction import compact
from prunus.errors import DataError, NoSamplesError, UsageError
from prunus.evaluation.evaluator import Evaluator
from prunus.graph.digest import structure_digest
from prunus.host import Host
from prunus.masking import mask
from prunus.planning.choose import Keep
from prunus.report import numbers
from prunus.report.blocks import blocks_of
from prunus.report.curves import sensitivity_charts
from prunus.report.drawing import draw
from prunus.report.facts import by_layer
from prunus.report.layers import layer_facts
from prunus.report.page import Command, Figure, Page, render
from prunus.settings import Settings
from prunus.steps.answers import Answers, answers_of
from prunus.steps.continued import newest
from prunus.steps.history import Entry, history, versions
from prunus.steps.known_mask import mask_of
from prunus.steps.loaded import Loaded, evaluator_for, load
from prunus.steps.lock import alone
from prunus.steps.original import Original, original_of
from prunus.steps.report import Report, Stage
from prunus.steps.rows import Staged, measures_of, rows_of
from prunus.steps.workspace import REPORT, Workspace, workspace_of
from prunus.storage.files import make_directory, write_text

_NAMES = {
    "prune": "pruned",
    "finetune": "finetuned",
    "transform": "transformed",
    "compress": "compressed",
}
"""What the last stage of a step's report is called."""


@alone
def write_page(host: Host, settings: Settings, output: Path | None = None) -> Report:
    """Write what a workspace holds as one HTML file.

    Args:
        host: Plugins.
        settings: They name the workspace; samples are those of the earlier steps unless given.
        output: The file; ``report.html`` in the workspace without it.

    Raises:
        UsageError: nothing was analysed or pruned here; ``output`` is a directory.
    """
    workspace = workspace_of(settings)
    file = workspace.path / REPORT if output is None else output
    if file.is_dir():
        raise UsageError(f"--output {file}: is a directory; name a file, {file / REPORT}")
    page = page_of(host, workspace, settings)
    make_directory(file.parent)
    write_text(file, render(page))
    return Report("report", notes=page.notes, files=(file,))


def page_of(host: Host, workspace: Workspace, settings: Settings) -> Page:
    """Everything that the report of a workspace shows.

    Raises:
        UsageError: nothing was analysed or pruned here.
    """
    pruned = workspace.recall("pruned") is not None
    settings = newest(settings) if pruned else _analysed(workspace, settings)
    loaded = load(host, settings)
    keep = mask_of(workspace, loaded) if pruned else {}
    found = original_of(host, settings, workspace, loaded)
    original = Original(loaded.network, loaded.source) if found is None else found
    smaller = _compact(loaded, keep)
    structure = structure_digest(loaded.network)
    entries = [entry for entry in history(workspace.path) if entry.structure == structure]
    evaluator, unmeasured = _evaluator(loaded, settings, original)
    answers = Answers() if evaluator is None else answers_of(evaluator, loaded, smaller)
    facts = layer_facts(loaded, keep, smaller)
    sensitivity = workspace.sensitivity()
    same = sensitivity is not None and sensitivity.key["structure"] == structure
    removed = {name: 1 - float(units.mean()) for name, units in keep.items()}
    stages = _stages(entries)
    last = entries[-1] if entries else None
    return Page(
        title=original.source.model.name,
        about=f"{loaded.format.name} network, {len(loaded.network.layers)} layers",
        warnings=_unique(text for entry in entries for text in entry.warnings),
        figures=_figures(loaded, keep, smaller, entries, stages),
        pieces=draw(blocks_of(loaded.network), facts),
        metric=sensitivity.metric if sensitivity is not None and same else "",
        charts=sensitivity_charts(sensitivity, removed if pruned else None)
        if sensitivity and same
        else (),
        measured=next((e.metric for e in reversed(entries) if e.metric and e.stages), ""),
        measures=measures_of(stages),
        rows=rows_of(stages),
        layers=by_layer(facts.values()),
        pictures=answers.pictures,
        confusion=answers.confusion,
        classes=answers.classes,
        samples=answers.samples,
        commands=_commands(entries),
        versions=versions(host, loaded.format.name) if last is None else last.versions,
        notes=_unique(
            (
                *(note for entry in entries for note in entry.notes),
                *(() if unmeasured is None else (unmeasured,)),
            )
        ),
        next=None if last is None else _next(last, workspace),
    )


def _analysed(workspace: Workspace, settings: Settings) -> Settings:
    """Settings that name the network of the analysis."""
    original = workspace.recall("original")
    settings = workspace.with_options(settings)
    if settings.model is not None:
        return settings
    if original is None:
        raise UsageError(
            f"{workspace.path}: nothing analysed or pruned here yet; run 'prunus ana' or "
            "'prunus prune' first"
        )
    return attrs.evolve(settings, model=original.model, weights=original.weights)


def _compact(loaded: Loaded, keep: Keep) -> ir.Model:
    if not keep:
        return loaded.network.model
    return compact(mask(loaded.network, loaded.grouping, keep), loaded.grouping, keep).model


def _evaluator(
    loaded: Loaded, settings: Settings, original: Original
) -> tuple[Evaluator | None, str | None]:
    """Samples given now or remembered, and why there are none."""
    remembered = attrs.evolve(settings, data=settings.task.data, metric=settings.task.metric)
    try:
        return evaluator_for(loaded, remembered, original.network), None
    except (DataError, NoSamplesError) as error:
        if settings.data is not None:
            raise
        return None, f"no samples to show answers on: {error}"


def _stages(entries: Sequence[Entry]) -> Staged:
    found: list[tuple[str, str, Stage]] = []
    for entry in entries:
        if not entry.stages or entry.step not in _NAMES:
            continue
        if not found:
            found.append(("original", "", entry.stages[0]))
        if entry.step == "transform":
            found[0] = ("original", "", _timed(found[0][2], entry.stages))
        found.append((_NAMES[entry.step], entry.round or "", entry.stages[-1]))
    return found


def _timed(original: Stage, stages: Sequence[Stage]) -> Stage:
    """The original has the structure, and so the latency, of the masked network."""
    masked = next((stage for stage in stages if stage.name == "masked"), None)
    return original if masked is None else attrs.evolve(original, milliseconds=masked.milliseconds)


def _figures(
    loaded: Loaded, keep: Keep, smaller: ir.Model, entries: Sequence[Entry], stages: Staged
) -> tuple[Figure, ...]:
    whole = loaded.params({}, loaded.network.model)
    pairs = [
        ("MACs", loaded.macs({}), loaded.macs(keep)),
        ("parameters", whole, loaded.params(keep, smaller) if keep else whole),
    ]
    figures = [_counted(name, before, after, "") for name, before, after in pairs]
    if stages:
        first, last = stages[0][2], stages[-1][2]
        if first.bytes and last.bytes:
            figures.append(_counted("weights on disk", first.bytes, last.bytes, "B"))
        timed = [stage.milliseconds for _, _, stage in stages if stage.milliseconds]
        if first.milliseconds and len(timed) > 1:
            moved = numbers.change(timed[0], timed[-1])
            old, new = (f"{time:.3f}" for time in (timed[0], timed[-1]))
            mood = "good" if timed[-1] < timed[0] else "bad"
            figures.append(Figure("time of one input", old, f"{new} ms", moved, mood))
        compared = next((stage for _, _, stage in reversed(stages) if stage.beside), last)
        figures += _quality(entries, first, attrs.evolve(last, beside=compared.beside))
    proof = next((e.facts["proof"] for e in reversed(entries) if e.facts.get("proof")), None)
    if proof is not None:
        figures.append(
            Figure(
                "proven equal",
                "",
                f"{proof['error']:.0e}",
                more=f"largest error, {proof['samples']} inputs",
            )
        )
    return tuple(figures)


def _quality(entries: Sequence[Entry], first: Stage, last: Stage) -> list[Figure]:
    """The metric, and the first measure beside it: how far the networks agree."""
    found = []
    metric = next((e.metric for e in reversed(entries) if e.metric), None)
    if metric is not None and first.metric is not None and last.metric is not None:
        found.append(
            Figure(
                metric,
                f"{first.metric.value:.4f}",
                numbers.measured(last.metric.value, last.metric.error),
                f"{last.metric.value:.4f}",
            )
        )
    for name, measured in list(last.beside.items())[:1]:
        found.append(Figure(name, "", f"{measured.value:.4f}", more="with the original"))
    return found


_SAME = 5e-4
"""Share by which a count may change and still be told as the same."""


def _counted(name: str, before: int, after: int, unit: str) -> Figure:
    old, new = (f"{numbers.short(number)}{unit}" for number in (before, after))
    if abs(after - before) < _SAME * before:
        return Figure(name, "", new)
    mood = "good" if after < before else "bad"
    return Figure(name, old, new, numbers.change(before, after), mood)


def _commands(entries: Sequence[Entry]) -> tuple[Command, ...]:
    typed = [entry for entry in entries if entry.command]
    latest = {entry.command: entry for entry in typed}
    return tuple(Command(one.command, _date(one.ended), one.directory) for one in latest.values())


def _date(ended: str) -> str:
    return f"{datetime.fromisoformat(ended):%Y-%m-%d %H:%M} UTC"


def _next(last: Entry, workspace: Workspace) -> str | None:
    if last.next is None:
        return None
    return f"{last.next} --workspace {shlex.quote(str(workspace.path))}"


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
