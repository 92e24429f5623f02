"""Report of ``prunus prune``: its notes and its table."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Trainer
from prunus.evaluation.evaluator import Evaluator, Look
from prunus.granularity import CHANNELS, WEIGHT, Granularity
from prunus.host import Host
from prunus.network import Compact, Network, Written
from prunus.planning.budget import Budget
from prunus.planning.limits import Limit, reached
from prunus.promise import Promise
from prunus.proof import Proof
from prunus.proof.plan import is_exact
from prunus.sensitivity import Sensitivity
from prunus.settings import Settings
from prunus.steps.loaded import Loaded
from prunus.steps.report import (
    Report,
    Stage,
    collapse_of,
    group_rows,
    looked_at,
    new_files,
    size_on_disk,
    warnings_of,
    whole_stage,
)
from prunus.task import Measurement

Keep = Mapping[str, NDArray[np.bool_]]

ZEROS = (
    "single weights are zero: files and MACs stay as large as they were for engines that know no "
    "sparse weights; 'prunus compress' stores the network small"
)
"""Note on every network with masks of single weights."""


_UNMEASURED = {
    "uniform": "the same ratio is used in every group",
    "slow-first": "groups that are slow for their MACs lose more than others",
}
"""What an allocation does that nothing was measured for."""


UNEVEN = (
    "--multiple {0} is no power of two, and engines compute in vectors of 4, 8 or 16: it gains "
    "nothing from them; 'auto' chooses one for each group"
)
"""Note on a multiple that fits no vector of an engine."""


@attrs.frozen(eq=False)
class Outcome:
    """A plan carried out.

    Attributes:
        loaded: The network it started from.
        budget: The target.
        keep: The channels that stay.
        compact: The network without the others.
        proof: How well masked and compact network agree.
        written: Files of the masked network.
        limits: Costs of the budget.
        promise: The loss on samples that did not choose the plan, where a bound was asked for.
    """

    loaded: Loaded
    budget: Budget
    keep: Keep
    compact: Compact
    proof: Proof
    written: Written
    limits: tuple[Limit, ...] = ()
    promise: Promise | None = None


def notes_of(
    settings: Settings,
    sensitivity: Sensitivity | None,
    changed: bool,
    network: Network,
    granularity: Granularity = CHANNELS,
    allocation: str | None = None,
) -> tuple[str, ...]:
    """Notes on the plan, after those of the files.

    Args:
        settings: What was asked for.
        sensitivity: Measured curves, or ``None``.
        changed: Whether the plan removes anything.
        network: The network.
        granularity: Units of the plan.
        allocation: The allocation that was used.
    """
    notes = list(network.notes)
    if allocation in _UNMEASURED and settings.allocation is None:
        missing = "no inputs (--data)" if settings.data is None else "no inputs that can be run"
        notes.append(
            f"{missing} and no result of 'prunus ana' in the workspace: {_UNMEASURED[allocation]}"
        )
    measured = None if sensitivity is None else sensitivity.key.get("criterion")
    chosen = settings.criterion
    if measured is not None and chosen is not None and measured != chosen:
        notes.append(
            f"'prunus ana' removed {granularity.units} by criterion {measured}, this plan by "
            f"{chosen}: the losses it weighs are of other {granularity.units}"
        )
    multiple = settings.multiple
    if granularity == CHANNELS and isinstance(multiple, int) and multiple & (multiple - 1):
        notes.append(UNEVEN.format(multiple))
    if not changed:
        notes.append("this round changes no structure: finetuning again would bring nothing new")
    if granularity.unit == WEIGHT:
        notes.append(ZEROS)
    return tuple(notes)


def next_command(host: Host, trainer: str, format: str, more: str = "") -> str:
    """The next command that works with the installed trainers.

    Args:
        host: Plugins.
        trainer: The one that is used unless another one is asked for.
        format: Format of the network.
        more: What a finetune needs beside what the workspace knows.
    """
    able = [one.name for one in host.all(Trainer) if not one.formats or format in one.formats]
    if not able:
        return "prunus transform"
    chosen = "" if trainer in able else f" --trainer {able[0]}"
    return f"prunus finetune{chosen}{more}"


def report_of(
    outcome: Outcome,
    original: Network,
    evaluator: Evaluator | None,
    measured: tuple[Measurement | None, Look | None],
    *,
    following: str,
) -> Report:
    """The original and the pruned network, as measured, and what happened to each group.

    ``following`` is the command to go on with.
    """
    loaded, keep, budget, written = outcome.loaded, outcome.keep, outcome.budget, outcome.written
    before = Written(loaded.source.model, loaded.source.weights)
    stages = (
        whole_stage(loaded, original, measured[0], size_on_disk(before, loaded.format)),
        looked_at(
            Stage(
                "pruned",
                None,
                loaded.macs(keep),
                loaded.params(keep, outcome.compact.model),
                size_on_disk(written, loaded.format),
            ),
            measured[1],
        ),
    )
    facts = {
        "rate_asked": budget.rate,
        "threshold": budget.threshold,
        "budgets": [reached(limit, keep) for limit in outcome.limits],
        "rate": loaded.rate(keep),
        "promise": None if outcome.promise is None else attrs.asdict(outcome.promise),
        "granularity": str(loaded.granularity),
        "exact": is_exact(loaded, keep),
        "proof": attrs.asdict(outcome.proof),
    }
    return Report(
        "prune",
        None if evaluator is None else evaluator.metric.name,
        stages,
        group_rows(loaded, keep),
        files=new_files(written, loaded.source),
        next=following,
        facts=facts,
        warnings=warnings_of(evaluator),
        collapse=collapse_of(measured[1], "pruned"),
    )
