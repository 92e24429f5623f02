"""The end of a failed command, as one line and an exit code (docs/reference/exit-codes.md)."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import click

from prunus.errors import ModelError, PluginError, PrunusError
from prunus.host import plugin_at_fault
from prunus.third_party import crash, is_damage, names_nul

_FILES = ("--model", "--config", "--workspace")


def told(error: BaseException, arguments: Sequence[str]) -> tuple[str, int]:
    """The line, without ``error: `` where it is no error, and the exit code."""
    if isinstance(error, click.NoSuchOption):
        return f"error: no option '{error.option_name}'{_meant(error.possibilities)}", 2
    if isinstance(error, click.ClickException):
        return f"error: {error.format_message()}", 2
    if isinstance(error, click.Abort | KeyboardInterrupt):
        said = error.__cause__ or error  # click replaces Ctrl-C by an Abort
        return f"interrupted: {said}".removesuffix(": "), 130
    if isinstance(error, PrunusError):
        return f"error: {error}", error.exit_code
    subject = _subject(arguments)
    if isinstance(error, OSError):
        return f"error: {error.filename or subject}: {error.strerror or error}", 1
    kind = type(error).__name__
    if isinstance(error, SystemExit):
        where = traceback.extract_tb(error.__traceback__)[-1]
        return (
            f"error: {where.filename}, line {where.lineno}: called exit({error.code}) before there "
            "was a result; let it return or raise an error",
            PluginError.exit_code,
        )
    if isinstance(error, MemoryError):
        return (
            f"error: {subject}: not enough memory for this step; give fewer --samples, close other "
            "programs, or use a machine with more memory",
            PrunusError.exit_code,
        )
    if isinstance(error, ValueError) and names_nul(error):
        return (
            f"error: {subject}: it names a path with a NUL character in it; check the paths in it",
            ModelError.exit_code,
        )
    if is_damage(error):
        return (
            f"error: {subject}: it or a file it names is damaged or nested too deeply ({kind}: "
            f"{error}); use a sound copy",
            ModelError.exit_code,
        )
    fault = plugin_at_fault(error)
    if fault is not None:
        return f"error: {crash(*fault, error)}", PluginError.exit_code
    return f"error: internal: {kind}: {error}; see --verbose", 70


def _meant(options: Sequence[str] | None) -> str:
    """The nearest options, as the rest of a line; versions of click word it differently."""
    near = sorted(options or ())
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else "; see --help"


def _subject(arguments: Sequence[str]) -> str:
    """The file that the command line names first of all."""
    for option in _FILES:
        for position, argument in enumerate(arguments):
            name, equals, value = argument.partition("=")
            if name == option and (equals or position + 1 < len(arguments)):
                return value if equals else arguments[position + 1]
    return f"prunus {arguments[0]}" if arguments else "prunus"
