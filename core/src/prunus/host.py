"""The plugin host: loads plugins tolerantly, knows who owns which name, calls owners."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from traceback import walk_tb
from typing import Any, TypeVar

import attrs
import pluggy

from prunus import __version__, hookspecs
from prunus.descriptors import (
    POLICIES,
    Criterion,
    Descriptor,
    Engine,
    Format,
    NamedMetric,
    Policy,
    Sharing,
    Trainer,
    kind_of,
)
from prunus.engines.running import Running
from prunus.errors import MissingPluginError, PluginError, UsageError
from prunus.fields import called_descriptor, called_task
from prunus.near import meant
from prunus.network import Network, Written
from prunus.sensitivity import Sensitivity
from prunus.settings import DEFAULT_TRAINER
from prunus.third_party import crash, is_defect, is_reader_defect, shown, wrong_answer

OWN = f"prunus {__version__}"
"""The core's own distribution: its defects are those of prunus, not of a plugin."""

BUILT_IN = (
    "prunus.analysis.built_in",
    "prunus.engines.onnx_runtime",
    "prunus.evaluation.built_in",
    "prunus.formats.onnx_file",
    "prunus.methods.apoz",
    "prunus.methods.block_obd",
    "prunus.methods.block_obs",
    "prunus.methods.bn_scale",
    "prunus.methods.fisher",
    "prunus.methods.fpgm",
    "prunus.methods.by_score",
    "prunus.methods.given",
    "prunus.methods.hrank",
    "prunus.methods.k_means",
    "prunus.methods.l1",
    "prunus.methods.l2",
    "prunus.methods.lamp",
    "prunus.methods.magnitude",
    "prunus.methods.obs",
    "prunus.methods.random_scores",
    "prunus.methods.by_sensitivity",
    "prunus.methods.search",
    "prunus.methods.slow_first",
    "prunus.methods.taylor",
    "prunus.methods.thinet",
    "prunus.methods.uniform",
)
"""Modules registered like any third party's, without privileges."""

OFFERED = {
    ("criterion", "obd"): "prunus-torch",
    ("trainer", DEFAULT_TRAINER): "prunus-torch",
}
"""Kind and name -> the distribution of ours that offers it, for the message where it is missing."""

DIFFERENTIATES = "prunus-torch"
"""The distribution of ours whose trainer computes derivatives, for the message without one."""

SELECT = "PRUNUS_PLUGINS"
"""Environment variable: comma list of the only entry points to load; empty loads none."""

TRACE = "PRUNUS_TRACE"
"""Environment variable: any value prints every hook call on stderr."""

ANSWERS: Mapping[str, tuple[type, str]] = {
    "prunus_load": (Network, "a Network"),
    "prunus_lower": (Network, "a Network"),
    "prunus_rebuild": (object, "a live model"),
    "prunus_infer": (Mapping, "a mapping: output name -> array"),
    "prunus_analyze": (Sensitivity, "a Sensitivity"),
    "prunus_rank": (object, "one finite number a channel"),
    "prunus_rank_all": (Mapping, "a mapping: group name -> one finite number a channel"),
    "prunus_mask": (Mapping, "a mapping: group name -> array of bool, one a channel"),
    "prunus_finetune": (Mapping, "a mapping: initializer name -> array"),
    "prunus_compact": (Written, "a Written"),
    "prunus_differentiate": (object, "a function"),
    "prunus_share": (object, "finite numbers other than zero"),
    "prunus_convert": (Written, "a Written"),
    "prunus_open": (Running, "a Running"),
    "prunus_quantize": (Written, "a Written"),
}
"""Hook -> type of its answer, and the words for it."""

HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("prunus_"))
"""All hooks there are."""

D = TypeVar("D", Format, Criterion, NamedMetric, Policy, Sharing, Trainer, Engine)


