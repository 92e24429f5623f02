from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prunus.errors import DataError
from prunus.evaluation.sample_transform import Transform, parse_spec, per_channel
from prunus.testing.nets.builder import Builder


def test_a_path_alone_changes_nothing():
    assert parse_spec("some/test.npz") == (Path("some/test.npz"), Transform())


def test_paths_hold_colons_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("c:d.npz", "a:scale=2"):
        Path(name).write_bytes(b"")
        assert parse_spec(name) == (Path(name), Transform())
        assert parse_spec(f"{name}:scale=3") == (Path(name), Transform(scale=(3.0,)))
    assert parse_spec(r"C:\x\d.npz") == (Path(r"C:\x\d.npz"), Transform())
    assert parse_spec(r"C:\x\d.npz:mean=1") == (Path(r"C:\x\d.npz"), Transform((1.0,)))
    assert parse_spec("gone:e.npz")[0] == Path("gone:e.npz")
    assert parse_spec("d.npz:rgb")[0] == Path("d.npz:rgb")
    assert not Transform(layout="nhwc").says_values
    assert Transform(channels="rgb").says_values


def test_all_settings():
    assert parse_spec("t.npz:mean=1/2/3,scale=0.5,channels=bgr,layout=nhwc") == (
        Path("t.npz"),
        Transform((1.0, 2.0, 3.0), (0.5,), "bgr", "nhwc"),
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("t.npz:size=3", "t.npz:size=3: unknown data setting 'size'; use mean, scale, channels or layout"),
        ("t.npz:mean=a", "t.npz:mean=a: mean and scale are numbers, one or one a channel, separated by ','"),
        ("t.npz:mean=1,,2", "t.npz:mean=1,,2: mean and scale are numbers, one or one a channel, separated by ','"),
        ("t.npz:mean=1,bgr", "t.npz:mean=1,bgr: unknown data setting 'bgr'; use mean, scale, channels or layout"),
        ("t.npz:scale=nan", "t.npz:scale=nan: mean and scale are numbers, one or one a channel, separated by ','"),
        ("t.npz:scale=1e99", "t.npz:scale=1e99: mean and scale are numbers, one or one a channel, separated by ','"),
        ("t.npz:channels=BGR", "t.npz:channels=BGR: channels is rgb or bgr, not 'BGR'"),
        ("t.npz:layout=hwc", "t.npz:layout=hwc: layout is nchw or nhwc, not 'hwc'"),
    ],
)  # fmt: skip
def test_bad_settings(spec, message):
    with pytest.raises(DataError) as caught:
        parse_spec(spec)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["1,2,3", "1/2/3"])
def test_numbers_of_channels_are_separated_by_commas_or_slashes(text):
    wanted = Transform((1.0, 2.0, 3.0), (0.5, 0.25, -1.0), "rgb")
    assert parse_spec(f"t.npz:mean={text},scale=0.5,0.25,-1,channels=rgb")[1] == wanted
    assert parse_spec(f"t.npz:channels=rgb,scale=0.5/0.25/-1,mean={text}")[1] == wanted


def test_numbers_of_channels_broadcast():
    value = Builder(0).input(3, 8)
    assert per_channel((2.0,), value).shape == (1,)
    assert np.array_equal(per_channel((1.0, 2.0, 3.0), value)[:, 0, 0], [1, 2, 3])
    assert per_channel((1.0, 2.0, 3.0), value).shape == (3, 1, 1)
    assert per_channel(tuple(range(8)), value).shape == (8,)  # channels last
    with pytest.raises(DataError) as caught:
        per_channel((1.0, 2.0), value)
    assert str(caught.value) == (
        "mean or scale has 2 values, input 'data' of shape (3, 8, 8) has 3 channels; give one, or "
        "one a channel separated by ','"
    )
