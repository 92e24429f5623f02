"""Checks of every plugin: its descriptor, its hooks' signatures, a cheap import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

from prunus import hookspecs
from prunus.errors import UsageError
from prunus.host import D, Host, Registered, start

HEAVY = (
    "torch",
    "tensorflow",
    "keras",
    "caffe",
    "cv2",
    "PIL",
    "lmdb",
    "h5py",
    "onnxruntime",
    "google.protobuf",
)
"""Modules a plugin imports inside its functions only, so that ``prunus --help`` is quick."""


def plugin_checks(
    kind: type[D], name: str, verbs: tuple[str, ...], host: Host | None
) -> list[tuple[str, Callable[[], None]]]:
    """Checks common to everything that is registered.

    Args:
        kind: Class of the descriptor.
        name: Name of the descriptor.
        verbs: Hooks its owner has to implement.
        host: Where to look it up; the host of everything installed without it.
    """
    return [
        ("is-registered", lambda: check_registered(kind, name, verbs, host)),
        ("implements-its-hooks", lambda: check_signatures(kind, name, verbs, host)),
        ("imports-cheaply", lambda: check_cheap_import(kind, name, verbs, host)),
    ]


def check_registered(kind: type[D], name: str, verbs: tuple[str, ...], host: Host | None) -> None:
    """The host offers it, with a summary of one line."""
    descriptor = _entry(kind, name, verbs, host).descriptor
    summary = descriptor.summary
    assert summary, f"{name}: the summary is empty"
    assert len(summary.splitlines()) == 1, f"{name}: the summary has several lines"


def check_signatures(kind: type[D], name: str, verbs: tuple[str, ...], host: Host | None) -> None:
    """Every hook is marked, takes the specification's names, no defaults, nothing keyword-only.

    pluggy before 1.7 never fills an argument with a default, and none fills a keyword-only one.
    """
    plugin = _entry(kind, name, verbs, host).plugin
    for verb in ("prunus_register", *verbs):
        assert hasattr(plugin, verb), f"{name}: the plugin has no {verb}"
    for verb in [attribute for attribute in dir(plugin) if attribute.startswith("prunus_")]:
        function = getattr(plugin, verb)
        if not callable(function):
            continue
        specification = getattr(hookspecs, verb, None)
        assert specification is not None, f"{name}: there is no hook {verb}; is it misspelt?"
        assert hasattr(function, "prunus_impl"), f"{name}: {verb} is not marked with @hookimpl"
        known = inspect.signature(specification).parameters
        for parameter in inspect.signature(function).parameters.values():
            said = f"{name}: argument {parameter.name} of {verb}"
            assert parameter.name in known, f"{said} is not in the specification: {list(known)}"
            assert parameter.default is parameter.empty, f"{said} has a default"
            assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD, f"{said} is {parameter.kind}"


def check_cheap_import(kind: type[D], name: str, verbs: tuple[str, ...], host: Host | None) -> None:
    """Importing the plugin in a fresh interpreter imports no framework."""
    plugin = _entry(kind, name, verbs, host).plugin
    module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    # the types of the contract bring protobuf with them: only what comes on top counts
    script = (
        "import sys, prunus.network, prunus.groups, prunus.descriptors, prunus.hookspecs\n"
        "before = set(sys.modules)\n"
        f"import {module}\n"
        f"print(*sorted(set({HEAVY!r}) & (set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{name}: import {module} fails: {done.stderr.strip()}"
    heavy = done.stdout.strip()
    assert not heavy, f"{name}: importing {module} imports {heavy}; import it inside functions"


def _entry(kind: type[D], name: str, verbs: tuple[str, ...], host: Host | None) -> Registered:
    """An analysis and an allocation may have one name: the hook tells them apart.

    Raises:
        AssertionError: it is not registered; tells which plugins failed to load, and why.
    """
    try:
        return (host or start()).find(kind, name, verbs[0] if verbs else None)
    except UsageError as error:
        raise AssertionError(str(error)) from error


def one_line(error: Exception, *facts: str) -> None:
    """An error for users: one line with all facts."""
    text = str(error)
    assert text, f"{type(error).__name__} without a message"
    assert len(text.splitlines()) == 1, f"the message has several lines: {text!r}"
    for fact in facts:
        assert fact in text, f"the message does not name '{fact}': {text!r}"
