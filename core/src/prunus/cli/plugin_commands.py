"""Commands of plugins: entry points of the group ``prunus.commands``, imported when used."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import click

from prunus import __version__
from prunus.errors import PluginError
from prunus.host import distribution_of

GROUP = "prunus.commands"
"""Name of the command = ``module:object``, the object a `click.Command`."""


def offered() -> dict[str, list[EntryPoint]]:
    """Command name -> who offers it, by distribution; nothing is imported."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=GROUP), key=distribution_of):
        found.setdefault(point.name, []).append(point)
    return found


def owner(name: str, points: list[EntryPoint]) -> str:
    """Whose command it is, as messages name it: ``command 'greet' of hello 1.0``."""
    return f"command '{name}' of {_owners(points)}"


def summary(points: list[EntryPoint]) -> str:
    """Where a command comes from, for ``prunus --help``."""
    return f"{'command of' if len(points) == 1 else 'offered by'} {_owners(points)}"


def clash(name: str, points: list[EntryPoint], *, core: bool) -> str | None:
    """A sentence where a name has several owners; ``None`` for one.

    Args:
        name: Name of the command.
        points: Plugins' entry points of this name.
        core: Whether it is a command of prunus itself, which nobody replaces.
    """
    if core and points:
        return (
            f"command '{name}' of {_owners(points)} is not used: it is a command of prunus "
            f"{__version__}"
        )
    if len(points) > 1:
        return f"command '{name}' is offered by {_owners(points)}; uninstall one of them"
    return None


def load(name: str, points: list[EntryPoint]) -> click.Command:
    """Import a command.

    Raises:
        PluginError: several distributions offer it, it cannot be imported, or it is no command.
    """
    said = clash(name, points, core=False)
    if said is not None:
        raise PluginError(said)
    (point,) = points
    said = owner(name, points)
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{said} failed to load: {type(error).__name__}: {error}; install it again or "
            "uninstall it"
        ) from error
    if not isinstance(found, click.Command):
        raise PluginError(
            f"{said} cannot be used: {point.value} is a '{type(found).__name__}', not a "
            "click.Command"
        )
    return found


def _owners(points: list[EntryPoint]) -> str:
    return " and by ".join(map(distribution_of, points))
