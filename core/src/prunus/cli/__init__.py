"""The command line: a lazy click group, one module a command."""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from difflib import get_close_matches

import click

from prunus import __version__
from prunus.cli import plugin_commands
from prunus.cli.failures import told
from prunus.cli.special_files import refuse_pipes
from prunus.cli.terminal import accept_any_text, printable, say

COMMANDS = {
    "ana": "measure how much each group of channels matters",
    "prune": "choose channels for a rate or a threshold and mask them",
    "finetune": "recover accuracy with the masks held",
    "transform": "remove the masked channels for real, proven equal",
    "run": "prune and finetune with a growing rate, then transform",
    "eval": "measure a network on its samples",
    "stat": "count a network, list its groups and what is protected",
    "export": "write any loaded network as ONNX",
    "plugins": "list installed plugins",
    "methods": "list formats, criteria, allocations, analyses, metrics and trainers",
}

_MODULES = {"eval": "evaluate", "run": "rounds"}
"""Modules that cannot have their command's name: Python's own, and a function's of this package."""


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which command may have been meant."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            near = get_close_matches(name, self.list_commands(ctx), 1)
            hint = f"; did you mean '{near[0]}'?" if near else "; see 'prunus --help'"
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


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="prunus")
def cli() -> None:
    """Make trained networks smaller, in their own framework's files."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors become one line and an exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        sys.exit(run(given))
    except Exception as error:  # noqa: BLE001  --verbose asked for the traceback
        for line in traceback.format_exc().splitlines():
            click.echo(printable(line), err=True)
        sys.exit(told(error, given)[1])


def run(arguments: list[str]) -> int:
    """Run a command line and give its exit code (see docs/reference/exit-codes.md)."""
    verbose = "--verbose" in arguments
    accept_any_text()
    refuse_pipes()
    if not verbose:  # it logs every shape it cannot infer with a traceback
        logging.getLogger("onnx_ir").setLevel(logging.ERROR)
    try:
        result = cli.main(args=arguments, prog_name="prunus", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        if verbose and not isinstance(error, click.ClickException | click.Abort):
            if isinstance(error, Exception):
                raise
            traceback.print_exc()
        line, code = told(error, arguments)
        say(line, err=True)
        return code
    return result if isinstance(result, int) else 0
