"""Trainer ``darknet``: the real program where it is installed, else one that plays its part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np
import pytest
from PIL import Image

from prunus.cli import run
from prunus.errors import PluginError
from prunus.host import start
from prunus.settings import Settings
from prunus.steps.finetune import finetune
from prunus.steps.prune import prune
from prunus.training import Progress
from prunus.training.tuning import Tuning
from prunus_darknet.cfg import read_cfg
from prunus_darknet.testing.random_weights import write_random_weights
from prunus_darknet.training.program import Line, parse_line, running
from prunus_darknet.weights import open_weights

NET = (
    "[net]\nbatch=8\nsubdivisions=2\nwidth=16\nheight=16\nchannels=3\nmomentum=0.9\n"
    "learning_rate={rate}\nmax_batches=12\nmin_crop=16\nmax_crop=16\n"
)
CONV = "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
LAST = "[convolutional]\nfilters={}\nsize=1\nstride=1\nactivation=linear\n"
HEADS = {
    "classifier": LAST.format(2) + "[avgpool]\n[softmax]\n[cost]\n",
    "detector": LAST.format(14)
    + "[yolo]\nmask=0,1\nanchors=4,4, 6,6\nnum=2\nclasses=2\njitter=.1\n",
}
NAMES = ("red", "blue")

Make = Callable[..., None]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Images and a pruned network in a workspace ``ws`` of the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(kind: str, rate: float = 0.01, net: str = "", layers: str = CONV + CONV) -> None:
        _images(24)
        Path("tiny.cfg").write_text(NET.format(rate=rate) + net + layers + HEADS[kind])
        write_random_weights(read_cfg(Path("tiny.cfg")), Path("tiny.weights"), 0)
        arguments = ["prune", "--model", "tiny.cfg", "--weights", "tiny.weights", "--rate", "0.4"]
        assert run([*arguments, "--workspace", "ws"]) == 0

    return make


def _images(count: int) -> None:
    """Squares of two colours, found from the folder of the ``.data`` file only."""
    Path("set/images").mkdir(parents=True)
    Path("set/labels").mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        pixels = rng.integers(0, 60, (16, 16, 3)).astype(np.uint8)
        pixels[4:12, 5:11, 2 * (index % 2)] = 250
        name = f"{index}_{NAMES[index % 2]}"
        Image.fromarray(pixels).save(f"set/images/{name}.png")
        Path(f"set/labels/{name}.txt").write_text(f"{index % 2} .5 .5 .375 .5\n")
    names = [f"images/{index}_{NAMES[index % 2]}.png\n" for index in range(count)]
    Path("set/list").write_text("".join(names))
    Path("set/names").write_text("\n".join(NAMES))
    Path("set/x.data").write_text("classes=2\ntrain=list\nvalid=list\nnames=names\n")


def _tune(report: Callable[[Progress], None] = lambda _: None, **tuning: object) -> list[Progress]:
    """Finetune in ``ws``; gives what was reported."""
    lines: list[Progress] = []

    def both(progress: Progress) -> None:
        lines.append(progress)
        report(progress)

    settings = Settings(
        workspace=Path("ws"), trainer="darknet", data="set/x.data", train_data="set/x.data"
    )
    finetune(start(), settings, Tuning(**tuning), both)  # type: ignore[arg-type]
    return lines


def _error(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Finetune by the command line, which must fail with one line."""
    capsys.readouterr()
    arguments = ["finetune", "--workspace", "ws", "--trainer", "darknet"]
    assert run([*arguments, "--train-data", "set/x.data", *more]) != 0
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")][-1]


