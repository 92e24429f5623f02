"""Every layer computes what the real engine computes, whole and with half of the channels."""

from __future__ import annotations

import pytest

pytest.importorskip("prunus_ncnn", reason="pip install -e examples/plugins/prunus-ncnn first")
pytest.importorskip("ncnn", reason="pip install --no-deps ncnn first")

from prunus_ncnn.testing.compare import compare
from prunus_ncnn.testing.random_weights import write_random_weights

from prunus.plugin import Source

STEM = """\
Input        data  0 1 data 0=9 1=8 2=3
Convolution  c1    1 1 data c1 0=16 1=3 4=1 5=1 6=432 9=1
"""
END = "Convolution  last  1 1 x last 0=4 1=1 5=1 6={0}\n"

IMAGE = {
    # layer -> channels it gives of 16
    "Convolution l 1 1 c1 x 0=8 1=3 11=2 3=2 13=1 4=1 15=0 14=2 16=1 5=1 6=768": 8,
    "Convolution l 1 1 c1 x 0=8 1=3 2=2 12=1 4=-233 3=2 5=0 6=1152": 8,
    "Convolution l 1 1 c1 x 0=8 1=3 4=-234 3=2 5=0 6=1152": 8,
    "Convolution l 1 1 c1 x 0=8 1=3 4=1 18=0.5 6=1152 9=2 -23310=1,0.2": 8,
    "Convolution l 1 1 c1 x 0=8 1=1 6=128 9=3 -23310=2,-0.2,0.6": 8,
    "Convolution l 1 1 c1 x 0=8 1=1 6=128 9=4": 8,
    "Convolution l 1 1 c1 x 0=8 1=1 6=128 9=5": 8,
    "Convolution l 1 1 c1 x 0=8 1=1 6=128 9=6 10=0.16666667,0.5": 8,
    "ConvolutionDepthWise l 1 1 c1 x 0=16 1=3 4=1 5=1 6=144 7=16 9=1": 16,
    "ConvolutionDepthWise l 1 1 c1 x 0=16 1=3 4=1 5=1 6=576 7=4": 16,
    "Deconvolution l 1 1 c1 x 0=8 1=4 3=2 4=1 5=1 6=2048 9=2 -23310=1,0.1": 8,
    "Deconvolution l 1 1 c1 x 0=8 1=3 2=2 3=2 5=0 6=1152 18=1 19=0": 8,
    "Deconvolution l 1 1 c1 x 0=8 1=3 3=2 4=-233 6=1152 20=18 21=16": 8,
    "Deconvolution l 1 1 c1 x 0=8 1=3 3=2 4=-234 6=1152 20=18 21=16": 8,
    "DeconvolutionDepthWise l 1 1 c1 x 0=16 1=4 3=2 4=1 5=1 6=256 7=16": 16,
    "DeconvolutionDepthWise l 1 1 c1 x 0=8 1=4 3=2 4=1 5=1 6=512 7=4": 8,
    "BatchNorm l 1 1 c1 x 0=16 1=1e-3": 16,
    "Scale l 1 1 c1 x 0=16 1=1": 16,
    "Scale l 1 1 c1 x 0=16": 16,
    "Bias l 1 1 c1 x 0=16": 16,
    "PReLU l 1 1 c1 x 0=16": 16,
    "PReLU l 1 1 c1 x 0=1": 16,
    "ReLU l 1 1 c1 x 0=0.1": 16,
    "ReLU l 1 1 c1 x 0=2": 16,
    "ReLU l 1 1 c1 x": 16,
    "Clip l 1 1 c1 x 0=0.0 1=0.5": 16,
    "Clip l 1 1 c1 x 0=0.2": 16,
    "Sigmoid l 1 1 c1 x": 16,
    "TanH l 1 1 c1 x": 16,
    "HardSwish l 1 1 c1 x 0=0.2 1=0.5": 16,
    "HardSwish l 1 1 c1 x": 16,
    "HardSigmoid l 1 1 c1 x 0=0.16666667": 16,
    "Swish l 1 1 c1 x": 16,
    "Mish l 1 1 c1 x": 16,
    "GELU l 1 1 c1 x": 16,
    "GELU l 1 1 c1 x 0=1": 16,
    "ELU l 1 1 c1 x": 16,
    "SELU l 1 1 c1 x": 16,
    "BNLL l 1 1 c1 x": 16,
    "Softplus l 1 1 c1 x": 16,
    "AbsVal l 1 1 c1 x": 16,
    "Noop l 1 1 c1 x": 16,
    "Dropout l 1 1 c1 x": 16,
    "Dropout l 1 1 c1 x 0=0.5": 16,
    "Power l 1 1 c1 x 0=2.0 1=0.5 2=1.5": 16,
    "Exp l 1 1 c1 x 1=0.5 2=0.1": 16,
    "Exp l 1 1 c1 x 0=2.0": 16,
    "Log l 1 1 c1 x 2=2.0": 16,
    "Log l 1 1 c1 x 0=10.0 2=2.0": 16,
    "UnaryOp l 1 1 c1 x 0=1": 16,
    "UnaryOp l 1 1 c1 x 0=4": 16,
    "UnaryOp l 1 1 c1 x 0=16": 16,
    "BinaryOp l 1 1 c1 x 0=2 1=1 2=0.5": 16,
    "BinaryOp l 1 1 c1 x 0=7 1=1 2=0.5": 16,
    "BinaryOp l 1 1 c1 x 0=5 1=1 2=0.5": 16,
    "LRN l 1 1 c1 x 1=3 2=0.5": 16,
    "LRN l 1 1 c1 x 0=1 1=3 2=0.5": 16,
    "Normalize l 1 1 c1 x 2=1e-10 3=16 4=1": 16,
    "Normalize l 1 1 c1 x 1=1 2=1e-4 3=1 4=1 9=1": 16,
    "Normalize l 1 1 c1 x 0=1 2=1e-4 3=16 4=1 9=2": 16,
    "Normalize l 1 1 c1 x 0=1 2=1e-4 3=16 4=0": 16,
    "Pooling l 1 1 c1 x 0=0 1=3 2=2": 16,
    "Pooling l 1 1 c1 x 0=0 1=3 2=2 3=1 5=1": 16,
    "Pooling l 1 1 c1 x 0=0 1=2 2=2 5=2": 16,
    "Pooling l 1 1 c1 x 0=0 1=3 2=1 5=3": 16,
    "Pooling l 1 1 c1 x 0=0 1=2 2=4": 16,
    "Pooling l 1 1 c1 x 0=1 1=3 2=2": 16,
    "Pooling l 1 1 c1 x 0=1 1=3 11=2 2=2 12=1 3=1 5=1": 16,
    "Pooling l 1 1 c1 x 0=1 1=3 2=2 3=1 6=1": 16,
    "Pooling l 1 1 c1 x 0=1 1=3 2=2 5=2": 16,
    "Pooling l 1 1 c1 x 0=1 1=3 2=2 5=3": 16,
    "Pooling l 1 1 c1 x 0=1 7=1 8=3 18=4": 16,
    "Pooling l 1 1 c1 x 0=1 7=1 8=4 18=3": 16,
    "Pooling l 1 1 c1 x 0=0 7=1 8=2 18=-233": 16,
    "Interp l 1 1 c1 x 0=1 1=2.0 2=2.0": 16,
    "Interp l 1 1 c1 x 0=2 1=1.5 2=2.0": 16,
    "Interp l 1 1 c1 x 0=2 3=5 4=13": 16,
    "Interp l 1 1 c1 x 0=2 3=15 4=17 6=1": 16,
    "Interp l 1 1 c1 x 0=3 3=16 4=18": 16,
    "Padding l 1 1 c1 x 0=1 1=2 2=3 3=0 5=0.5": 16,
    "Padding l 1 1 c1 x 0=1 1=2 2=3 3=0 4=1": 16,
    "Padding l 1 1 c1 x 0=1 1=2 2=3 3=0 4=2": 16,
    "Crop l 1 1 c1 x 0=1 1=2 3=4 4=5 5=-233": 16,
    "Crop l 1 1 c1 x 0=1 1=2 2=3 3=-233 4=-233 5=-233 6=1 7=2 8=5": 8,
    "Crop l 1 1 c1 x 2=5 3=-233 4=-233 5=7": 7,
    "Crop l 1 1 c1 x -23309=2,4,1 -23310=2,-233,-2 -23311=2,0,2": 12,
    "Crop l 1 1 c1 x 9=-9,1 10=-2,6 11=0,1": 7,
    "ShuffleChannel l 1 1 c1 x 0=4": 16,
    "ShuffleChannel l 1 1 c1 x 0=4 1=1": 16,
    "Reorg l 1 1 p x 0=2": 64,
    "Reorg l 1 1 p x 0=2 1=1": 64,
    "PixelShuffle l 1 1 c1 x 0=2": 4,
    "PixelShuffle l 1 1 c1 x 0=2 1=1": 4,
    "Permute l 1 1 c1 x 0=3": 8,
    "Permute l 1 1 c1 x 0=5": 9,
    "Permute l 1 1 c1 x 0=1": 16,
    "Reshape l 1 1 c1 x 0=-1 1=4 2=0": 16,
    "Reshape l 1 1 c1 x 0=12 1=6 2=16": 16,
    "Softmax l 1 1 c1 x": 16,
    "Softmax l 1 1 c1 x 0=2 1=1": 16,
    "Reduction l 1 1 c1 x 0=3 1=0 -23303=1,1 4=1 5=1": 16,
}  # fmt: skip

