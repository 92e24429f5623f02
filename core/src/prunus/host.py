"""The plugin host: loads plugins tolerantly, knows who owns which name, calls owners."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import attrs
import pluggy

from prunus import __version__, hookspecs
from prunus.descriptors import (
    POLICIES,
    Criterion,
    Descriptor,
    Format,
    NamedMetric,
    Policy,
    Trainer,
    kind_of,
)
from prunus.errors import PluginError, UsageError

BUILT_IN = (
    "prunus.analysis.built_in",
    "prunus.evaluation.built_in",
    "prunus.formats.onnx_file",
    "prunus.methods.bn_scale",
    "prunus.methods.fpgm",
    "prunus.methods.by_score",
    "prunus.methods.l1",
    "prunus.methods.l2",
    "prunus.methods.random_scores",
    "prunus.methods.by_sensitivity",
    "prunus.methods.uniform",
)
"""Modules registered like any third party's, without privileges."""

SELECT = "PRUNUS_PLUGINS"
"""Environment variable: comma list of the only entry points to load; empty loads none."""

TRACE = "PRUNUS_TRACE"
"""Environment variable: any value prints every hook call on stderr."""

D = TypeVar("D", Format, Criterion, NamedMetric, Policy, Trainer)


@attrs.frozen(eq=False)
class Registered:
    """A descriptor and where it comes from."""

    descriptor: Descriptor
    plugin: object
    distribution: str


@attrs.frozen
class Broken:
    """An entry point that could not be used."""

    name: str
    distribution: str
    error: str


class Host:
    """All plugins of one process."""

    def __init__(
        self, plugins: Iterable[tuple[object, str]], broken: tuple[Broken, ...] = ()
    ) -> None:
        """Register plugins, given with the distribution they come from.

        Raises:
            PluginError: two plugins offer one name, or an unknown hook is implemented.
        """
        self._manager = pluggy.PluginManager("prunus")
        self._manager.add_hookspecs(hookspecs)
        self.broken = list(broken)
        self.registered: list[Registered] = []
        for plugin, distribution in plugins:
            self._add(plugin, distribution)
        if TRACE in os.environ:
            self._manager.add_hookcall_monitoring(_print_call, lambda *_: None)

    def find(self, kind: type[D], name: str, hook: str | None = None) -> Registered:
        """Who offers a name, among allocations and analyses only those that answer ``hook``.

        Raises:
            UsageError: nobody does; lists what there is and what to install.
        """
        known = {
            r.descriptor.name: r
            for r in self.registered
            if isinstance(r.descriptor, kind) and _answers(r.descriptor, hook)
        }
        if name in known:
            return known[name]
        word = POLICIES.get((hook or "").removeprefix("prunus_"), kind.__name__.lower())
        raise UsageError(self._unknown(word, name, sorted(known)))

    def all(self, kind: type[D]) -> list[D]:
        """Descriptors of a kind by name."""
        found = [r.descriptor for r in self.registered if isinstance(r.descriptor, kind)]
        return sorted(found, key=lambda descriptor: descriptor.name)

    def call(self, kind: type[D], name: str, hook: str, **arguments: Any) -> Any:
        """Call a verb on the owner of a name, with every plugin's wrappers around it.

        Raises:
            PluginError: the owner does not implement the verb or answers ``None``.
        """
        owner = self.find(kind, name, hook)
        caller = getattr(self._manager.hook, hook)
        others = [
            implementation.plugin
            for implementation in caller.get_hookimpls()
            if implementation.plugin is not owner.plugin
            and not (implementation.wrapper or implementation.hookwrapper)
        ]
        chosen = self._manager.subset_hook_caller(hook, others)
        result = chosen(**{kind.__name__.lower(): name}, **arguments)
        if result is None:
            raise PluginError(
                f"plugin '{owner.distribution}' gave no answer to {hook} for '{name}'"
            )
        return result

    def failures(self) -> str:
        """Plugins that failed to load, as the tail of an error message; empty if nothing did."""
        parts = (
            f"plugin '{b.name}' of {b.distribution} failed to load: {b.error}" for b in self.broken
        )
        return "".join(f"; {part}" for part in parts)

    def _add(self, plugin: object, distribution: str) -> None:
        name = getattr(plugin, "__name__", type(plugin).__name__)
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._drop(plugin)
            self.broken.append(Broken(name, distribution, str(error).splitlines()[0]))
            return
        declare = getattr(plugin, "prunus_register", None)
        try:
            descriptors = tuple(declare()) if declare is not None else ()
        except (Exception, SystemExit) as error:  # noqa: BLE001  third-party code: report it, go on
            self._drop(plugin)
            self.broken.append(Broken(name, distribution, f"{type(error).__name__}: {error}"))
            return
        strange = [value for value in descriptors if not isinstance(value, Descriptor)]
        if strange:
            self._drop(plugin)
            answer = f"prunus_register gave {strange[0]!r}, which is no descriptor"
            self.broken.append(Broken(name, distribution, answer))
            return
        for descriptor in descriptors:
            self._claim(Registered(descriptor, plugin, distribution))

    def _drop(self, plugin: object) -> None:
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)

    def _claim(self, new: Registered) -> None:
        for old in self.registered:
            shared = _claims(old.descriptor, new.descriptor) & _claims(
                new.descriptor, old.descriptor
            )
            for kind, name in shared:
                raise PluginError(
                    f"{kind} '{name}' is offered by {old.distribution} and by "
                    f"{new.distribution}; uninstall one of them or choose with {SELECT}"
                )
        self.registered.append(new)

    def _unknown(self, kind: str, name: str, known: list[str]) -> str:
        text = f"unknown {kind} '{name}'; there are: {', '.join(known) or 'none'}"
        near = difflib.get_close_matches(name, known, 1)
        if near:
            text += f"; did you mean '{near[0]}'?"
        broken = next((b for b in self.broken if b.name == name), None)
        if broken is not None:
            return (
                f"{text}; plugin '{name}' of {broken.distribution} failed to load: {broken.error}"
            )
        if not near and kind in ("format", "trainer"):
            text += f"; if a plugin offers it, install that one (pip install prunus-{name})"
        return text


