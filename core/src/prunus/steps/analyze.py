"""``prunus ana``: measure how much each group matters."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from prunus.analysis.journal import Journal
from prunus.analysis.measure import (
    DEFAULT_RATIOS,
    Method,
    Report,
    criterion_of,
    default_analysis,
    measure_sensitivity,
    sensitivity_key,
)
from prunus.errors import NoSamplesError, PlanError, StaleError
from prunus.evaluation.evaluator import Evaluator
from prunus.host import Host
from prunus.masking import masked_units
from prunus.prunable import Prunable
from prunus.sensitivity import Sensitivity, merged
from prunus.settings import Settings
from prunus.steps.continued import begun
from prunus.steps.history import record
from prunus.steps.loaded import BEHIND_OPAQUE, Loaded, evaluator_for, load
from prunus.steps.lock import alone
from prunus.steps.report import Report as Told, warnings_of
from prunus.steps.workspace import Workspace, workspace_of
from prunus.storage.files import make_directory

JOURNAL = "ana.partial.jsonl"
"""File of partial results in the workspace."""


@attrs.frozen(eq=False)
class Analyzed:
    """Result of ``ana``."""

    sensitivity: Sensitivity
    loaded: Loaded
    workspace: Workspace
    reused: bool
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class Question:
    """The measurement that the settings ask for.

    Attributes:
        loaded: The network.
        workspace: Directory of the results.
        evaluator: Samples and metric.
        method: How to measure.
        key: Digests of all of it, as `Sensitivity.key`.
    """

    loaded: Loaded
    workspace: Workspace
    evaluator: Evaluator
    method: Method
    key: Mapping[str, str]


@alone
def analyze(
    host: Host,
    settings: Settings,
    ratios: tuple[float, ...] = DEFAULT_RATIOS,
    report: Report = lambda done, total: None,
    policy: str | None = None,
) -> Analyzed:
    """Measure sensitivity, resuming or reusing what the workspace holds.

    Parts that were measured elsewhere (`prunus.plugin.spread`) are put together.

    Raises:
        NoSamplesError: there are no samples to measure on.
        PlanError: nothing is prunable.
    """
    question = ask(host, settings, ratios, policy)
    workspace, loaded = question.workspace, question.loaded
    try:
        stored = workspace.sensitivity()
    except StaleError:
        stored = None  # it is measured again
    if stored is not None and stored.key == question.key:
        return Analyzed(stored, loaded, workspace, True, warnings_of(question.evaluator))
    damage = Journal(workspace.path / JOURNAL, question.key).damage()
    parts = workspace.parts(question.key)
    if parts:
        sensitivity = merged(parts, [group.name for group in loaded.grouping.groups])
    else:
        sensitivity = answer(host, question, loaded, JOURNAL, report)
    workspace.save_sensitivity(sensitivity)
    if not masked_units(loaded.network, loaded.grouping):
        workspace.remember("original", loaded.source)
        if workspace.recall("pruned") is None:
            workspace.keep_options(settings)
    notes = () if damage is None else (damage,)
    warnings = warnings_of(question.evaluator)
    record(host, settings, loaded, Told("ana", sensitivity.metric, notes=notes))
    return Analyzed(sensitivity, loaded, workspace, False, warnings, notes)


def ask(
    host: Host, settings: Settings, ratios: tuple[float, ...], policy: str | None = None
) -> Question:
    """Load what the settings name.

    Raises:
        DataError: there are no samples to measure on.
        PlanError: nothing is prunable.
    """
    settings = begun(settings)
    workspace = workspace_of(settings)
    loaded = load(host, settings)
    if not loaded.grouping.groups:
        raise PlanError(
            "no prunable group: every channel is protected; 'prunus stat' lists the reasons"
        )
    evaluator = evaluator_for(loaded, settings, loaded.network)
    if evaluator is None:
        why = (
            "no samples to analyse with: give --data, or"
            if settings.data is None
            else f"{BEHIND_OPAQUE}:"
        )
        raise NoSamplesError(f"{why} prune without 'ana' by --allocation uniform")
    way = policy or default_analysis(evaluator)
    criterion = settings.criterion or criterion_of(way, loaded.granularity)
    method = Method(way, criterion, ratios, settings.seed or 0)
    key = sensitivity_key(loaded, evaluator, method)
    return Question(loaded, workspace, evaluator, method, key)


def answer(
    host: Host, question: Question, subject: Prunable, journal_name: str, report: Report
) -> Sensitivity:
    """Measure some groups; a killed run goes on where its journal ends.

    Args:
        host: Plugins.
        question: The measurement.
        subject: The network with all its groups, or with some of them.
        journal_name: File of partial results in the workspace.
        report: Called with done and total work units.
    """
    make_directory(question.workspace.path)
    journal = Journal(question.workspace.path / journal_name, question.key)
    try:
        found = measure_sensitivity(
            host, subject, question.evaluator, question.method, journal, report
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from what is measured") from None
    journal.remove()
    return found
