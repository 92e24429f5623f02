"""Actions of ``prunus tensorflow --action …``, in terms of the core's steps."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import attrs
import click

from prunus.plugin import (
    Destination,
    Measurement,
    Pruned,
    Report,
    Settings,
    Source,
    UsageError,
    Workspace,
    analyze_step,
    counting,
    make_directory,
    notes,
    prune_step,
    show,
    start,
    statistics,
    transform_step,
)
from prunus_tensorflow import graphdef
from prunus_tensorflow.commands.evaluation_script import load_script
from prunus_tensorflow.commands.options import Options
from prunus_tensorflow.commands.script_analysis import ScriptMeasure, analyze_with_script


def ana(options: Options) -> None:
    """Measure how much each group matters."""
    _need(options, "input_graph", "input_ckpt", "workspace")
    host = start()
    measure = _measure(options)
    with counting("analyse") as report:
        if measure is None:
            sensitivity = analyze_step(host, options.settings, report=report).sensitivity
        else:
            sensitivity = analyze_with_script(host, options.settings, measure.script, report)
    show(sensitivity, as_json=options.as_json)


def prune(options: Options) -> None:
    """Mask channels for a sparsity; write the smaller graph and the masked checkpoint."""
    frozen = options.settings.weights is None and _is_frozen(options)
    stored = () if frozen else ("input_ckpt", "output_ckpt")
    _need(options, "input_graph", *stored, "output_graph", "workspace")
    if options.settings.rate is None:
        raise UsageError("--action prune needs --sparsity, such as 0.3")
    host = start()
    measure = _measure(options)
    pruned = prune_step(host, options.settings)
    _deliver_graph(pruned, options)
    if pruned.written.weights is not None:
        _deliver_checkpoint(pruned.written.weights, options.output_ckpt)
    report = pruned.report
    if measure is not None:
        value = measure.of_checkpoint(pruned.written.weights)
        report = _with_metric(report, measure.name, (_original(options, measure), value))
    report = attrs.evolve(
        report,
        files=_outputs(options),
        next="prunus finetune --workspace …, then prunus tensorflow --action transform",
    )
    show(report, as_json=options.as_json)


def transform(options: Options) -> None:
    """Turn a masked checkpoint into a small one, proven equal."""
    _need(options, "input_ckpt", "output_ckpt")
    host = start()
    settings = options.settings
    if settings.model is None:
        settings = _baseline(options)
    assert options.output_ckpt is not None
    make_directory(options.output_ckpt.parent)
    with _beside(options.output_ckpt) as directory:
        result = transform_step(host, settings, Path(directory))
        written = result.written
        if options.output_graph is not None:
            make_directory(options.output_graph.parent)
            os.replace(written.model, options.output_graph)
        assert written.weights is not None
        _deliver_checkpoint(written.weights, options.output_ckpt)
    report = result.report
    measure = _measure(options)
    if measure is not None:
        value = measure.of_checkpoint(settings.weights)
        # The proof has shown that both give the same outputs.
        report = _with_metric(report, measure.name, (value, value))
    show(attrs.evolve(report, files=_outputs(options)), as_json=options.as_json)


def flops(options: Options) -> None:
    """Count operations and parameters."""
    _need(options, "input_graph")
    found = statistics(start(), options.settings)
    if options.as_json:
        show(found, as_json=True)
        return
    notes(found.notes)
    click.echo(f"FLOPs: {2 * found.macs}")
    click.echo(f"MACs: {found.macs}")
    click.echo(f"Params: {found.params}")


def _need(options: Options, *names: str) -> None:
    values = {
        "input_graph": options.settings.model,
        "input_ckpt": options.settings.weights,
        "workspace": options.settings.workspace,
        "output_graph": options.output_graph,
        "output_ckpt": options.output_ckpt,
    }
    missing = [f"--{name}" for name in names if values[name] is None]
    if "--input_ckpt" in missing and _is_frozen(options):
        missing.remove("--input_ckpt")
    if missing:
        raise UsageError(f"missing {', '.join(missing)}")


def _is_frozen(options: Options) -> bool:
    """A binary graph without a checkpoint has its weights inside."""
    return options.settings.model is not None and options.settings.model.suffix == ".pb"


def _measure(options: Options) -> ScriptMeasure | None:
    if options.script is None:
        return None
    return ScriptMeasure(load_script(options.script, options.target, options.batches))


def _outputs(options: Options) -> tuple[Path, ...]:
    return tuple(path for path in (options.output_graph, options.output_ckpt) if path is not None)


def _beside(path: Path) -> tempfile.TemporaryDirectory[str]:
    """A temporary directory on the file system of an output, so that renaming is atomic."""
    return tempfile.TemporaryDirectory(prefix=".prunus-", dir=path.parent)


def _original(options: Options, measure: ScriptMeasure) -> Measurement:
    """Metric of the unpruned network: of the analysis where there is one, else measured."""
    settings = options.settings
    assert settings.workspace is not None
    workspace = Workspace(settings.workspace)
    stored = workspace.sensitivity()
    if stored is not None and stored.metric == measure.name:
        return stored.baseline
    source = workspace.recall("original") or Source(settings.model or Path(), settings.weights)
    return measure.of_checkpoint(source.weights)


def _with_metric(report: Report, name: str, values: tuple[Measurement, ...]) -> Report:
    stages = tuple(
        attrs.evolve(stage, metric=value)
        for stage, value in zip(report.stages, values, strict=True)
    )
    return attrs.evolve(report, metric=name, stages=stages, unmeasured=None)


def _deliver_graph(pruned: Pruned, options: Options) -> None:
    """Write the structure of the compact network."""
    assert options.output_graph is not None
    make_directory(options.output_graph.parent)
    with _beside(options.output_graph) as directory:
        destination = Destination(Path(directory), "compact")
        written = graphdef.write(pruned.masked, pruned.compact, destination)
        os.replace(written.model, options.output_graph)


def _deliver_checkpoint(source: Path, target: Path | None) -> None:
    """Copy a checkpoint to another prefix; each file appears whole under its name."""
    assert target is not None
    make_directory(target.parent)
    parts = [path for path in source.parent.glob(f"{source.name}.*") if _is_part(path, source)]
    for path in sorted(parts, key=lambda path: path.suffix == ".index") or [source]:
        final = target.parent / (target.name + path.name.removeprefix(source.name))
        temporary = final.with_name(f".{final.name}.tmp")
        shutil.copyfile(path, temporary)
        os.replace(temporary, final)


def _is_part(path: Path, prefix: Path) -> bool:
    rest = path.name.removeprefix(prefix.name)
    return rest == ".index" or rest.startswith(".data-")


def _baseline(options: Options) -> Settings:
    """The baseline graph and its ends, which are no options of vai_p_tensorflow's transform."""
    if options.settings.workspace is not None:
        workspace = Workspace(options.settings.workspace)
        source = workspace.recall("original")
        if source is not None:
            return attrs.evolve(workspace.with_options(options.settings), model=source.model)
    raise UsageError(
        "--action transform needs the baseline graph: give --input_graph, or the --workspace of "
        "the prune step"
    )