def start() -> Host:
    """The host with built-in and installed plugins, as `PRUNUS_PLUGINS` allows."""
    plugins: list[tuple[object, str]] = []
    broken: list[Broken] = []
    own = [EntryPoint(name.rpartition(".")[2], name, "prunus") for name in BUILT_IN]
    for point in (*own, *installed()):
        distribution = distribution_of(point)
        try:
            plugins.append((point.load(), distribution))
        except (Exception, SystemExit) as error:  # noqa: BLE001  one broken plugin must not stop the others
            broken.append(Broken(point.name, distribution, f"{type(error).__name__}: {error}"))
    return Host(plugins, tuple(broken))


def installed() -> list[EntryPoint]:
    """Entry points of the group ``prunus``, by distribution and name."""
    points = sorted(entry_points(group="prunus"), key=lambda p: (distribution_of(p), p.name))
    chosen = os.environ.get(SELECT)
    return points if chosen is None else [p for p in points if p.name in chosen.split(",")]


def _answers(descriptor: Descriptor, hook: str | None) -> bool:
    return hook is None or not isinstance(descriptor, Policy) or hook == f"prunus_{descriptor.verb}"


def _claims(own: Descriptor, other: Descriptor) -> set[tuple[str, str]]:
    """Kinds and names nobody else may offer; formats may share the names of their own metrics."""
    claims = {(kind_of(own), own.name)}
    if isinstance(own, Format) and not isinstance(other, Format):
        claims |= {("metric", name) for name in own.metrics}
    return claims


def distribution_of(point: EntryPoint) -> str:
    """Name and version, for messages; built-ins belong to prunus itself."""
    return (
        f"prunus {__version__}" if point.dist is None else f"{point.dist.name} {point.dist.version}"
    )


def _print_call(hook: str, implementations: Any, arguments: Any) -> None:
    owners = ", ".join(str(i.plugin_name) for i in implementations)
    names = {k: v if isinstance(v, str) else type(v).__name__ for k, v in arguments.items()}
    sys.stderr.write(f"hook {hook}({names}) -> {owners}\n")
