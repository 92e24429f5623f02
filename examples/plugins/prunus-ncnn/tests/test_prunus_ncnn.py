"""The conformance kit on ncnn networks, and what users see of the format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("prunus_ncnn", reason="pip install -e examples/plugins/prunus-ncnn first")

from prunus_ncnn.testing.random_weights import write_random_weights

import prunus
from prunus.plugin import Source, run
from prunus.testing import Unknown, format_checks
from prunus.testing.command_line import refused

PLAIN = """\
7767517
15 17
Input            data  0 1 data 0=8 1=8 2=3
Convolution      c1    1 1 data c1   0=16 1=3 4=1 5=1 6=432 9=1
Split            s1    1 2 c1 a b
ConvolutionDepthWise dw 1 1 a dw 0=16 1=3 4=1 5=0 6=144 7=16
BatchNorm        bn    1 1 dw bn 0=16 1=1e-3
Convolution      c2    1 1 bn c2 0=16 1=1 5=1 6=256
Eltwise          add   2 1 c2 b add 0=1
PReLU            act   1 1 add act 0=16
Pooling          pool  1 1 act pool 0=0 1=2 2=2
Slice            cut   1 2 pool p q -23300=2,4,-233
Concat           cat   2 1 q p cat
Deconvolution    up    1 1 cat up -23330=4,3,8,8,12 0=12 1=2 3=2 5=1 6=768
Pooling          mean  1 1 up mean 0=1 4=1
InnerProduct     ip    1 1 mean ip 0=10 1=1 2=120
Softmax          prob  1 1 ip prob
"""

ENDS = """\
7767517
8 10
Input            data  0 1 data 0=8 1=8 2=3
Split            s0    1 2 data d0 d1
Convolution      c1    1 1 d0 c1 0=8 1=3 4=1 5=1 6=216
Split            s1    1 2 c1 a b
PriorBox         prior 2 1 a d1 prior
Convolution      head  1 1 b head 0=6 1=1 5=1 6=48
Blur             blur  1 1 head soft
Yolov3DetectionOutput out 1 1 soft out
"""


def save(folder: Path, text: str = PLAIN, half: bool = False) -> Source:
    model = folder / ("half.param" if half else "net.param")
    model.write_text(text, encoding="utf-8")
    return Source(model, write_random_weights(model, half))


def fresh() -> Path:
    return Path(tempfile.mkdtemp(prefix="prunus-ncnn-"))


UNKNOWN = Unknown(save(fresh(), ENDS), ("blur",))
CHECKS = format_checks("ncnn", [save(fresh()), save(fresh(), half=True)], UNKNOWN)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check):
    check()


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return save(Path())


BASE = ("prune", "--model", "net.param", "--workspace", "ws", "--rate", "0.5")


def test_only_the_numbers_of_the_text_change(net):
    assert run([*BASE, "--best-effort", "--multiple", "4"]) == 0
    assert run(["transform", "--model", "net.param", "--workspace", "ws", "--output", "small"]) == 0
    lines = Path("small/net.param").read_text(encoding="utf-8").splitlines()
    changed = [line for line, old in zip(lines, PLAIN.splitlines(), strict=True) if line != old]
    assert len(changed) >= 6
    up = lines[13].split()
    assert up[5:9] == ["up", f"-23330=4,3,8,8,{up[7][2:]}", up[7], "1=2"]


def test_priors_look_at_sizes_alone(tmp_path):
    from prunus_ncnn.read import load

    network = load(save(tmp_path, ENDS))
    assert set(network.frozen) == {"head"}
    assert network.notes == (
        "layer 'blur' of the unknown type 'Blur' is left out of the computation, "
        "with all that follows it",
    )


def test_sizes_of_an_open_input(net):
    net.model.write_text(PLAIN.replace("data 0=8 1=8 2=3", "data"), encoding="utf-8")
    assert refused(*BASE) == (
        3,
        "error: net.param, line 3: layer 'data' of type 'Input': says no sizes; "
        "give them with --option input-shape=3x224x224 (channels, height, width)",
    )
    given = ("--option", "input-shape=3x8x8")
    assert run([*BASE, "--best-effort", *given]) == 0
    assert refused(*BASE, "--option", "input-shape=image:3x8x8") == (
        3,
        "error: input-shape=image:3x8x8: net.param has no input 'image'; it has data",
    )
    assert refused(*BASE, "--option", "input-shape=3,8,8") == (
        2,
        "error: input-shape=8: write sizes as 3x224x224",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("7767517", "7767518", ""),
        ("15 17", "16 17", ": has 15 layers, line 2 says 16; copy it again"),
        ("15 17", "15 7", ": has 17 blobs, line 2 says 7; copy it again"),
        ("1 1 data c1", "2 1 data c1", ", line 4: layer 'c1' of type 'Convolution': names fewer blobs than its 2 inputs and 1 outputs"),
        ("cut   1 2 pool", "cut   1 2 poll", ", line 12: layer 'cut' of type 'Slice': no layer above it gives the blob 'poll'"),
        ("ip    1 1 mean ip", "cut   1 1 mean ip", ", line 16: layer 'cut' of type 'InnerProduct': an earlier layer has this name; rename one of them"),
        ("0=1 4=1\n", "0=1 4=1 4=0\n", ", line 15: layer 'mean' of type 'Pooling': has two keys 4; remove one of them"),
        ("0=1 4=1\n", "0=1 4\n", ", line 15: layer 'mean' of type 'Pooling': '4' is no key=value"),
        ("0=1 4=1\n", "0=1 44=1\n", ", line 15: layer 'mean' of type 'Pooling': has the key 44; ncnn knows 0 to 31"),
        ("-23300=2,4,-233", "-23300=3,4,-233", ", line 12: layer 'cut' of type 'Slice': '-23300=3,4,-233' does not hold as many numbers as it says"),
        ("-23300=2,4,-233", "-23300=2,4,13", ", line 12: layer 'cut' of type 'Slice': key 0 is '4,13'; give sizes that add up to 16"),
        ("1=1e-3", "1=1e-3x", ", line 7: layer 'bn' of type 'BatchNorm': key 1 is '1e-3x'; give a number"),
        ("6=432", "6=433", ", line 4: layer 'c1' of type 'Convolution': key 6 is '433'; give the number of its weights, a multiple of 144"),
        ("6=432 9=1", "6=432 8=1 9=1", ", line 4: layer 'c1' of type 'Convolution': has int8 weights; prune the float network and quantise it afterwards"),
        ("0=10 1=1 2=120", "0=12 1=1 2=120", ", line 16: layer 'ip' of type 'InnerProduct': its weights are for 10 inputs, it takes 12"),
    ],
)  # fmt: skip
def test_damaged_structure(net, old, new, message):
    net.model.write_text(PLAIN.replace(old, new, 1), encoding="utf-8")
    if "0=12" in new:  # another number of weights
        write_random_weights(net.model)
    code, line = refused(*BASE)
    assert code == (3 if message else 2)
    assert line == f"error: net.param{message}" if message else "net.param" in line


def test_weights_of_another_network(net):
    whole = net.weights.read_bytes()
    net.weights.write_bytes(whole[:-8])
    assert refused(*BASE) == (
        3,
        "error: net.bin: ends within the bias of layer 'ip'; "
        "take the weights of this network, or copy them again",
    )
    net.weights.write_bytes(whole + bytes(4))
    assert refused(*BASE) == (
        3,
        f"error: net.bin: has {len(whole) + 4} bytes, the structure needs {len(whole)}; "
        "take the weights of this network",
    )


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        (0x000D4B38, "has int8 weights; prune the float network and quantise it afterwards"),
        (0x01348B83, "has bfloat16 weights; prune the float network and quantise it afterwards"),
        (0x00000101, None),
    ],
)
def test_quantised_weights(net, tag, said):
    content = net.weights.read_bytes()
    net.weights.write_bytes(tag.to_bytes(4, "little") + content[4:])
    start = "error: net.bin: "
    message = (
        f"layer 'c1' {said}"
        if said
        else "the weights of layer 'c1' begin with the unknown tag 0x00000101; "
        "take the float weights of this network"
    )
    assert refused(*BASE) == (3, start + message)


def test_what_is_proven_is_what_a_float16_file_holds(tmp_path):
    """Compensated weights have more digits; without rounding the written file differs."""
    samples = np.random.default_rng(0).normal(size=(32, 3, 8, 8)).astype(np.float32)
    network = prunus.load(save(tmp_path, half=True).model)
    plan = prunus.plan(network, rate=0.5, data=samples)
    smaller = prunus.compact(prunus.prune(network, plan, data=samples))
    written = smaller.save(tmp_path / "small")
    assert written.weights.stat().st_size < (tmp_path / "half.bin").stat().st_size / 1.5


def test_half_precision_stays_where_it_can(tmp_path):
    from prunus_ncnn.blobs import FLOAT16, FLOAT32
    from prunus_ncnn.read import load

    from prunus.plugin import Destination
    from prunus.testing import cut

    network = load(save(tmp_path, half=True))
    weight = network.origin.names[1, "weight"]
    large = network.weights()[weight].copy()
    large[0, 0, 0, 0] = 1e6
    made = cut(network.with_weights({weight: large}), 0.0)
    from prunus_ncnn.write import write

    written = write(made.masked, made.compact, Destination(tmp_path, "masked", "new"))
    again = load(Source(written.model, written.weights))
    assert np.array_equal(again.weights()[weight], large)
    assert set(again.origin.tags.values()) == {FLOAT16, FLOAT32[0]}
