"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from prunus.cli import COMMAND
from prunus.cli.special_files import check_file
from prunus.descriptors import Criterion, Engine, Format, Policy, Trainer, kind_of
from prunus.errors import UsageError
from prunus.evaluation.data_spec import split_spec
from prunus.host import Host, start
from prunus.near import meant
from prunus.settings import AUTO, Settings

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_PATHS = ("model", "weights", "baseline", "workspace", "solver")
_FILES = ("model", "weights", "solver", "data", "train_data")
_INTERNAL = frozenset(
    {
        "notes",
        "legacy_count",
        "origins",
        "allow_code",
        "best_effort",
        "earlier",
        "earlier_samples",
        "command",
    }
)
_LEAST = {"samples": 1, "batches": 1, "multiple": 1, "seed": 0}
_MOST = 2**31
_KINDS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "Path": ("a path in quotes", str),
    "str": ("text in quotes", str),
    "float": ("a number", (int, float)),
    "int": ("a whole number", int),
    "tuple": ("a list of names", list),
    "Mapping": ("a table of names and values", dict),
}
"""First word of a setting's type -> what a TOML file must hold for it."""


def together(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """One decorator of several options, which help lists in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _multiple(text: str) -> int | str:
    """A whole number, or ``auto``."""
    try:
        return AUTO if text == AUTO else int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a whole number, and not '{AUTO}'.") from None


def number(text: str) -> float:
    """A number of an option, as `share_of`."""
    try:
        return share_of(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number; write 0.5 or 50%.") from None


def share_of(text: str) -> float:
    """A number, or a hundredth of one before ``%``.

    Raises:
        ValueError: it is neither.
    """
    number = text.strip()
    return float(number[:-1]) / 100 if number.endswith("%") else float(number)


def shares_of(option: str, text: str, rule: str) -> tuple[float, ...]:
    """A comma list of shares between 0 and 1.

    Args:
        option: Its name, for messages.
        text: The list.
        rule: The sentence for shares out of range.

    Raises:
        UsageError: one is no number, or out of range.
    """
    try:
        values = tuple(share_of(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} {text}: a comma list of numbers") from None
    if not all(0 < value < 1 for value in values):
        percent = all(1 <= value < 100 for value in values)
        meant = ",".join(f"{value / 100:g}" for value in values)
        raise UsageError(
            f"{option} {text}: {rule}" + (f"; did you mean {meant}?" if percent else "")
        )
    return values


def names(word: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completion of the names that plugins register of a kind: ``criterion``, ``trainer``."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
        known = (entry.descriptor for entry in start().registered)
        return sorted(d.name for d in known if kind_of(d) == word and d.name.startswith(begun))

    return complete


network_options = together(
    click.option("--config", type=_FILE, help="prunus.toml or a vendor file, read unchanged"),
    click.option(
        "--model", type=_FILE, help="the network's file or directory, in its framework's format"
    ),
    click.option("--weights", type=_FILE, help="weights file, where the format has one"),
    click.option("--workspace", type=_FILE, help="directory for everything a step writes"),
    click.option(
        "--exclude", multiple=True, metavar="NAME", help="layer that stays whole; repeatable"
    ),
    click.option(
        "--option",
        multiple=True,
        metavar="NAME=VALUE",
        help="format option (see 'prunus methods'); repeatable",
    ),
    click.option("--allow-code", is_flag=True, help="run Python that a file read here names"),
    click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout"),
    click.option("--verbose", is_flag=True, help="show tracebacks"),
)
"""Decorator of a click command: the options that name a network and how it is read."""
"""Decorator of a command: ``--config``, ``--model``, ``--weights``, ``--workspace``, ``--exclude``,
``--option``, ``--allow-code``, ``--json`` (as ``as_json``) and ``--verbose``. All but the last two
are for `settings_from`."""

data_options = together(
    click.option("--data", help=".npz (x, y), image folder, list file, or the format's own"),
    click.option(
        "--metric",
        help="top-1, top-5, another of 'prunus methods', the network's own, or module:function",
        shell_complete=names("metric"),
    ),
    click.option("--samples", type=click.IntRange(1), help="number of samples to measure on"),
)
"""Samples and metric."""

criterion_option = click.option(
    "--criterion",
    help="how channels or weights are scored (see 'prunus methods')",
    shell_complete=names("criterion"),
)
granularity_option = click.option(
    "--granularity", help="units that go: channel, weight, or a pattern such as 2:4 [channel]"
)
seed_option = click.option("--seed", type=click.IntRange(0), help="seed of everything drawn [0]")

solver_option = click.option("--solver", type=_FILE, help="the framework's own training recipe")

choice_options = together(granularity_option, criterion_option, seed_option)
"""Which units go first."""

limit_options = together(
    click.option("--params", type=number, help="share of the parameters to remove"),
    click.option(
        "--bytes",
        metavar="SIZE",
        help="size of the weights file to come down to: 2MB, 500kB (powers of 1000), 1.5MiB (of "
        "1024)",
    ),
    click.option(
        "--latency",
        type=number,
        help="share of the measured time of one sample to save, in --engine on this machine; "
        "measured times are kept in the workspace",
    ),
    click.option(
        "--engine",
        help="engine whose time --latency counts (see 'prunus methods') [onnxruntime]",
        shell_complete=names("engine"),
    ),
    click.option(
        "--max-loss",
        type=number,
        help="metric that the whole network may lose, compensated, 0.01 or 1% of an accuracy: "
        "alone, the largest rate within it; half of --data chooses, half checks",
    ),
)
"""Limits of a plan beside its rate."""

plan_options = together(
    click.option(
        "--allocation",
        help="how the target is divided among the groups (see 'prunus methods')",
        shell_complete=names("allocation"),
    ),
    click.option(
        "--multiple",
        type=_multiple,
        metavar="N|auto",
        help="kept channels are rounded up to this; auto: to 2, 4, 8 or 16, the more the wider a "
        "group is, as long as that meets the budget [auto]",
    ),
    click.option(
        "--density",
        multiple=True,
        metavar="LAYER=SHARE",
        help="instead of a rate: share of a layer that stays, others stay whole; repeatable",
    ),
    click.option(
        "--best-effort",
        is_flag=True,
        help="take the nearest plan where whole channels miss the target by a tenth or more",
    ),
)
"""How many go where."""


def settings_from(host: Host, **given: Any) -> Settings:
    """Merge the command line over the configuration file.

    Args:
        host: Plugins.
        given: Option name -> value, ``None`` where it was not given; paths may be texts.

    Raises:
        UsageError: the file is missing or has unknown keys; an option is no pair.
    """
    config = given.pop("config", None)
    given |= {name: Path(given[name]) for name in _PATHS if given.get(name) is not None}
    for name in _FILES:
        if given.get(name) is not None:
            check_file(Path(given[name]))
    settings = Settings() if config is None else read_config(host, Path(config))
    pairs = dict(pair(text) for text in given.pop("option", ()))
    exclude = tuple(given.pop("exclude", ()))
    density = dict(_share(text) for text in given.pop("density", ()))
    if density:
        given["density"] = density
    changes = {name: value for name, value in given.items() if value is not None}
    said = {*changes, *(f"options.{name}" for name in pairs)}
    return attrs.evolve(
        settings,
        **changes,
        command=_command(),
        origins={name: file for name, file in settings.origins.items() if name not in said},
        options={**settings.options, **pairs},
        exclude=(*settings.exclude, *exclude),
    )


def _command() -> tuple[str, ...]:
    """The words of the command line that runs."""
    context = click.get_current_context(silent=True)
    return () if context is None else context.meta.get(COMMAND, ())


def read_config(host: Host, path: Path) -> Settings:
    """Read ``prunus.toml`` or ask every format whether the file is its own."""
    check_file(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check --config")
    if path.suffix == ".toml":
        return _checked(host, _read_toml(path).all_from(path), path)
    for descriptor in host.all(Format):
        settings = None if descriptor.settings is None else descriptor.settings(path)
        if settings is not None:
            return _checked(host, settings.all_from(path), path)
    names = ", ".join(d.name for d in host.all(Format) if d.settings is not None) or "none"
    raise UsageError(
        f"{path}: not a configuration of an installed format (asked: {names}){host.failures()}"
    )


def _check_name(name: str, value: Path | None, file: Path) -> None:
    """Refuse a name no file can have; whether there is one is asked when it is needed."""
    try:
        if value is not None:
            value.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UsageError(f"{file}: {name} = '{value}': {error.strerror}") from error


def _checked(host: Host, settings: Settings, path: Path) -> Settings:
    """Settings whose names are known and whose counts are in range, as the options have them."""
    for name in _PATHS:
        _check_name(name, getattr(settings, name), path)
    for name, least in _LEAST.items():
        value = getattr(settings, name)
        if isinstance(value, int) and not least <= value < _MOST:
            raise UsageError(f"{path}: {name} = {value}: a whole number from {least}")
    try:
        if settings.criterion is not None:
            host.find(Criterion, settings.criterion)
        if settings.allocation is not None:
            host.find(Policy, settings.allocation)
        if settings.trainer is not None:
            host.find(Trainer, settings.trainer)
        if settings.engine is not None:
            host.find(Engine, settings.engine)
    except UsageError as error:
        raise type(error)(f"{path}: {error}") from error
    return settings


def _read_toml(path: Path) -> Settings:
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error
    except ValueError as error:  # of TOML, of UTF-8, or a number of thousands of digits
        raise UsageError(f"{path}: {error}") from error
    known = {f.name: str(f.type) for f in attrs.fields(Settings) if f.name not in _INTERNAL}
    for key, value in stored.items():
        if key not in known:
            raise UsageError(
                f"{path}: unknown key '{key}'{meant(key, known, 0.75)}; "
                f"known: {', '.join(sorted(known))}"
            )
        if key == "multiple" and value == AUTO:
            continue
        wanted, kinds = _KINDS[known[key].split(" ")[0].split("[")[0]]
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise UsageError(f"{path}: {key} = {value!r}: expected {wanted}")
        if "\0" in str(value):
            raise UsageError(f"{path}: {key}: holds a NUL character")
    for key in _PATHS:
        if key in stored:
            stored[key] = path.parent / stored[key]
    for key in ("data", "train_data"):
        if key in stored and (path.parent / split_spec(stored[key])[0]).exists():
            stored[key] = str(path.parent / stored[key])
    if "exclude" in stored:
        stored["exclude"] = tuple(_word(path, "exclude", value) for value in stored["exclude"])
    if "density" in stored:
        found = stored["density"].items()
        stored["density"] = {name: _number(path, name, value) for name, value in found}
    if "options" in stored:
        found = stored["options"].items()
        stored["options"] = {name: _word(path, name, value) for name, value in found}
    return Settings(**stored)


def _number(path: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{path}: density of {key}: {value!r}: expected a number")
    return float(value)


def _word(path: Path, key: str, value: object) -> str:
    if isinstance(value, list | dict):
        raise UsageError(f"{path}: {key}: {value!r}: expected a name or a number")
    return str(value)


def _share(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, share_of(value)
    except ValueError:
        raise UsageError(f"--density {text}: write LAYER=SHARE, for example ip1=0.1") from None


def pair(text: str) -> tuple[str, str]:
    """The name and the value of a format option."""
    name, found, value = text.partition("=")
    if not found:
        raise UsageError(f"--option {text}: write NAME=VALUE")
    return name, value