@pytest.mark.darknet
@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_the_real_program_trains_the_compact_network(
    kind: str, darknet: Path, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    make(kind)
    lines = _tune(iterations=20, batch_size=8)
    assert [line.iteration for line in lines] == list(range(1, 21))
    assert lines[-1].loss < lines[0].loss
    assert all(line.learning_rate == 0.01 for line in lines)
    (folder,) = Path("ws").glob("rate_*/snapshots/darknet")
    net = read_cfg(folder / "compact.cfg").net
    assert (net.integer("batch", 0), net.integer("subdivisions", 0)) == (16, 2)
    assert net.integer("max_batches", 0) == 20
    assert run(["transform", "--workspace", "ws", "--data", "set/x.data"]) == 0
    assert "proof: written files equal the masked network" in capsys.readouterr().out
    small = Path("ws/transformed/model-transform.weights").read_bytes()
    final = next((folder / "backup").glob(f"compact{'_final' * (kind == 'detector')}.weights"))
    assert small[20:] == final.read_bytes()[20:]


@pytest.mark.darknet
def test_a_training_goes_on_from_the_newest_backup_that_fits(darknet: Path, make: Make) -> None:
    make("classifier")
    _tune(iterations=4)
    assert _tune(iterations=4, resume=True) == []
    lines = _tune(iterations=7, resume=True)
    assert [line.iteration for line in lines] == [5, 6, 7]
    lines = _tune(iterations=5, resume=True)
    assert [line.iteration for line in lines] == [4, 5]


@pytest.mark.darknet
def test_a_cut_backup_is_no_backup(darknet: Path, make: Make) -> None:
    make("classifier")
    _tune(iterations=5)
    (folder,) = Path("ws").glob("rate_*/snapshots/darknet/backup")
    final = folder / "compact.weights"
    final.write_bytes(final.read_bytes()[:-4])
    assert open_weights(folder / "compact_1.weights").seen == 24
    assert [line.iteration for line in _tune(iterations=5, resume=True)] == [4, 5]


@pytest.mark.darknet
def test_another_recipe_is_not_resumed(
    darknet: Path, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    make("classifier")
    _tune(iterations=2)
    message = _error(capsys, "--resume", "--learning-rate", "0.5")
    assert message.endswith(
        "rate_0.4/snapshots/darknet: the backups belong to another network, recipe or data set; "
        "train without --resume"
    )


@pytest.mark.darknet
def test_a_diverging_training_ends_in_one_line(
    darknet: Path, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    make("detector")
    message = _error(capsys, "--learning-rate", "1e30")
    assert message.startswith("error: training diverged at iteration ")
    assert message.endswith("lower the learning rate (now 1e+30, --learning-rate)")


@pytest.mark.darknet
def test_the_pruned_cfg_is_where_hyper_parameters_are_edited(darknet: Path, make: Make) -> None:
    make("classifier")
    (pruned,) = Path("ws").glob("rate_*/tiny-prune.cfg")
    text = pruned.read_text().replace("learning_rate=0.01", "learning_rate=0.002")
    pruned.write_text(text.replace("max_batches=12", "policy=steps\nsteps=2\nscales=.5"))
    lines = _tune(iterations=4)
    assert [line.learning_rate for line in lines] == [0.002, 0.001, 0.001, 0.001]


PLAYED = """#!{python}
import sys, time
data, cfg, start = sys.argv[3:6]
{body}
"""


@pytest.fixture
def play(tmp_path: Path) -> Callable[[str], str]:
    """A program in Darknet's place; gives the option that names it."""

    def play(body: str) -> str:
        path = tmp_path / "player"
        path.write_text(PLAYED.format(python=sys.executable, body=body))
        path.chmod(0o755)
        return str(path)

    return play


def test_a_program_that_fails_is_quoted(make: Make, play: Callable[[str], str]) -> None:
    make("classifier")
    name = play("print('Couldn\\'t open file: nix.txt')")
    with pytest.raises(Exception, match="ended without") as caught:
        _tune(options={"darknet": name})
    assert str(caught.value) == (
        f"{name} ended without trained weights (exit code 0); it said last: "
        "Couldn't open file: nix.txt"
    )
    name = play("import os; os.abort()")
    with pytest.raises(Exception, match=r"\(signal SIGABRT\); it said last: nothing"):
        _tune(options={"darknet": name})


def test_a_system_without_pseudo_terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "openpty")
    with pytest.raises(PluginError) as refusal, running(["darknet"], tmp_path):
        pass
    assert str(refusal.value) == (
        "trainer darknet: this system has no pseudo-terminals, and in a pipe darknet holds its "
        "lines back; use --trainer torch"
    )


def test_windows_line_ends_stay_behind(make: Make, play: Callable[[str], str]) -> None:
    make("classifier", net="# Windows\r\n")
    body = "print('carriage returns:', open(cfg, newline='').read().count('\\r'))"
    with pytest.raises(Exception, match="it said last: carriage returns: 0"):
        _tune(options={"darknet": play(body)})


SLOW = (
    "with open('child', 'w') as f: f.write(str(__import__('os').getpid()))\n"
    "print('1: 2.0, 2.0 avg, 0.01 rate, 1.0 seconds, 8 images')\ntime.sleep(900)"
)
"""Outlives every time limit if nothing stops it.

Prints without flushing: only in a terminal does the line come at once.
"""


def test_what_stops_a_training_stops_the_program(make: Make, play: Callable[[str], str]) -> None:
    make("classifier")

    def stop(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _tune(stop, options={"darknet": play(SLOW)})
    assert not _alive(int(Path("set/child").read_text()))


def test_the_command_line_says_what_is_kept(
    make: Make,
    play: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make("classifier")
    monkeypatch.setattr("prunus_darknet.train.deferred", _pressed_at_once)
    capsys.readouterr()
    arguments = ["finetune", "--workspace", "ws", "--trainer", "darknet", "--darknet", play(SLOW)]
    assert run([*arguments, "--train-data", "set/x.data"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "interrupted: stopped before Darknet's first backup; nothing was saved"
    )


@contextmanager
def _pressed_at_once() -> Iterator[Callable[[], bool]]:
    yield lambda: True


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_program_does_not_outlive_prunus(
    end: signal.Signals, make: Make, play: Callable[[str], str]
) -> None:
    make("classifier")
    code = (
        # where the tests run under nohup, the program would inherit that it ignores hang-ups
        "from test_darknet_train import _tune; import signal, sys; "
        "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
        "print(_tune(lambda _: print('begun', flush=True), options={'darknet': sys.argv[1]}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, play(SLOW)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(end)
    _, said = process.communicate()
    if end is signal.SIGINT:
        assert said.strip().endswith("stopped before Darknet's first backup; nothing was saved")
    child = int(Path("set/child").read_text())
    while _alive(child):  # the test's time limit ends it
        time.sleep(0.1)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_refused_in_one_line(
    make: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make("classifier")
    assert _error(capsys, "--distill") == (
        "error: trainer darknet cannot distill, its program knows its own losses only: "
        "use --trainer torch"
    )
    monkeypatch.setenv("PATH", "")
    assert _error(capsys) == (
        "error: trainer darknet: program 'darknet' not found; install Darknet, name its program "
        "with --darknet, or use --trainer torch"
    )


def test_only_pjreddies_networks(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make("classifier", net="letter_box=1\n")
    assert _error(capsys).endswith(
        "tiny.cfg: trainer darknet drives pjreddie's program, this network is of another fork "
        "(alexeyab: letter_box= in line 12): use --trainer torch"
    )


@pytest.mark.parametrize(
    "layers",
    [
        LAST.format(2),
        "[connected]\noutput=12\nactivation=linear\n[detection]\nclasses=2\nside=1\nnum=2\n"
        "coords=4\nrescore=1\n",
    ],
)
def test_only_networks_with_a_loss_of_the_program(
    layers: str, make: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HEADS, "other", layers)
    make("other")
    assert _error(capsys).endswith(
        "tiny.cfg: trainer darknet trains networks that end in [yolo], [region] or [softmax]: "
        "use --trainer torch"
    )


def test_only_images_of_a_data_file(
    make: Make, play: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    make("classifier")
    np.savez("x.npz", x=np.zeros((8, 3, 16, 16), np.float32), y=np.zeros(8, np.int64))
    settings = Settings(workspace=Path("ws"), trainer="darknet", train_data="x.npz")
    tuning = Tuning(options={"darknet": play("")})
    with pytest.raises(Exception, match="images") as caught:
        finetune(start(), settings, tuning)
    assert str(caught.value) == (
        "trainer darknet reads images itself: give a Darknet .data file with --train-data"
    )


@pytest.mark.parametrize(
    ("folder", "ending"),
    [
        ("w s", "Darknet drops the blanks of paths in .data files; choose a --workspace without "
         "blanks"),
        ("w" * 230, "Darknet cannot hold backup paths of more than 232 bytes; choose a shorter "
         "--workspace"),
    ],
)  # fmt: skip
def test_paths_the_program_cannot_hold(
    folder: str, ending: str, make: Make, play: Callable[[str], str]
) -> None:
    make("classifier")
    Path("ws").rename(folder)
    settings = Settings(
        Path("tiny.cfg"), Path("tiny.weights"), rate=0.4, workspace=Path(folder), trainer="darknet"
    )
    host = start()
    prune(host, settings)
    with pytest.raises(Exception, match="Darknet") as caught:
        finetune(
            host,
            attrs.evolve(settings, train_data="set/x.data"),
            Tuning(options={"darknet": play("")}),
        )
    assert str(caught.value).endswith(f"snapshots/darknet/backup: {ending}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("12: 3.5, 4.25 avg, 0.001000 rate, 1.0 seconds, 64 images", Line(12, 3.5, 4.25, 0.001)),
        ("12, 0.125: 3.5, 4.25 avg, 0.001 rate, 1.0 seconds, 64 images", Line(12, 3.5, 4.25, 0.001)),
        (" 12: 3.5, 4.25 avg loss, 0.001 rate, 1.0 seconds", Line(12, 3.5, 4.25, 0.001)),
        ("Loaded: 0.028011 seconds", None),
        ("Region 15 Avg IOU: 0.25, Class: 0.6, Obj: 0.4, No Obj: 0.4, .5R: 0.0", None),
        ("1: x, 2 avg, 3 rate,", None),
    ],
)  # fmt: skip
def test_lines_of_the_program(text: str, line: Line | None) -> None:
    assert parse_line(text) == line
