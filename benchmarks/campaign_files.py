"""Sound files of every kind that prunus reads, written into the working directory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from prunus.plugin import run

RATE = ("--rate", "0.3")
WORK = ("--workspace", "ws")
ANALYSIS = (
    "ana", "--model", "net.onnx", "--data", "d.npz", *WORK, "--ratios", "0.25,0.5"
)  # fmt: skip
TUNE = ("--iterations", "2", "--snapshot", "2", "--train-data")


def onnx_files() -> None:
    """net.onnx, external.onnx with its data, samples as npz and as images."""
    import onnx
    import onnx_ir as ir
    from PIL import Image

    from prunus.testing.nets.plain import lenet

    ir.save(lenet(0), "net.onnx")
    onnx.save(onnx.load("net.onnx"), "external.onnx", save_as_external_data=True,
              location="external.data", size_threshold=0)  # fmt: skip
    draw = np.random.default_rng(0)
    shape = onnx.load("net.onnx").graph.input[0].type.tensor_type.shape.dim[1:]
    sizes = [dim.dim_value for dim in shape]
    x = draw.standard_normal((12, *sizes)).astype(np.float32)
    labels = np.arange(12) % 4
    np.savez("d.npz", x=x, y=labels)
    np.savez_compressed("packed.npz", x=x, y=labels)
    lines = []
    for number in range(6):
        folder = Path(f"images/{number % 2}")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 255, sizes[1:], np.uint8)
        for suffix in ("png", "jpg"):
            Image.fromarray(pixels).save(folder / f"{number}.{suffix}")
        lines.append(f"{folder}/{number}.png {number % 2}\n")
    Path("list.txt").write_text("".join(lines))
    Path("prunus.toml").write_text(
        'model = "net.onnx"\nworkspace = "ws"\ndata = "d.npz"\nrate = 0.3\nmetric = "top-1"\n'
        'criterion = "l1"\nallocation = "uniform"\nmultiple = 2\nseed = 0\nsamples = 8\n'
        'exclude = ["fc1"]\n'
    )


def workspace() -> None:
    """An analysis, a round, snapshots and a finetuned network."""
    onnx_files()
    net = ("--model", "net.onnx", "--data", "d.npz", *WORK)
    _sound("ana", *net, "--ratios", "0.25,0.5")
    _sound("prune", *net, *RATE)
    _sound("finetune", *net, *TUNE, "d.npz")


def interrupted() -> None:
    """An analysis that was killed: its journal, and no result."""
    from prunus.plugin import Journal

    onnx_files()
    kept = Journal.remove
    try:
        Journal.remove = lambda self: None  # type: ignore[method-assign]
        _sound(*ANALYSIS)
    finally:
        Journal.remove = kept  # type: ignore[method-assign]
    os.remove("ws/ana.json")


def caffe_files() -> None:
    """A train_val net on an LMDB, a deploy net, weights, solver, config.prototxt."""
    from prunus_caffe.testing.database import datum, write_lmdb

    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 255, (12, 1, 12, 12), np.uint8)
    write_lmdb(Path("lmdb"), (datum(one, i % 4) for i, one in enumerate(pixels)))
    body = "".join(
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {rest} }}\n'
        for name, kind, bottom, top, rest in _CAFFE
    )
    shape = 'input: "data"\ninput_shape { dim: 1 dim: 1 dim: 12 dim: 12 }\n'
    Path("deploy.prototxt").write_text(shape + body)
    data = "".join(
        f'layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: {phase} }} '
        "transform_param { scale: 0.0039 mean_value: 127 } "
        'data_param { source: "lmdb" batch_size: 4 backend: LMDB } }\n'
        for phase in ("TRAIN", "TEST")
    )
    end = (
        'layer { name: "top-1" type: "Accuracy" bottom: "ip2" bottom: "label" top: "top-1" '
        "include { phase: TEST } }\n"
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }\n'
    )
    Path("net.prototxt").write_text(data + body + end)
    Path("solver.prototxt").write_text(
        'net: "net.prototxt"\nbase_lr: 0.01\nlr_policy: "step"\ngamma: 0.1\nstepsize: 10\n'
        "momentum: 0.9\nweight_decay: 0.0005\nmax_iter: 4\nsnapshot: 2\ntest_iter: 1\n"
        'test_interval: 2\nsnapshot_prefix: "snap"\nsolver_mode: CPU\ntype: "SGD"\n'
    )
    Path("config.prototxt").write_text(
        'workspace: "ws"\ngpu: "0"\ntest_iter: 2\nacc_name: "top-1"\nmodel: "net.prototxt"\n'
        'weights: "net.caffemodel"\nsolver: "solver.prototxt"\nrate: 0.3\n'
        'pruner { method: REGULAR exclude { layer_top: "conv1" } }\n'
    )
    _sound("prune", "--model", "net.prototxt", "--option", "weights=random", *RATE,
           "--workspace", "made")  # fmt: skip
    next(Path("made").rglob("*.caffemodel")).rename("net.caffemodel")


_XAVIER = 'weight_filler { type: "xavier" }'
_CAFFE = (
    ("conv1", "Convolution", "data", "conv1",
     f"convolution_param {{ num_output: 8 kernel_size: 3 {_XAVIER} }}"),
    ("bn1", "BatchNorm", "conv1", "conv1", ""),
    ("scale1", "Scale", "conv1", "conv1", "scale_param { bias_term: true }"),
    ("relu1", "ReLU", "conv1", "conv1", ""),
    ("pool1", "Pooling", "conv1", "pool1", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"),
    ("conv2", "Convolution", "pool1", "conv2",
     f"convolution_param {{ num_output: 12 kernel_size: 3 group: 2 {_XAVIER} }}"),
    ("relu2", "ReLU", "conv2", "conv2", "relu_param { negative_slope: 0.1 }"),
    ("ip1", "InnerProduct", "conv2", "ip1",
     f"inner_product_param {{ num_output: 10 {_XAVIER} }}"),
    ("relu3", "ReLU", "ip1", "ip1", ""),
    ("ip2", "InnerProduct", "ip1", "ip2", f"inner_product_param {{ num_output: 4 {_XAVIER} }}"),
)  # fmt: skip
"""Name, type, bottom, top and parameters of each layer."""


def darknet_files() -> None:
    """A detector with region-free yolo head, weights, .data, names, labels, images, config."""
    from PIL import Image

    from prunus_darknet.cfg import parse_cfg
    from prunus_darknet.testing.random_weights import write_random_weights

    cfg = Path("net.cfg")
    cfg.write_text(_DARKNET)
    write_random_weights(parse_cfg(cfg.read_text(), cfg), Path("net.weights"), 0)
    draw = np.random.default_rng(0)
    Path("images").mkdir()
    Path("labels").mkdir()
    for number in range(6):
        image = Image.fromarray(draw.integers(0, 255, (24, 40, 3), np.uint8))
        image.save(f"images/{number}.png")
        Path(f"labels/{number}.txt").write_text("0 0.5 0.5 0.4 0.4\n1 0.3 0.2 0.1 0.2\n")
    Path("list.txt").write_text("".join(f"images/{number}.png\n" for number in range(6)))
    Path("x.names").write_text("one\ntwo\n")
    Path("x.data").write_text(
        "classes = 2\ntrain = list.txt\nvalid = list.txt\nnames = x.names\nbackup = .\n"
    )
    Path("prune.cfg").write_text(
        "[pruning]\nworkspace=ws\ndatacfg=x.data\nmodelcfg=net.cfg\n"
        "threshold=0.3\nkernel_batch=2\nignore_layer=0\n"
    )


_DARKNET = """[net]
batch=2
subdivisions=1
width=32
height=32
channels=3
learning_rate=0.001
max_batches=4
policy=steps
steps=2,3
scales=.1,.1

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=12
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=12
size=1
stride=1
activation=leaky

