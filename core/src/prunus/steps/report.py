"""Report of a step: one value, rendered as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.compression.storage import Storage
from prunus.counted import counted
from prunus.descriptors import Format
from prunus.engines.bench import EngineTime
from prunus.evaluation.collapse import MEND
from prunus.evaluation.evaluator import Evaluator, Look
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.evaluation.user_metric import UserMetric
from prunus.graph.parameters import parameters
from prunus.network import Network, Source, Written
from prunus.steps.loaded import Loaded
from prunus.storage.native import native_files
from prunus.task import Measurement

FEW = 32
"""Samples below which a measurement decides little."""


@attrs.frozen
class Stage:
    """One state of the network, one row of the table.

    Attributes:
        name: ``original``, ``pruned``, ``finetuned``, ``transformed``.
        metric: Value on held-out samples, or ``None`` without data.
        macs: Multiply-accumulates of one input that the network needs.
        params: Learned numbers that are left.
        bytes: Size of the weights on disk, or ``None``.
        milliseconds: Measured latency of one input in ONNX Runtime, or ``None``.
        beside: Measures that need no labels, by name: how far it agrees with the original.
    """

    name: str
    metric: Measurement | None
    macs: int
    params: int
    bytes: int | None = None
    milliseconds: float | None = None
    beside: Mapping[str, Measurement] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class GroupRow:
    """One group in a report; ``channels`` and MACs, or single weights and their number."""

    group: str
    channels: int
    kept: int
    macs: int
    kept_macs: int


@attrs.frozen(eq=False)
class Report:
    """Result of a step.

    Attributes:
        step: Its name.
        metric: Name of the metric of all stages, if any.
        stages: Rows, the original first.
        groups: What happened to each group.
        warnings: Sentences about samples that look wrong, or about damage; shown first.
        notes: Further sentences for the user.
        unmeasured: Why the metric was not measured, where that is worth a note.
        files: What was written.
        next: Command to go on with, if any.
        facts: Further named values (``rate``, ``proof``).
        storage: Bytes of every tensor that shares values, after each stage.
        times: Networks timed side by side in engines.
        collapse: That the last network is of no use as it is, and what to do; the first line.
    """

    step: str
    metric: str | None = None
    stages: tuple[Stage, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    next: str | None = None
    facts: dict[str, Any] = attrs.field(factory=dict)
    warnings: tuple[str, ...] = ()
    unmeasured: str | None = None
    storage: tuple[Storage, ...] = ()
    times: tuple[EngineTime, ...] = ()
    collapse: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a collapse comes first."""
        found = attrs.asdict(
            self, value_serializer=lambda _, __, v: str(v) if isinstance(v, Path) else v
        )
        return {"collapse": found.pop("collapse"), **found}

    def _repr_html_(self) -> str:
        from prunus.report.page import fragment
        from prunus.steps.rows import measures_of, rows_of

        stages = [(stage.name, "", stage) for stage in self.stages]
        return fragment(
            "rows",
            rows=rows_of(stages),
            measured=self.metric or "",
            measures=measures_of(stages),
            warnings=(*(() if self.collapse is None else (self.collapse,)), *self.warnings),
        )


def group_rows(loaded: Loaded, keep: Mapping[str, NDArray[np.bool_]]) -> tuple[GroupRow, ...]:
    """Every group with the cost of the layers that make it, before and after."""
    kept = loaded.cost.kept(keep)
    before = loaded.cost.layer_macs(loaded.cost.sizes)
    after = loaded.cost.layer_macs(kept)
    rows = []
    made = loaded.cost.outputs.tocsc()
    for index, group in enumerate(loaded.grouping.groups):
        own = made.indices[made.indptr[index] : made.indptr[index + 1]]
        rows.append(
            GroupRow(
                group.name,
                group.size,
                int(kept[index]),
                round(before[own].sum()),
                round(after[own].sum()),
            )
        )
    return tuple(rows)


def whole_stage(
    loaded: Loaded, whole: Network, metric: Measurement | None = None, size: int | None = None
) -> Stage:
    """The network with all its channels; rows of masked networks count what the mask leaves."""
    params = parameters(loaded.network, whole.model)
    return Stage("original", metric, loaded.macs({}), params, size)


def looked_at(stage: Stage, look: Look | None) -> Stage:
    """A stage with what was measured; as it is where nothing was."""
    return stage if look is None else attrs.evolve(stage, metric=look.value, beside=look.beside)


def collapse_of(look: Look | None, network: str) -> str | None:
    """One sentence for the user about a network that has collapsed, and how to mend it."""
    if look is None or look.collapse is None:
        return None
    return f"the {network} network has collapsed: {look.collapse}; {MEND}"


def warnings_of(evaluator: Evaluator | None) -> tuple[str, ...]:
    """Doubts about the samples of a measurement."""
    if evaluator is None:
        return ()
    few = None
    if evaluator.count < FEW and not isinstance(evaluator.metric, UserMetric):
        samples = counted(evaluator.count, "sample")
        few = f"{evaluator.metric.name} on {samples} decides little: give some hundred"
    return tuple(text for text in (evaluator.warning, few) if text is not None)


def size_on_disk(written: Written, format: Format) -> int:
    """Bytes of all files of a network."""
    files = {path.resolve() for path in native_files(written, format)}
    return sum(path.stat().st_size for path in files)


def new_files(written: Written, source: Source) -> tuple[Path, ...]:
    """Paths a format wrote, without the user's own file that stayed as it was."""
    paths = (written.model, *written.others, written.weights)
    return tuple(path for path in paths if path is not None and path != source.model)


def latency(model: ir.Model) -> float:
    """Milliseconds of one input in ONNX Runtime."""
    return Session(model).latency(random_inputs(model, 1, 0))
