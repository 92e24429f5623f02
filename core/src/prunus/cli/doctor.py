"""``prunus doctor``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

import attrs
import click

from prunus import __version__
from prunus.cli.tables import new_console, new_table
from prunus.descriptors import Engine
from prunus.engines.known import lack_of
from prunus.host import installed, start
from prunus.requirements import required_by

OWN = "prunus"


@attrs.frozen
class Finding:
    """One distribution, or one engine.

    Attributes:
        distribution: Its name; of an engine: ``engine openvino``.
        state: ``works``, ``incomplete``, ``broken`` or ``missing``.
        version: Its version, where it is installed.
        remark: The parts it lacks, its error, or what it would add.
        mend: The command that helps, if any.
    """

    distribution: str
    state: str
    version: str
    remark: str = ""
    mend: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout")
@click.option("--verbose", is_flag=True, help="show tracebacks")
def command(as_json: bool, verbose: bool) -> None:
    """Tell what is installed, whether it works, and what each missing part would add."""
    findings = list(examine())
    if as_json:
        click.echo(json.dumps([attrs.asdict(finding) for finding in findings], indent=1))
        return
    console = new_console()
    console.print(f"prunus {__version__}, Python {python_version()}")
    table = new_table("distribution", "state", "version", "remark")
    for finding in findings:
        remark = ": ".join(part for part in (finding.remark, finding.mend) if part)
        table.add_row(finding.distribution, finding.state, finding.version, remark)
    console.print(table)


def examine() -> Iterator[Finding]:
    """The core, every plugin that is installed, those of ours that are not, and engines."""
    host = start()
    broken = {one.distribution.partition(" ")[0]: one.error for one in host.broken}
    names = [OWN, *dict.fromkeys(point.dist.name for point in installed() if point.dist)]
    for name in names:
        lacking = lacks(required_by(name))
        found, mend = version(name), f"pip install {' '.join(lacking)}"
        if name in broken:
            yield Finding(name, "broken", found, broken[name], f"pip install --upgrade {name}")
        elif lacking:
            yield Finding(name, "incomplete", found, f"needs {', '.join(lacking)}", mend)
        else:
            yield Finding(name, "works", found)
    for name, adds in offered().items():
        if name not in names:
            yield Finding(name, "missing", "", f"adds {adds}", f"pip install {name}")
    for engine in host.all(Engine):
        lack = lack_of(engine)
        state, found = ("works", engine.version()) if lack is None else ("missing", "")
        yield Finding(f"engine {engine.name}", state, found, engine.summary, lack or "")


def lacks(names: Iterable[str]) -> list[str]:
    """Distributions that are not installed."""
    found = []
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            found.append(name)
    return found


def offered() -> dict[str, str]:
    """Distributions of this project -> what each adds; the code of the core knows none of them."""
    text = (resources.files(__package__) / "distributions.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found