FLAT = {
    # layer -> numbers it gives
    "Pooling l 1 1 c1 x 0=0 4=1": 16,
    "Pooling l 1 1 c1 x 0=1 4=1": 16,
    "Flatten l 1 1 c1 x": 1152,
    "Reshape l 1 1 c1 x 0=-1": 1152,
    "Reduction l 1 1 c1 x 0=3 1=0 3=1,2 5=1": 16,
    "InnerProduct l 1 1 c1 x 0=6 1=1 2=6912 9=1": 6,
}

LARGER = {
    "several inputs": """\
Split        s     1 5 c1 a b c d e
Convolution  c2    1 1 a f 0=16 1=1 5=1 6=256
Eltwise      add   3 1 b f c sum 0=1 -23301=3,0.5,1.0,2.0
Split        s2    1 2 sum g h
Eltwise      prod  2 1 g d prod 0=0
BinaryOp     sub   2 1 prod e sub 0=1
Eltwise      max   2 1 sub h x 0=2
Convolution  last  1 1 x last 0=4 1=1 5=1 6=64
""",
    "squeeze and excitation": """\
Split        s     1 3 c1 a b c
Pooling      pool  1 1 a p 0=1 4=1
InnerProduct i1    1 1 p i1 0=8 1=1 2=128 9=1
Convolution  i2    1 1 i1 i2 0=16 1=1 5=1 6=128
Sigmoid      gate  1 1 i2 g
Split        s2    1 2 g g1 g2
BinaryOp     mul   2 1 b g1 mul 0=2
Scale        sc    2 1 c g2 sc 0=-233
Concat       cat   2 1 mul sc x 0=0
Convolution  last  1 1 x last 0=4 1=1 5=1 6=128
""",
    "slices": """\
Convolution  c2    1 1 c1 c2 0=24 1=1 5=1 6=384 9=1
Slice        cut   1 3 c2 a b c -23300=3,4,12,-233
Convolution  c3    1 1 b d 0=8 1=3 4=1 5=1 6=864
Slice        half  1 2 d e f 0=-233,-233
Concat       cat   4 1 a e c f x
Convolution  last  1 1 x last 0=4 1=1 5=1 6=80
""",
    "crop like another, then side by side": """\
Split        s     1 2 c1 a b
Convolution  c2    1 1 a c2 0=16 1=3 5=1 6=2304 9=1
Split        s2    1 2 c2 c d
Crop         crop  2 1 b c crop 0=1 1=1
Concat       cat   2 1 crop d x
Convolution  last  1 1 x last 0=4 1=1 5=1 6=128
""",
    "as large as another": """\
Split        s     1 2 c1 a b
Convolution  c2    1 1 a c2 0=8 1=3 3=2 5=1 6=1152 9=1
Interp       up    2 1 c2 b up 0=2 5=1
Convolution  last  1 1 up last 0=4 1=1 5=1 6=32
""",
    "sizes of blobs beside the numbers": """\
Convolution  c2    1 1 c1 c2 -23330=4,3,9,8,24 0=24 1=1 5=1 6=384 9=1
Slice        cut   1 2 c2 a b -23330=8,3,9,8,8,3,9,8,16 -23300=2,8,-233
Pooling      pool  1 1 b p -23330=4,1,16,1,1 0=1 4=1
InnerProduct ip    1 1 p ip -23330=4,1,5,1,1 0=5 1=1 2=80
Convolution  last  1 1 a last -23330=4,3,9,8,4 0=4 1=1 5=1 6=32
""",
    "numbers of the file itself": """\
MemoryData   m     0 1 m 0=1 1=1 2=16
BinaryOp     mul   2 1 c1 m mul 0=2
MemoryData   n     0 1 n 0=9
BinaryOp     sub   2 1 mul n x 0=1
Convolution  last  1 1 x last 0=4 1=1 5=1 6=64
""",
    "a row a pixel": """\
Permute      perm  1 1 c1 perm 0=3
Reshape      rows  1 1 perm x 0=16 1=-1
Softmax      soft  1 1 x soft 0=1 1=1
""",
}


