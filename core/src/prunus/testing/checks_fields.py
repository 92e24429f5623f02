"""Conformance of formats: the fields of `Format` that act, apart from data and models in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePath
from typing import Any

import attrs

from prunus.errors import PrunusError
from prunus.evaluation.registered import PARTS
from prunus.graph.digest import structure_digest
from prunus.network import Network, Source
from prunus.ranges import SHARE_BELOW_ONE
from prunus.settings import Settings
from prunus.task import Metric
from prunus.testing.checks_network import same_weights
from prunus.testing.checks_plugin import one_line
from prunus.testing.strangers import damaged, write_strangers
from prunus.testing.subject import Subject

PATHS = ("model", "weights", "baseline", "workspace", "solver")
"""Settings that are paths."""


def check_options(subject: Subject) -> None:
    """Every option has a name that ``--option name=value`` can hold, and a help of one line."""
    for name, text in (subject.descriptor().options or {}).items():
        said = f"{subject.name}: option {name!r}"
        assert isinstance(name, str), f"{said} is no text"
        plain = name and not any(sign in name for sign in "= \t\n")
        assert plain, f"{said} cannot stand in --option NAME=VALUE"
        assert isinstance(text, str), f"{said}: the help is {text!r}"
        assert len(text.strip().splitlines()) == 1, f"{said}: the help is not one line: {text!r}"


def check_round_prefix(subject: Subject) -> None:
    """It is the beginning of one directory's name, on every system."""
    prefix = subject.descriptor().round_prefix
    said = f"{subject.name}: round_prefix {prefix!r}"
    assert isinstance(prefix, str), f"{said} is no text"
    bad = [sign for sign in '/\\:*?"<>|' if sign in prefix]
    assert not bad, f"{said} has {bad[0]!r}, which a directory's name cannot have everywhere"
    plain = prefix == prefix.strip() and not prefix.startswith(".") and prefix.isprintable()
    assert plain, f"{said} makes no plain name of a directory: {prefix + 'rate_0.5'!r}"


def check_metric_names(subject: Subject) -> None:
    """Names that ``--metric`` can tell from ``top-K`` and from a function of the user's."""
    for name, maker in subject.descriptor().metrics.items():
        said = f"{subject.name}: metric {name!r}"
        assert name, f"{said} is empty"
        assert name == name.strip().lower(), f"{said} is not lower case"
        assert ":" not in name, f"{said} has a colon, which marks a user's module:function"
        top = name.startswith("top-") and name[4:].isdigit()
        assert not top, f"{said} means accuracy among the best {name[4:]} classes"
        assert callable(maker), f"{said} has no maker, but {maker!r}"


def check_code_names(subject: Subject, examples: tuple[tuple[str, str], ...]) -> None:
    """``names_code`` gives a bool for all options, True for the examples, False for plain data."""
    descriptor = subject.descriptor()
    for name in ("data", *(descriptor.options or {})):
        for value in ("", "no", "1", "module:function", "samples.npz"):
            _names_code(subject, name, value)
    for value in ("samples.npz", "photos"):
        runs = _names_code(subject, "data", value)
        assert not runs, f"{subject.name}: names_code('data', {value!r}) is True: no code is named"
    for name, value in examples:
        runs = _names_code(subject, name, value)
        assert runs, f"{subject.name}: names_code({name!r}, {value!r}) is False, but code would run"


def check_settings_of_others(subject: Subject) -> None:
    """``settings`` gives ``None`` for every file that is not one of its own, and never raises."""
    settings = subject.descriptor().settings
    if settings is None:
        return
    with tempfile.TemporaryDirectory() as directory:
        for path in write_strangers(Path(directory)):
            try:
                found = settings(path)
            except Exception as error:
                raise AssertionError(
                    f"{subject.name}: settings raises {type(error).__name__} for {path.name}, "
                    f"which is no configuration: {error}"
                ) from error
            assert found is None, f"{subject.name}: settings takes {path.name} for its own"