[shortcut]
from=-2
activation=linear

[route]
layers=-1,-3

[upsample]
stride=2

[route]
layers=-1,0

[convolutional]
size=1
filters=14
activation=linear

[yolo]
mask = 0,1
anchors = 4,6, 10,12
classes=2
num=2
ignore_thresh=.5
"""


def keras_files() -> None:
    """One model as .keras, .h5 and SavedModel, with samples."""
    import keras

    layers = keras.layers
    inputs = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(8, 3, name="c1")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="r1")(x)
    x = layers.Conv2D(10, 3, strides=2, activation="relu", name="c2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax", name="d")(x), name="net")
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save("net.keras")
    model.save("net.h5")
    model.export("saved", verbose=False)
    draw = np.random.default_rng(0)
    x = draw.standard_normal((12, 12, 12, 3)).astype(np.float32)
    np.savez("d.npz", x=x, y=np.arange(12) % 4)


def graph_files() -> None:
    """A low-level graph as pbtxt with a checkpoint, as frozen .pb, and as MetaGraph."""
    from prunus_tensorflow.runtime import tensorflow
    from prunus_tensorflow.testing.graph_job import build, files

    files(Path())
    files(Path(), frozen=True)
    tf1 = tensorflow().compat.v1
    with tensorflow().Graph().as_default(), tf1.Session() as session:
        build()
        saver = tf1.train.Saver()
        saver.restore(session, "net")
        saver.save(session, "meta")


def _sound(*words: str) -> None:
    """A command that must succeed."""
    if run(list(words)):
        raise RuntimeError(f"prunus {' '.join(words)} fails on sound files")
