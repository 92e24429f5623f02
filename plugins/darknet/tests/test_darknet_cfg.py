from __future__ import annotations

from pathlib import Path

import pytest

from prunus.errors import ModelError
from prunus.network import Source
from prunus_darknet.cfg import parse_cfg, read_cfg
from prunus_darknet.read import load

PATH = Path("a.cfg")
TEXT = (
    "# head\r\n[net]\r\nwidth = 8\r\n; other comment\n\n[convolutional]\n"
    "  filters =\t 64  \nsteps=100, 200,300 # late\nscales=.1,1e-2\nfilters=3\n[cost]\n"
)


def test_positions_lines_and_first_of_equal_keys():
    cfg = parse_cfg(TEXT, PATH)
    section = cfg.layers[0]
    entry = section.find("filters")
    assert [section.type for section in cfg.sections] == ["net", "convolutional", "cost"]
    assert (entry.value, entry.line, cfg.text[entry.start : entry.end]) == ("64", 7, "64")
    assert section.integers("steps") == (100, 200, 300)
    assert section.reals("scales") == (0.1, 0.01)
    assert section.integer("missing", 5) == 5
    assert cfg.net.integer("width", 0) == 8


def test_edit_changes_the_number_and_nothing_else():
    cfg = parse_cfg(TEXT, PATH)
    assert cfg.edited({}) == TEXT
    assert cfg.edited({(0, "filters"): 7}) == TEXT.replace("\t 64  ", "\t 7  ")


def test_bytes_that_are_no_text_survive(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_bytes(b"[net]\nwidth=1\n# \xff\xe4\xbd\xa0\x00\r\n[cost]\n")
    assert read_cfg(path).edited({}).encode("latin-1") == path.read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.cfg:1: a Darknet cfg starts with [net] or [network]"),
        ("\n[convolutional]\n", "a.cfg:2: a Darknet cfg starts with [net] or [network]"),
        ("width=3\n", "a.cfg:1: expected [net] before the first key=value line"),
        ("[net]\nwidth\n", "a.cfg:2: expected key=value, [section] or a comment: 'width'"),
        ("[net]\n=3\n", "a.cfg:2: expected key=value, [section] or a comment: '=3'"),
    ],
)
def test_broken_text(text, message):
    with pytest.raises(ModelError) as caught:
        parse_cfg(text, PATH)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "read", "expected"),
    [
        ("many", "integer", "a whole number"),
        ("99999999999", "integer", "a whole number"),
        ("", "real", "a number"),
        ("1e999", "real", "a number"),
    ],
)
def test_values_that_are_no_numbers(value, read, expected):
    section = parse_cfg(f"[net]\nkey={value}\n", PATH).net
    with pytest.raises(ModelError) as caught:
        getattr(section, read)("key", 0)
    assert str(caught.value) == f"a.cfg:2: key={value} in [net]: expected {expected}"


def test_missing_file(tmp_path):
    with pytest.raises(ModelError) as caught:
        read_cfg(tmp_path / "no.cfg")
    expected = f"{tmp_path}/no.cfg: cannot read the cfg file (No such file or directory)"
    assert str(caught.value) == expected


def test_windows_line_ends_are_noted(make_files):
    model, weights = make_files("[convolutional]\nfilters=2\n")
    model.write_bytes(model.read_bytes().replace(b"\n", b"\r\n"))
    assert load(Source(model, weights)).notes == (
        "net.cfg has Windows line ends: pjreddie's Darknet itself cannot read it",
    )
