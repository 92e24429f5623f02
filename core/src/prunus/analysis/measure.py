"""Measure the sensitivity of every group with an analysis of any plugin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import attrs

from prunus.analysis.analysis import Analysis
from prunus.analysis.journal import Journal
from prunus.descriptors import Policy
from prunus.evaluation.evaluator import Evaluator
from prunus.evaluation.user_metric import UserMetric
from prunus.granularity import CHANNELS, Granularity
from prunus.graph.digest import structure_digest, weights_digest
from prunus.host import Host
from prunus.one_blas_thread import one_blas_thread
from prunus.planning.scores import DEFAULT_CRITERION, default_criterion, scores_of
from prunus.prunable import Prunable
from prunus.sensitivity import Sensitivity

DEFAULT_RATIOS = tuple(round(0.1 * step, 1) for step in range(1, 10))
"""Shares of a group's units that an analysis removes: 0.1 to 0.9."""

_SCORED = 64
"""Samples that units are scored on, for criteria that look at activations."""

Report = Callable[[int, int], None]
"""Called with done and total work units."""


@attrs.frozen
class Method:
    """How sensitivity is measured.

    Attributes:
        analysis: Name of the analysis that measures.
        criterion: Name of the criterion by which channels go.
        ratios: Shares of a group's channels to remove, ascending, in (0, 1).
        seed: Of everything drawn.
    """

    analysis: str
    criterion: str = DEFAULT_CRITERION
    ratios: tuple[float, ...] = DEFAULT_RATIOS
    seed: int = 0


@one_blas_thread()
def measure_sensitivity(
    host: Host,
    subject: Prunable,
    evaluator: Evaluator,
    method: Method,
    journal: Journal,
    report: Report = lambda done, total: None,
) -> Sensitivity:
    """One curve for every group of ``subject``.

    Args:
        host: Plugins.
        subject: The network, and the groups to measure.
        evaluator: Samples and metric.
        method: How to measure.
        journal: Partial results; a killed run goes on where they end.
        report: Called with done and total work units.
    """
    samples = evaluator.calibration(_SCORED)
    scores = scores_of(host, method.criterion, subject, samples, method.seed)
    job = Analysis(
        subject.grouping,
        evaluator,
        scores,
        method.ratios,
        journal,
        journal.key,
        report,
        method.seed,
    )
    found = host.call(
        Policy, method.analysis, "prunus_analyze", network=subject.network, analysis=job
    )
    assert isinstance(found, Sensitivity)
    return found


def default_analysis(evaluator: Evaluator) -> str:
    """``sweep`` for a metric function of the user's, which sees whole networks; else ``fast``."""
    return "sweep" if isinstance(evaluator.metric, UserMetric) else "fast"


def criterion_of(analysis: str, granularity: Granularity) -> str:
    """The criterion by which units go, unless another one is asked for.

    ``fast`` measures what compensation leaves: of the channels that a plan with samples removes.
    """
    return default_criterion(granularity, sampled=analysis == "fast")


def sensitivity_key(subject: Prunable, evaluator: Evaluator, method: Method) -> Mapping[str, str]:
    """Digests of everything a measurement depends on, as `Sensitivity.key`."""
    own = evaluator.metric
    metric = f"{own.name}|{own.digest()}" if isinstance(own, UserMetric) else own.name
    wording = (
        f"{method.ratios}|{metric}|{evaluator.count}|{method.analysis}|{method.seed}|"
        f"{subject.exclude}"
    )
    if subject.granularity != CHANNELS:
        wording += f"|{subject.granularity}"
    return {
        "structure": structure_digest(subject.network),
        "weights": weights_digest(subject.network),
        "data": evaluator.data.digest(),
        "criterion": method.criterion,
        "settings": hashlib.sha256(wording.encode()).hexdigest()[:16],
    }
