"""Broken data files end in one line, never in a traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings, strategies as st

from prunus.errors import PrunusError
from prunus_darknet.config import read_config
from prunus_darknet.datasets.data_file import read_data_file, read_list, read_names
from prunus_darknet.datasets.truth import read_boxes

LONG = "9" * 5000
KEYS = "classes train [pruning] workspace=w modelcfg=m threshold= kernel_batch= ignore_layer= prunedcfg=/"
WORDS = st.sampled_from(
    [*KEYS.split(), "=", "\n", " ", "#", "1", "-1", "0.5", "nan", "1e999", LONG, "²", ",", "\r"]
)
TEXTS = st.lists(WORDS | st.text(max_size=4), max_size=30).map("".join)
CONFIG = "[pruning]\nworkspace=w\nmodelcfg=m\n"


def one_line(function: Callable[[], Any]) -> None:
    said = ""
    try:
        function()
    except PrunusError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 400


def on_file(data: bytes, function: Callable[[Path], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.data")
        path.write_bytes(data)
        one_line(lambda: function(path))


def whole(path: Path) -> None:
    found = read_data_file(path)
    for ask in (lambda: found.file("train"), lambda: found.classes, lambda: found.top):
        one_line(ask)


@settings(max_examples=150, deadline=None)
@given(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60))
@example(b"classes=" + b"9" * 5000)
@example(b"train=" + b"x" * 5000)
def test_data_files(data: bytes) -> None:
    for function in (whole, read_list, read_names):
        on_file(data, function)


@settings(max_examples=150, deadline=None)
@given(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60))
@example(b"9" * 5000 + b" 1 1 1 1")
@example(b"0 1e999 1 1 1")
def test_label_files(data: bytes) -> None:
    on_file(data, lambda path: read_boxes(path, 3, "x.data"))


@settings(max_examples=150, deadline=None)
@given(TEXTS.map(lambda text: (CONFIG + text).encode("utf-8", "surrogatepass")))
@example(b"[pruning]\nworkspace=w\nmodelcfg=m\nkernel_batch=" + b"9" * 5000)
@example(b"[pruning]\nworkspace=w\nmodelcfg=m\nignore_layer=" + b"9" * 5000)
def test_pruning_cfgs(data: bytes) -> None:
    on_file(data, read_config)