def network(body):
    layers = [line for line in f"{STEM}{body}".splitlines() if line]
    blobs = sum(int(line.split()[3]) for line in layers)
    return "\n".join(["7767517", f"{len(layers)} {blobs}", *layers, ""])


def check(tmp_path, body, half=False):
    path = tmp_path / "net.param"
    path.write_text(network(body), encoding="utf-8")
    write_random_weights(path, half)
    found = compare(Source(path), tmp_path / "pruned", count=2)
    assert found.whole < 1e-5, found
    if "LRN" not in body and "Normalize" not in body:
        assert found.pruned < 1e-5, found
    return found


@pytest.mark.parametrize("layer", IMAGE)
def test_layer_of_images(layer, tmp_path):
    before = "Pooling p 1 1 c1 p 0=0 1=2 2=2 5=1\n" if " p x " in layer else ""
    check(tmp_path, f"{before}{layer}\n{END.format(4 * IMAGE[layer])}")


@pytest.mark.parametrize("layer", FLAT)
def test_layer_that_gives_a_flat_blob(layer, tmp_path):
    check(tmp_path, f"{layer}\nInnerProduct last 1 1 x last 0=3 1=1 2={3 * FLAT[layer]}\n")


@pytest.mark.parametrize("name", LARGER)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_several_layers(name, half, tmp_path):
    found = check(tmp_path, LARGER[name], half)
    assert name == "a row a pixel" or found.removed > 0.2
