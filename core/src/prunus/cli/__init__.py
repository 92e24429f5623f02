"""The command line: a lazy click group, one module a command."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from typing import Any

import click

from prunus import __version__
from prunus.cli import plugin_commands
from prunus.cli.failures import told
from prunus.cli.special_files import refuse_pipes
from prunus.cli.terminal import accept_any_text, drop_unread, reader_left, say
from prunus.cli.welcome import TEXT
from prunus.near import meant
from prunus.printable import printable
from prunus.third_party import crash, is_reader_defect

COMMANDS = {
    "ana": "measure how much each group of channels matters",
    "prune": "choose channels for a rate or a threshold and mask them",
    "finetune": "recover accuracy with the masks held",
    "transform": "remove the masked channels for real, proven equal",
    "compress": "share and code the weights, write one small file",
    "decompress": "give the native files of such a file back",
    "report": "show what a workspace holds, in one HTML file",
    "run": "prune and finetune with a growing rate, then transform",
    "eval": "measure a network on its samples",
    "stat": "count a network, list its groups and what is protected",
    "export": "write any loaded network as ONNX, or for an engine",
    "bench": "time networks side by side in several engines",
    "explain": "say why a layer is protected or tied, and what would free it",
    "demo": "prune a small packaged network, from the first step to the last",
    "doctor": "tell what is installed, what works and what is missing",
    "plugins": "list installed plugins",
    "methods": "list formats, criteria, allocations, analyses, metrics, trainers and engines",
}

_MODULES = {"eval": "evaluate", "run": "rounds"}
"""Modules that cannot have their command's name: Python's own, and a function's of this package."""


UNREAD = 141
"""Exit code when the reader of the output closed the pipe: 128 and the number of SIGPIPE."""

COMPLETION = "_PRUNUS_COMPLETE"
"""Environment variable by which a shell asks for completions; click answers and ends."""

COMMAND = "prunus.command"
"""Key of the words of the command line in click's context."""


class _BrokenPipe(Exception):  # noqa: N818  it is told as its cause
    """Carries a `BrokenPipeError` through click, which would exit without a word."""

    def __init__(self, error: BrokenPipeError) -> None:
        super().__init__(str(error))
        self.error = error


class LazyGroup(click.Group):
    """Imports a command when it is used, and suggests near names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Own commands in workflow order, then those of plugins."""
        return [*COMMANDS, *sorted(plugin_commands.offered().keys() - COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        points = plugin_commands.offered().get(cmd_name, [])
        if cmd_name in COMMANDS:
            said = plugin_commands.clash(cmd_name, points, core=True)
            if said is not None:
                say(f"note: {said}", err=True)
            module = importlib.import_module(f"prunus.cli.{_MODULES.get(cmd_name, cmd_name)}")
            command: click.Command = module.command
            return command
        return plugin_commands.load(cmd_name, points) if points else None

    def make_context(
        self, info_name: str | None, args: list[str], *rest: Any, **more: Any
    ) -> click.Context:
        """Read the arguments; ``--help`` prints here."""
        words = (info_name or "", *args)  # click takes them out of the list
        try:
            context = super().make_context(info_name, args, *rest, **more)
        except BrokenPipeError as error:
            raise _BrokenPipe(error) from error
        context.meta[COMMAND] = words
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a defect of a plugin's command is told as its own."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _BrokenPipe(error) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            name = ctx.invoked_subcommand or ""
            points = [] if name in COMMANDS else plugin_commands.offered().get(name, [])
            if not points or not is_reader_defect(error):
                raise
            raise crash(plugin_commands.owner(name, points), f"prunus {name}", error) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which command may have been meant."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            hint = meant(name, self.list_commands(ctx)) or "; see 'prunus --help'"
            raise click.UsageError(f"no command '{name}'{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands without importing them."""
        rows = [
            *COMMANDS.items(),
            *(
                (name, plugin_commands.summary(points))
                for name, points in sorted(plugin_commands.offered().items())
                if name not in COMMANDS
            ),
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="prunus")
@click.pass_context
def cli(context: click.Context) -> None:
    """Make trained networks smaller, in their own framework's files."""
    if context.invoked_subcommand is None:
        click.echo(TEXT)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors become one line and an exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = run(given)
        if code == UNREAD:
            drop_unread()
        sys.exit(code)
    except Exception as error:  # noqa: BLE001  --verbose asked for the traceback
        for line in traceback.format_exc().splitlines():
            click.echo(printable(line), err=True)
        sys.exit(told(error, given)[1])


def run(arguments: list[str]) -> int:
    """Run a command line and give its exit code (see docs/reference/exit-codes.md)."""
    try:
        return _run(arguments)
    except BrokenPipeError as error:
        if not reader_left(error):
            raise
        return UNREAD


def _run(arguments: list[str]) -> int:
    verbose = "--verbose" in arguments
    accept_any_text()
    refuse_pipes()
    if not verbose:  # it logs every shape it cannot infer with a traceback
        logging.getLogger("onnx_ir").setLevel(logging.ERROR)
    try:
        result = _called(arguments)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and COMPLETION in os.environ:
            return int(error.code or 0)
        if reader_left(error):
            raise
        if verbose and not isinstance(error, click.ClickException | click.Abort):
            if isinstance(error, Exception):
                raise
            traceback.print_exc()
        line, code = told(error, arguments)
        say(line, err=True)
        return code
    return result if isinstance(result, int) else 0


def _called(arguments: list[str]) -> Any:
    try:
        return cli.main(args=arguments, prog_name="prunus", standalone_mode=False)
    except _BrokenPipe as carried:
        raise carried.error from None
