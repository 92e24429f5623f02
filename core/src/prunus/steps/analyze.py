"""``prunus ana``: measure how much each group matters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import attrs

from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.descriptors import Policy
from prunus.errors import NoSamplesError, PlanError, StaleError
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.user_metric import UserMetric
from prunus.graph.digest import structure_digest, weights_digest
from prunus.grouping import Grouping
from prunus.host import Host
from prunus.masking import masked_units
from prunus.planning.scores import DEFAULT_CRITERION, scores_of
from prunus.sensitivity import Sensitivity, merged
from prunus.settings import Settings
from prunus.steps.files import make_directory
from prunus.steps.loaded import BEHIND_OPAQUE, Loaded, evaluator_for, load
from prunus.steps.workspace import Workspace, workspace_of

DEFAULT_RATIOS = tuple(round(0.1 * step, 1) for step in range(1, 10))

Report = Callable[[int, int], None]


@attrs.frozen(eq=False)
class Analyzed:
    """Result of ``ana``."""

    sensitivity: Sensitivity
    loaded: Loaded
    workspace: Workspace
    reused: bool


@attrs.frozen(eq=False)
class Question:
    """What is to be measured, on what.

    Attributes:
        loaded: The network.
        workspace: Where results go.
        evaluator: Samples and metric.
        policy: Name of the analysis.
        criterion: Which channels go first.
        ratios: Shares to remove.
        seed: Of everything drawn.
        key: Digests of all of it, as `Sensitivity.key`.
    """

    loaded: Loaded
    workspace: Workspace
    evaluator: Evaluator
    policy: str
    criterion: str
    ratios: tuple[float, ...]
    seed: int
    key: Mapping[str, str]


def analyze(
    host: Host,
    settings: Settings,
    ratios: tuple[float, ...] = DEFAULT_RATIOS,
    report: Report = lambda done, total: None,
    policy: str | None = None,
) -> Analyzed:
    """Measure sensitivity, resuming or reusing what the workspace holds.

    Parts that were measured elsewhere (`prunus.steps.analyze_parts`) are put together.

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
        return Analyzed(stored, loaded, workspace, reused=True)
    parts = workspace.parts(question.key)
    if parts:
        sensitivity = merged(parts, [group.name for group in loaded.grouping.groups])
    else:
        sensitivity = answer(host, question, loaded.grouping, "ana.partial.jsonl", report)
    workspace.save_sensitivity(sensitivity)
    if not masked_units(loaded.network, loaded.grouping):
        workspace.remember("original", loaded.source)
    return Analyzed(sensitivity, loaded, workspace, reused=False)


def ask(
    host: Host, settings: Settings, ratios: tuple[float, ...], policy: str | None = None
) -> Question:
    """Load what the settings name.

    Raises:
        DataError: there are no samples to measure on.
        PlanError: nothing is prunable.
    """
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
    policy = policy or ("sweep" if isinstance(evaluator.metric, UserMetric) else "exact")
    criterion, seed = settings.criterion or DEFAULT_CRITERION, settings.seed or 0
    own = evaluator.metric
    metric = f"{own.name}|{own.digest()}" if isinstance(own, UserMetric) else own.name
    wording = f"{ratios}|{metric}|{evaluator.count}|{policy}|{seed}|{settings.exclude}"
    key = {
        "structure": structure_digest(loaded.network),
        "weights": weights_digest(loaded.network),
        "data": evaluator.data.digest(),
        "criterion": criterion,
        "settings": hashlib.sha256(wording.encode()).hexdigest()[:16],
    }
    return Question(loaded, workspace, evaluator, policy, criterion, ratios, seed, key)


def answer(
    host: Host, question: Question, grouping: Grouping, journal_name: str, report: Report
) -> Sensitivity:
    """Measure some groups; a killed run goes on where its journal ends.

    Args:
        host: Plugins.
        question: What to measure.
        grouping: The network's, or some groups of it.
        journal_name: File of partial results in the workspace.
        report: Told what is done, of how much.
    """
    loaded, evaluator = question.loaded, question.evaluator
    make_directory(question.workspace.path)
    journal = Journal(question.workspace.path / journal_name, question.key)
    scores = scores_of(host, question.criterion, loaded, evaluator.calibration(), question.seed)
    analysis = Analysis(grouping, evaluator, scores, question.ratios, journal, question.key, report)
    try:
        sensitivity = host.call(
            Policy, question.policy, "prunus_analyze", network=loaded.network, analysis=analysis
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from what is measured") from None
    assert isinstance(sensitivity, Sensitivity)
    journal.remove()
    return sensitivity
