"""Every layer type with odd parameters: the neutral graph against real Caffe, number by number."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus.network import Compact, Destination, Network, Source
from prunus_caffe.plain import plain_text
from prunus_caffe.read import load
from prunus_caffe.testing import CaffeJob, relative_error, run_caffe
from prunus_caffe.write import write

pytestmark = pytest.mark.caffe
IMAGE = (2, 6, 9, 7)


@attrs.frozen
class Case:
    text: str
    dims: tuple[int, ...] = IMAGE
    positive: bool = False
    second: tuple[int, ...] | None = None


def one(kind: str, param: str = "", **settings: object) -> Case:
    return Case(f'layer {{ name: "a" type: "{kind}" bottom: "x" top: "y" {param} }}', **settings)


def two(kind: str, param: str, second: tuple[int, ...] = IMAGE, **settings: object) -> Case:
    text = f'layer {{ name: "a" type: "{kind}" bottom: "x" bottom: "z" top: "y" {param} }}'
    return Case(text, second=second, **settings)


def conv(param: str, kind: str = "Convolution", **settings: object) -> Case:
    return one(kind, f"convolution_param {{ {param} }}", **settings)


def pool(param: str, **settings: object) -> Case:
    return one("Pooling", f"pooling_param {{ {param} }}", **settings)


def fc(param: str, **settings: object) -> Case:
    return one("InnerProduct", f"inner_product_param {{ {param} }}", **settings)


CASES = {
    "conv": conv("num_output: 5 kernel_size: 3"),
    "conv-stride-pad": conv("num_output: 5 kernel_size: 3 stride: 2 pad: 1"),
    "conv-rectangle": conv(
        "num_output: 4 kernel_h: 1 kernel_w: 5 pad_h: 0 pad_w: 2 stride_h: 2 stride_w: 1"
    ),
    "conv-lists": conv("num_output: 4 kernel_size: [3, 2] pad: 1 pad: 0 stride: 1 stride: 2"),
    "conv-dilation": conv("num_output: 4 kernel_size: 3 pad: 2 dilation: 2"),
    "conv-group": conv("num_output: 4 kernel_size: 3 group: 2"),
    "conv-depthwise": conv("num_output: 6 kernel_size: 3 group: 6 bias_term: false"),
    "conv-depth-multiplier": conv("num_output: 12 kernel_size: 3 group: 6"),
    "conv-no-bias": conv("num_output: 5 kernel_size: 1 bias_term: false"),
    "conv-negative-axis": conv("num_output: 5 kernel_size: 1 axis: -3"),
    "conv-3d": conv("num_output: 4 kernel_size: 3 pad: 1", dims=(2, 3, 5, 6, 4)),
    "conv-1d": conv("num_output: 4 kernel_size: 3", dims=(2, 3, 9)),
    "conv-two-bottoms": Case(
        'layer { name: "a" type: "Convolution" bottom: "x" bottom: "z" top: "y" top: "w"'
        " convolution_param { num_output: 4 kernel_size: 3 } }",
        second=IMAGE,
    ),
    "deconv": conv("num_output: 5 kernel_size: 4 stride: 2 pad: 1", "Deconvolution"),
    "deconv-group": conv(
        "num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 6 bias_term: false", "Deconvolution"
    ),
    "deconv-group-2": conv("num_output: 4 kernel_size: 3 group: 2", "Deconvolution"),
    "deconv-dilation": conv("num_output: 3 kernel_size: 3 dilation: 2 pad: 1", "Deconvolution"),
    "fc-flattens": fc("num_output: 5"),
    "fc-no-bias": fc("num_output: 5 bias_term: false", dims=(2, 8)),
    "fc-transpose": fc("num_output: 5 transpose: true"),
    "fc-axis": fc("num_output: 5 axis: 2"),
    "fc-axis-last": fc("num_output: 5 axis: -1 bias_term: false"),
    "fc-axis-transpose": fc("num_output: 5 axis: 3 transpose: true"),
    "pool-max": pool("pool: MAX kernel_size: 2 stride: 2"),
    "pool-max-ceil-pad": pool("pool: MAX kernel_size: 3 stride: 2 pad: 1"),
    "pool-max-ceil": pool("pool: MAX kernel_size: 3 stride: 2", dims=(2, 3, 8, 10)),
    "pool-max-clipped": pool("pool: MAX kernel_size: 2 stride: 2 pad: 1", dims=(2, 3, 7, 8)),
    "pool-max-long-stride": pool("pool: MAX kernel_size: 2 stride: 3", dims=(2, 3, 8, 11)),
    "pool-max-rectangle": pool("pool: MAX kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 3"),
    "pool-max-pad-one-side": pool("kernel_size: 3 stride: 2 pad_h: 1 pad_w: 0", dims=(2, 3, 8, 8)),
    "pool-max-floor": pool(
        "pool: MAX kernel_size: 3 stride: 2 round_mode: FLOOR", dims=(2, 3, 8, 10)
    ),
    "pool-ave": pool("pool: AVE kernel_size: 3 stride: 2"),
    "pool-ave-pad": pool("pool: AVE kernel_size: 3 stride: 1 pad: 1"),
    "pool-ave-ceil": pool("pool: AVE kernel_size: 3 stride: 2", dims=(2, 3, 8, 10)),
    "pool-ave-ceil-pad": pool("pool: AVE kernel_size: 3 stride: 2 pad: 1", dims=(2, 3, 8, 10)),
    "pool-ave-ceil-pad-4": pool("pool: AVE kernel_size: 4 stride: 3 pad: 1", dims=(2, 3, 9, 10)),
    "pool-ave-floor-pad": pool(
        "pool: AVE kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR", dims=(2, 3, 8, 10)
    ),
    "pool-global-ave": pool("pool: AVE global_pooling: true"),
    "pool-global-max": pool("pool: MAX global_pooling: true"),
    "relu": one("ReLU"),
    "relu-slope": one("ReLU", "relu_param { negative_slope: 0.1 }"),
    "prelu": one("PReLU"),
    "prelu-shared": one("PReLU", "prelu_param { channel_shared: true }"),
    "prelu-vector": one("PReLU", dims=(2, 5)),
    "elu": one("ELU", "elu_param { alpha: 0.7 }"),
    "sigmoid": one("Sigmoid"),
    "tanh": one("TanH"),
    "absval": one("AbsVal"),
    "bnll": one("BNLL"),
    "swish": one("Swish", "swish_param { beta: 1.5 }"),
    "power": one("Power", "power_param { power: 2 scale: 0.5 shift: 1 }"),
    "power-nothing": Case(
        'layer { name: "a" type: "Power" bottom: "x" top: "p" }\n'
        'layer { name: "b" type: "TanH" bottom: "p" top: "y" }'
    ),
    "power-root": one("Power", "power_param { power: 0.5 scale: 2 shift: 3 }", positive=True),
    "power-zero": one("Power", "power_param { power: 0 }"),
    "exp": one("Exp"),
    "exp-base": one("Exp", "exp_param { base: 2 scale: 0.5 shift: -1 }"),
    "log": one("Log", "log_param { scale: 2 shift: 0.5 }", positive=True),
    "log-base": one("Log", "log_param { base: 10 shift: 1 }", positive=True),
    "lrn": one("LRN", "lrn_param { local_size: 5 alpha: 0.5 beta: 0.75 }"),
    "lrn-k": one("LRN", "lrn_param { local_size: 3 alpha: 0.1 beta: 0.6 k: 2 }"),
    "lrn-within": one(
        "LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 norm_region: WITHIN_CHANNEL }"
    ),
    "batch-norm": one("BatchNorm", "batch_norm_param { eps: 0.01 }"),
    "batch-norm-vector": one("BatchNorm", dims=(2, 5)),
    "scale": one("Scale"),
    "scale-bias": one("Scale", "scale_param { bias_term: true }"),
    "scale-axis": one("Scale", "scale_param { axis: 2 bias_term: true }"),
    "scale-axes": one("Scale", "scale_param { axis: 1 num_axes: 2 }"),
    "scale-rest": one("Scale", "scale_param { axis: 1 num_axes: -1 bias_term: true }"),
    "scale-number": one("Scale", "scale_param { num_axes: 0 bias_term: true }"),
    "scale-second": two("Scale", "scale_param { axis: 0 }", (2, 6)),
    "scale-second-bias": two("Scale", "scale_param { axis: 0 bias_term: true }", IMAGE),
    "bias": one("Bias"),
    "bias-axis": one("Bias", "bias_param { axis: -1 }"),
    "bias-second": two("Bias", "bias_param { axis: 0 }", (2, 6)),
    "eltwise-sum": two("Eltwise", ""),
    "eltwise-coefficients": two("Eltwise", "eltwise_param { coeff: 0.5 coeff: -2 }"),
    "eltwise-difference": two("Eltwise", "eltwise_param { operation: SUM coeff: 1 coeff: -1 }"),
    "eltwise-product": two("Eltwise", "eltwise_param { operation: PROD }"),
    "eltwise-maximum": two("Eltwise", "eltwise_param { operation: MAX }"),
    "eltwise-three": Case(
        'layer { name: "a" type: "Eltwise" bottom: "x" bottom: "z" bottom: "x" top: "y"'
        " eltwise_param { operation: PROD } }\n"
        'layer { name: "b" type: "Eltwise" bottom: "x" bottom: "z" bottom: "y" top: "w"'
        " eltwise_param { coeff: 1 coeff: 2 coeff: 3 } }",
        second=IMAGE,
    ),
    "concat": two("Concat", "", (2, 3, 9, 7)),
    "concat-axis": two("Concat", "concat_param { axis: 2 }", (2, 6, 4, 7)),
    "concat-dim": two("Concat", "concat_param { concat_dim: 3 }", (2, 6, 9, 1)),
    "slice": Case(
        'layer { name: "a" type: "Slice" bottom: "x" top: "y" top: "w" top: "v"'
        " slice_param { slice_point: 1 slice_point: 4 } }"
    ),
    "slice-equal": Case('layer { name: "a" type: "Slice" bottom: "x" top: "y" top: "w" }'),
    "slice-axis": Case(
        'layer { name: "a" type: "Slice" bottom: "x" top: "y" top: "w"'
        " slice_param { axis: 2 slice_point: 4 } }"
    ),
    "split": Case(
        'layer { name: "s" type: "Split" bottom: "x" top: "p" top: "q" }\n'
        'layer { name: "a" type: "ReLU" bottom: "p" top: "y" }\n'
        'layer { name: "b" type: "TanH" bottom: "q" top: "w" }'
    ),
    "flatten": one("Flatten"),
    "flatten-middle": one("Flatten", "flatten_param { axis: 1 end_axis: 2 }"),
    "flatten-end": one("Flatten", "flatten_param { axis: -2 }"),
    "reshape": one("Reshape", "reshape_param { shape { dim: 0 dim: 3 dim: -1 dim: 7 } }"),
    "reshape-batch": one("Reshape", "reshape_param { shape { dim: -1 dim: 54 dim: 7 } }"),
    "reshape-axis": one("Reshape", "reshape_param { axis: 1 num_axes: 1 shape { dim: 2 dim: 3 } }"),
    "reshape-insert": one("Reshape", "reshape_param { axis: 1 num_axes: 0 shape { dim: 1 } }"),
    "reshape-negative": one("Reshape", "reshape_param { axis: -2 shape { dim: -1 } }"),
    "permute": one("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
    "permute-part": one("Permute", "permute_param { order: 0 order: 3 }"),
    "softmax": one("Softmax"),
    "softmax-axis": one("Softmax", "softmax_param { axis: 2 }"),
    "dropout": one("Dropout", "dropout_param { dropout_ratio: 0.3 }"),
    "dropout-in-place": Case(
        'layer { name: "a" type: "TanH" bottom: "x" top: "y" }\n'
        'layer { name: "d" type: "Dropout" bottom: "y" top: "y" }\n'
        'layer { name: "b" type: "Sigmoid" bottom: "y" top: "y" }'
    ),
    "crop": two("Crop", "crop_param { axis: 2 offset: 1 offset: 2 }", (2, 6, 5, 4)),
    "crop-one-offset": two("Crop", "crop_param { axis: 2 offset: 2 }", (2, 6, 5, 4)),
    "crop-channels": two(
        "Crop", "crop_param { axis: 1 offset: 1 offset: 2 offset: 0 }", (2, 3, 5, 4)
    ),
    "reduction-sum": one("Reduction", "reduction_param { axis: 1 coeff: 0.5 }"),
    "reduction-asum": one("Reduction", "reduction_param { operation: ASUM axis: 2 }"),
    "reduction-sumsq": one("Reduction", "reduction_param { operation: SUMSQ axis: -1 }"),
    "reduction-mean": one("Reduction", "reduction_param { operation: MEAN axis: 2 coeff: 3 }"),
    "tile": one("Tile", "tile_param { tiles: 3 }"),
    "tile-axis": one("Tile", "tile_param { axis: -1 tiles: 2 }"),
    "mvn": one("MVN"),
    "mvn-across": one("MVN", "mvn_param { across_channels: true }"),
    "mvn-mean-only": one("MVN", "mvn_param { normalize_variance: false }"),
    "mvn-eps": one("MVN", "mvn_param { eps: 0.5 across_channels: true }"),
    "embed": one("Embed", "embed_param { num_output: 4 input_dim: 11 }", dims=(2, 3)),
    "embed-no-bias": one(
        "Embed", "embed_param { num_output: 4 input_dim: 11 bias_term: false }", dims=(2, 3)
    ),
    "shared-weights": Case(
        'layer { name: "a" type: "Convolution" bottom: "x" top: "p" param { name: "w" }'
        ' param { name: "b" } convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }\n'
        'layer { name: "b" type: "Convolution" bottom: "p" top: "y" param { name: "w" }'
        ' param { name: "b" } convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }'
    ),
    "in-place": Case(
        'layer { name: "c" type: "Convolution" bottom: "x" top: "y"'
        " convolution_param { num_output: 5 kernel_size: 3 bias_term: false } }\n"
        'layer { name: "n" type: "BatchNorm" bottom: "y" top: "y" }\n'
        'layer { name: "s" type: "Scale" bottom: "y" top: "y" scale_param { bias_term: true } }\n'
        'layer { name: "r" type: "ReLU" bottom: "y" top: "y" }'
    ),
    "v1": Case(
        'layers { name: "a" type: CONVOLUTION bottom: "x" top: "p" blobs_lr: 1 blobs_lr: 2'
        " convolution_param { num_output: 4 kernel_size: 3 } }\n"
        'layers { name: "r" type: RELU bottom: "p" top: "p" }\n'
        'layers { name: "b" type: INNER_PRODUCT bottom: "p" top: "y" inner_product_param { num_output: 3 } }'
    ),
    "channel-shuffle": one("ShuffleChannel", "shuffle_channel_param { group: 3 }"),
    "depthwise-type": conv("num_output: 6 kernel_size: 3 pad: 1", "ConvolutionDepthwise"),
    "axpy": Case(
        'layer { name: "g" type: "Pooling" bottom: "x" top: "g"'
        " pooling_param { pool: AVE global_pooling: true } }\n"
        'layer { name: "a" type: "Axpy" bottom: "g" bottom: "x" bottom: "z" top: "y" }',
        second=IMAGE,
    ),
}


@attrs.frozen
class Outcome:
    ours: dict[str, np.ndarray]
    again: dict[str, np.ndarray]
    theirs: dict[str, np.ndarray]


def text_of(case: Case) -> str:
    """Inputs in both old spellings where they fit."""
    declared = {"x": case.dims} | ({"z": case.second} if case.second else {})
    if all(len(dims) == 4 for dims in declared.values()):
        parts = [
            f'input: "{n}" ' + " ".join(f"input_dim: {d}" for d in s) for n, s in declared.items()
        ]
    else:
        parts = [
            f'input: "{n}" input_shape {{ ' + " ".join(f"dim: {d}" for d in s) + " }"
            for n, s in declared.items()
        ]
    return "\n".join([*parts, case.text, ""])


def samples(case: Case) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(3)
    found = {"x": draw.standard_normal(case.dims).astype(np.float32)}
    if case.second:
        found["z"] = draw.standard_normal(case.second).astype(np.float32)
    if case.positive:
        found["x"] = np.abs(found["x"]) + np.float32(0.1)
    if "Embed" in case.text:
        found["x"] = draw.integers(0, 11, case.dims).astype(np.float32)
    return found


def run(network: Network, case: Case) -> dict[str, np.ndarray]:
    read = {value.name for value in network.model.graph.inputs}
    return Session(network.model).run({k: v for k, v in samples(case).items() if k in read})


@pytest.fixture(scope="module")
def outcomes(caffe: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All cases, one Caffe process; Caffe's own snapshot of each is read back too."""
    root = tmp_path_factory.mktemp("layers")
    jobs, graphs = [], {}
    for name, case in CASES.items():
        folder = root / name
        folder.mkdir()
        model = folder / "net.prototxt"
        model.write_text(text_of(case))
        network = load(Source(model, None, {"weights": "random"}))
        written = write(network, Compact(network.model, {}), Destination(folder, "masked"))
        graphs[name] = network
        plain = folder / "plain.prototxt"
        plain.write_text(plain_text(network))
        outputs = tuple(value.name for value in network.model.graph.outputs)
        blobs = tuple(dict.fromkeys(value.split("@")[0] for value in outputs))
        jobs.append(
            CaffeJob(plain, written.weights, samples(case), blobs, save=folder / "own.caffemodel")
        )
    results = run_caffe(jobs, caffe)
    found = {}
    for (name, case), theirs in zip(CASES.items(), results, strict=True):
        ours = run(graphs[name], case)
        own = load(Source(root / name / "net.prototxt", root / name / "own.caffemodel"))
        found[name] = Outcome(ours, run(own, case), theirs)
    return found


@pytest.mark.parametrize("name", CASES)
def test_layer_equals_real_caffe(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    assert outcome.ours
    for value, array in outcome.ours.items():
        theirs = outcome.theirs[value.split("@")[0]]
        assert array.shape == theirs.shape
        assert relative_error(array, theirs) <= 1e-5


@pytest.mark.parametrize("name", CASES)
def test_snapshot_written_by_caffe_reads_the_same(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[name]
    for value, array in outcome.again.items():
        assert relative_error(array, outcome.theirs[value.split("@")[0]]) <= 1e-5


def test_every_lowered_type_has_a_case() -> None:
    from prunus_caffe.lower.table import PASSING, RULES

    text = " ".join(case.text for case in CASES.values())
    elsewhere = {"DepthwiseConvolution", "Interp", "Normalize", "ReLU6", "Upsample"}
    assert {kind for kind in {*RULES, *PASSING} if f'"{kind}"' not in text} == elsewhere


def test_folder_of_a_case_is_loadable_by_path(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(text_of(CASES["conv"]))
    network = load(Source(tmp_path / "net.prototxt", None, {"weights": "random"}))
    assert list(network.layers) == ["a"]