@attrs.frozen(eq=False)
class Registered:
    """A descriptor and where it comes from."""

    descriptor: Descriptor
    plugin: object
    distribution: str

    def __str__(self) -> str:
        """As messages name it: ``criterion 'mine' of acme 1.0``."""
        return f"{kind_of(self.descriptor)} '{self.descriptor.name}' of {self.distribution}"


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
        self._distributions: dict[str, str] = {}
        for plugin, distribution in plugins:
            self._add(plugin, distribution)
        if TRACE in os.environ:
            self._manager.add_hookcall_monitoring(_print_call, lambda *_: None)

    def find(self, kind: type[D], name: str, hook: str | None = None) -> Registered:
        """Who offers a name, among allocations and analyses only those that answer ``hook``.

        Raises:
            UsageError: nobody does; lists what there is.
            MissingPluginError: a distribution that is not installed does.
        """
        known = {
            r.descriptor.name: r
            for r in self.registered
            if isinstance(r.descriptor, kind) and _answers(r.descriptor, hook)
        }
        if name in known:
            return known[name]
        word = POLICIES.get((hook or "").removeprefix("prunus_"), kind.__name__.lower())
        raise self._unknown(word, name, sorted(known))

    def all(self, kind: type[D]) -> list[D]:
        """Descriptors of a kind by name."""
        found = [r.descriptor for r in self.registered if isinstance(r.descriptor, kind)]
        return sorted(found, key=lambda descriptor: descriptor.name)

    def call(self, kind: type[D], name: str, hook: str, **arguments: Any) -> Any:
        """Call a verb on the owner of a name, with every plugin's wrappers around it.

        Raises:
            PluginCrashError: the owner, or a wrapper, let out an error that is not for users.
            PluginError: the owner does not implement the verb, or its answer is of a wrong type.
        """
        owner = self.find(kind, name, hook)
        caller = getattr(self._manager.hook, hook)
        others = [
            implementation.plugin
            for implementation in caller.get_hookimpls()
            if implementation.plugin is not owner.plugin and not _wraps(implementation)
        ]
        chosen = self._manager.subset_hook_caller(hook, others)
        involved = chosen.get_hookimpls()
        if all(map(_wraps, involved)):
            raise PluginError(f"{owner} has no {hook}; its module must implement this hook")
        try:
            result = chosen(**{kind.__name__.lower(): name}, **arguments)
        except (Exception, SystemExit) as error:
            wrapper = _wrapper_at_fault(error, involved)
            if wrapper is not None and is_defect(error):
                plugin = f"plugin '{wrapper}' of {self._distributions[wrapper]}"
                raise crash(plugin, f"its wrapper of {hook}", error) from error
            blamed = is_reader_defect if kind in (Format, Trainer) else is_defect
            if owner.distribution == OWN or not blamed(error):
                raise
            raise crash(str(owner), hook, error) from error
        wanted, words = ANSWERS[hook]
        if result is None or not isinstance(result, wanted):
            raise wrong_answer(str(owner), hook, shown(result), words)
        if isinstance(result, Network) and owner.distribution != OWN:
            _check_attributes(str(owner), hook, result)
            return attrs.evolve(result, task=called_task(result.task, str(owner)))
        return result

    def implements(self, kind: type[D], name: str, hook: str) -> bool:
        """Whether the owner of a name has a hook, for one that may be left out."""
        return hasattr(self.find(kind, name).plugin, hook)

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
            self._distributions[name] = distribution
        except (pluggy.PluginValidationError, ValueError) as error:
            self._drop(plugin)
            said = str(error).splitlines()[0] + _meant(plugin)
            self.broken.append(Broken(name, distribution, said))
            return
        declare = getattr(plugin, "prunus_register", None)
        try:
            answer = declare() if declare is not None else ()
            descriptors = tuple(answer) if isinstance(answer, Iterable) else None
        except (Exception, SystemExit) as error:  # noqa: BLE001  third-party code: report it, go on
            self._drop(plugin)
            self.broken.append(Broken(name, distribution, f"{type(error).__name__}: {error}"))
            return
        if descriptors is None:
            self._drop(plugin)
            given = "None" if answer is None else f"a {type(answer).__name__}"
            said = f"prunus_register must give descriptors, it gave {given}"
            self.broken.append(Broken(name, distribution, said))
            return
        strange = [value for value in descriptors if not isinstance(value, Descriptor)]
        if strange:
            self._drop(plugin)
            said = f"prunus_register gave {strange[0]!r}, which is no descriptor"
            self.broken.append(Broken(name, distribution, said))
            return
        for descriptor in descriptors:
            entry = Registered(descriptor, plugin, distribution)
            if distribution != OWN:
                entry = attrs.evolve(entry, descriptor=called_descriptor(descriptor, str(entry)))
            self._claim(entry)

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

    def _unknown(self, kind: str, name: str, known: list[str]) -> UsageError:
        text = f"unknown {kind} '{name}'; there are: {', '.join(known) or 'none'}"
        text += meant(name, known)
        offering = OFFERED.get((kind, name))
        if offering is None:
            return UsageError(text + self.failures())
        if all(b.distribution.partition(" ")[0] != offering for b in self.broken):
            text += f"; '{name}' comes with {offering} (pip install it)"
        return MissingPluginError(text + self.failures())


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


def _check_attributes(owner: str, hook: str, network: Network) -> None:
    """A graph that a plugin made is one ONNX defines; names the layer where it is not."""
    from prunus.graph.attributes import attribute_fault  # help and version do without ONNX

    fault = attribute_fault(network.model)
    if fault is not None:
        node, said = fault
        layer = next((name for name, own in network.layers.items() if node in own), node)
        raise wrong_answer(owner, hook, f"layer '{layer}' is a {said}", "a graph that ONNX defines")


def _meant(plugin: object) -> str:
    """The hook that a misspelt one of a plugin is near to, as the tail of a message."""
    for name in dir(plugin):
        if name not in HOOKS and hasattr(getattr(plugin, name, None), "prunus_impl"):
            return meant(name, HOOKS, 0.8)  # they share their beginning
    return ""


def _wraps(implementation: pluggy.HookImpl) -> bool:
    return implementation.wrapper or implementation.hookwrapper


def _wrapper_at_fault(error: BaseException, involved: Iterable[pluggy.HookImpl]) -> str | None:
    """Name of the plugin in whose wrapper an error arose; ``None`` where it passed through only."""
    codes = {getattr(one.function, "__code__", None): one for one in involved}
    innermost = None
    for frame, _ in walk_tb(error.__traceback__):
        innermost = codes.get(frame.f_code, innermost)
    return innermost.plugin_name if innermost is not None and _wraps(innermost) else None


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
    return OWN if point.dist is None else f"{point.dist.name} {point.dist.version}"


def plugin_at_fault(error: BaseException) -> tuple[str, str] | None:
    """The installed plugin in whose code an error arose: its distribution, and the function.

    ``None`` where the innermost frame of all plugins and of prunus is one of prunus.
    """
    groups = ("prunus", "prunus.commands")
    points = (point for group in groups for point in entry_points(group=group))
    owners = {point.module.partition(".")[0]: distribution_of(point) for point in points}
    found = None
    for frame, _ in walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in owners or package == __name__.partition(".")[0]:
            found = (owners[package], frame.f_code.co_qualname) if package in owners else None
    return found


def _print_call(hook: str, implementations: Any, arguments: Any) -> None:
    owners = ", ".join(str(i.plugin_name) for i in implementations)
    names = {k: v if isinstance(v, str) else type(v).__name__ for k, v in arguments.items()}
    sys.stderr.write(f"hook {hook}({names}) -> {owners}\n")
