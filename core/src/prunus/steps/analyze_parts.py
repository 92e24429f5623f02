"""An analysis in parts, on several processes or machines that share (or exchange) a workspace.

Every part measures some of the groups and writes one file; `analyze` puts the files together
when all are there. We write no scheduler: any ``concurrent.futures.Executor`` will do.
"""

from __future__ import annotations

from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import attrs

from prunus.analysis.measure import DEFAULT_RATIOS, Report
from prunus.errors import UsageError
from prunus.host import Host, start
from prunus.settings import Settings
from prunus.steps.analyze import answer, ask
from prunus.storage.files import write_json


def analyze_part(
    host: Host,
    settings: Settings,
    number: int,
    count: int,
    ratios: tuple[float, ...] = DEFAULT_RATIOS,
    report: Report = lambda done, total: None,
    policy: str | None = None,
) -> Path:
    """Measure part ``number`` (from 1) of ``count``: every count-th group; resumable.

    Returns:
        The file of the part, in the workspace.

    Raises:
        UsageError: there is no such part.
    """
    if not 1 <= number <= count:
        raise UsageError(f"part {number} of {count}: parts are counted from 1 to {count}")
    question = ask(host, settings, ratios, policy)
    grouping = question.loaded.grouping
    share = attrs.evolve(grouping, groups=grouping.groups[number - 1 :: count])
    some = attrs.evolve(question.loaded, grouping=share)
    journal = f"ana.partial-{number}-of-{count}.jsonl"
    found = answer(host, question, some, journal, report)
    file = question.workspace.part_file(number, count)
    write_json(file, found.to_json())
    return file


def spread(
    executor: Executor,
    settings: Settings,
    count: int,
    ratios: tuple[float, ...] = DEFAULT_RATIOS,
    analysis: str | None = None,
) -> list[Path]:
    """Measure all parts on an executor (Dask: ``Client.get_executor()``); `analyze` goes on.

    Args:
        executor: Its workers see the same files under the same paths.
        settings: What to analyse.
        count: Number of parts.
        ratios: Shares to remove.
        analysis: Name of the analysis; the default one without it.
    """
    measure = partial(_part, settings, count, ratios, analysis)
    return list(executor.map(measure, range(1, count + 1)))


def _part(
    settings: Settings, count: int, ratios: tuple[float, ...], analysis: str | None, number: int
) -> Path:
    return analyze_part(start(), settings, number, count, ratios, policy=analysis)
