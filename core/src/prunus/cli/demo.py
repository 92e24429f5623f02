"""``prunus demo``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import click

from prunus.cli.terminal import say
from prunus.descriptors import Trainer
from prunus.errors import UsageError
from prunus.host import Host, start
from prunus.storage.files import make_directory

FILES = ("digits.onnx", "train.npz", "test.npz")
RATE = "60%"


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("prunus-demo"),
    help="new directory to work in [prunus-demo]",
)
@click.option("--verbose", is_flag=True, help="show tracebacks")
def command(output: Path, verbose: bool) -> int:
    """Prune a small packaged network of handwritten digits, as you would prune your own.

    Every command is printed before it runs; type them again with your own files.
    """
    from prunus.cli import run

    copy_files(output)
    for words in steps(start(), output):
        say(f"$ prunus {shlex.join(words)}")
        code = run(words)
        if code:
            return code
    say(f"The smaller network is {output / 'smaller' / FILES[0]}; now take your own.")
    return 0


def copy_files(directory: Path) -> None:
    """The packaged network and samples, into a new directory.

    Raises:
        UsageError: the directory holds something.
    """
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"--output {directory}: holds files already; name a new directory")
    make_directory(directory)
    for name in FILES:
        packaged = resources.files(__package__) / "demo_files" / name
        (directory / name).write_bytes(packaged.read_bytes())


def steps(host: Host, directory: Path) -> Iterator[list[str]]:
    """Words of every command; training needs a trainer."""
    network, train, test = (str(directory / name) for name in FILES)
    workspace = ["--workspace", str(directory / "ws")]
    samples = ["--data", test, "--train-data", train]
    yield ["prune", "--model", network, *samples, "--rate", RATE, *workspace]
    if any(not trainer.formats or "onnx" in trainer.formats for trainer in host.all(Trainer)):
        yield ["finetune", *workspace, "--epochs", "5"]
    yield ["transform", *workspace, "--output", str(directory / "smaller")]
    yield ["report", *workspace]
