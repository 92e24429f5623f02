"""``--report`` of the steps: the page of the workspace, written at their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from prunus.cli.progress import shown

if TYPE_CHECKING:
    from prunus.host import Host
    from prunus.settings import Settings
    from prunus.steps.report import Report

page_option = click.option(
    "--report", "page", is_flag=True, help="write report.html into the workspace, too"
)


def paged(host: Host, settings: Settings, report: Report, *, page: bool) -> Report:
    """The report of a step, and where it was asked for, the page among its files.

    Raises:
        UsageError: there is no workspace.
    """
    if not page:
        return report
    from prunus.steps.page import write_page

    with shown("report"):
        written = write_page(host, attrs.evolve(settings, model=None, weights=None))
    return attrs.evolve(report, files=(*report.files, *written.files))