def check_settings(subject: Subject, path: Path) -> None:
    """A configuration gives `Settings` of the right types; damaged ones give errors of one line."""
    settings = subject.descriptor().settings
    assert settings is not None, f"{subject.name} has no settings, but there is an example"
    assert path.suffix != ".toml", f"{path.name}: no format is asked for a .toml file"
    found = settings(path)
    assert isinstance(found, Settings), f"{path.name}: settings gave {found!r}, no Settings"
    assert settings(path) == found, f"{path.name}: other settings the second time"
    assert not found.allow_code, f"{path.name}: allow_code is the user's word, not a file's"
    for name in PATHS:
        value = getattr(found, name)
        assert value is None or isinstance(value, Path), (
            f"{path.name}: {name} is {value!r}, no Path"
        )
    if found.rate is not None:
        good = SHARE_BELOW_ONE.holds(found.rate)
        assert good, f"{path.name}: rate is {found.rate!r}; give {SHARE_BELOW_ONE}"
    known = subject.descriptor().options
    for name, text in found.options.items():
        said = f"{path.name}: option {name!r}"
        assert isinstance(text, str), f"{said} is {text!r}, no text"
        listed = known is None or name in known
        assert listed, f"{said} is none of Format.options, so the core refuses it"
    for other in subject.others():
        taken = other.settings is not None and other.settings(path) is not None
        assert not taken, f"{other.name} takes {path.name} too"
    _check_damaged_settings(subject, settings, path)


def check_files(subject: Subject, source: Source) -> None:
    """Model, weights and ``files`` are all of a network: it loads from copies of them alone."""
    network = subject.load(source)
    given = _files(subject, source)
    root = Path(os.path.commonpath([path.absolute().parent for path in given]))
    with tempfile.TemporaryDirectory() as directory:
        copies = Path(directory).resolve()
        for path in given:
            _copy(path.absolute(), copies / path.absolute().relative_to(root))

        def moved(path: Path) -> Path:
            return copies / path.absolute().relative_to(root)

        weights = None if source.weights is None else moved(source.weights)
        try:
            again = subject.load(attrs.evolve(source, model=moved(source.model), weights=weights))
        except PrunusError as error:
            raise AssertionError(
                f"{source.model.name} needs more than model, weights and Format.files: {error}"
            ) from error
        assert structure_digest(again) == structure_digest(network), "the copy is another network"
        same_weights(network, again)


def check_metrics(subject: Subject, source: Source) -> None:
    """Every own metric is a `Metric` for the network, or says in one line why it cannot be."""
    network = subject.load(source)
    for name in subject.descriptor().metrics:
        metric = made(subject, name, network)
        said = f"{subject.name}: metric {name!r}"
        for part in PARTS if metric is not None else ():
            assert hasattr(metric, part), f"{said}: the maker gave a {metric!r} without '{part}'"
        if metric is not None:
            assert metric.name == name, f"{said} calls itself {metric.name!r}"


def made(subject: Subject, name: str, network: Network) -> Metric | None:
    """A metric of the format's own; ``None`` where it has no meaning for the network."""
    try:
        return subject.descriptor().metrics[name](network)
    except PrunusError as error:
        one_line(error)
        return None
    except Exception as error:
        raise AssertionError(
            f"{subject.name}: metric {name!r} cannot be made: {type(error).__name__}: {error}"
        ) from error


def _names_code(subject: Subject, name: str, value: str) -> bool:
    said = f"{subject.name}: names_code({name!r}, {value!r})"
    try:
        found: Any = subject.descriptor().names_code(name, value)
    except Exception as error:
        raise AssertionError(f"{said} raises {type(error).__name__}: {error}") from error
    assert isinstance(found, bool), f"{said} is {found!r}, no bool"
    return found


def _check_damaged_settings(subject: Subject, settings: Any, path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / path.name
        for damage, content in damaged(path.read_bytes()):
            copy.write_bytes(content)
            try:
                found = settings(copy)
            except PrunusError as error:
                one_line(error)
                continue
            except Exception as error:
                raise AssertionError(
                    f"{subject.name}: {path.name} {damage} gives {type(error).__name__}: {error}"
                ) from error
            known = found is None or isinstance(found, Settings)
            assert known, f"{subject.name}: {path.name} {damage} gives {found!r}"


def _files(subject: Subject, source: Source) -> list[Path]:
    """All files and folders of a network; weights may be what several files begin with."""
    more = subject.descriptor().files(source)
    said = f"{subject.name}: files gave"
    assert isinstance(more, tuple), f"{said} a {type(more).__name__}, not a tuple"
    for path in more:
        assert isinstance(path, PurePath), f"{said} {path!r}, no path"
        assert path.exists(), f"{said} {path.name}, which is not there"
    weights = source.weights
    parts = [] if weights is None else [*weights.parent.glob(f"{weights.name}*")]
    return [source.model, *parts, *more]


def _copy(path: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, copy, dirs_exist_ok=True)
    else:
        shutil.copyfile(path, copy)
