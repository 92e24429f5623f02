"""Every kind of file that prunus reads, and the commands that read it."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from campaign_files import (
    ANALYSIS,
    RATE,
    WORK,
    caffe_files,
    darknet_files,
    graph_files,
    interrupted,
    keras_files,
    onnx_files,
    workspace,
)


@attrs.frozen
class Subject:
    """One kind of file.

    Attributes:
        make: Writes the sound files into the working directory.
        targets: File names (``*`` allowed) of which one is damaged.
        form: How (`campaign_damage.damaged`).
        commands: Run in turn until one fails.
        judge: Framework that must load what is written: ``onnx``, ``opencv-caffe``,
            ``opencv-darknet``, ``keras``; ``None`` where nothing is written.
    """

    make: Callable[[], None]
    targets: tuple[str, ...]
    form: str
    commands: tuple[tuple[str, ...], ...]
    judge: str | None = None


def _steps(*net: str, data: str = "d.npz", export: bool = True) -> tuple[tuple[str, ...], ...]:
    prune = ("prune", *net, *RATE, *WORK, *(("--data", data) if data else ()))
    out = (("export", *net, "--output", "out.onnx"),) if export else ()
    return (("stat", *net), *out, prune, ("transform", *WORK, "--no-measure"))


_GRAPH = ("--option", "input_nodes=x", "--option", "output_nodes=scores")
ONNX = "message:onnx:ModelProto"
_EVAL = ("eval", "--model", "net.onnx", "--data")
_AGAIN = (
    ("prune", "--model", "net.onnx", "--data", "d.npz", "--rate", "0.4", *WORK),
    ("finetune", *WORK, "--data", "d.npz", "--train-data", "d.npz", "--iterations", "1"),
    ("transform", *WORK, "--no-measure"),
)
_CONFIG = ("--config", "config.prototxt")
_TRAIN_VAL = ("--model", "net.prototxt", "--weights", "net.caffemodel")
_DEPLOY = ("--model", "deploy.prototxt", "--weights", "net.caffemodel")
_YOLO = ("--model", "net.cfg", "--weights", "net.weights")

SUBJECTS: dict[str, Subject] = {
    "onnx": Subject(onnx_files, ("net.onnx",), ONNX, _steps("--model", "net.onnx"), "onnx"),
    "onnx external": Subject(
        onnx_files, ("external.onnx", "external.data"), "bytes",
        _steps("--model", "external.onnx", data=""), "onnx",
    ),
    "onnx external names": Subject(
        onnx_files, ("external.onnx",), ONNX, _steps("--model", "external.onnx", data=""), "onnx"
    ),
    "npz": Subject(onnx_files, ("d.npz", "packed.npz"), "bytes",
                   ((*_EVAL, "d.npz"), (*_EVAL, "packed.npz"))),
    "image list": Subject(onnx_files, ("list.txt",), "text", ((*_EVAL, "list.txt"),)),
    "image": Subject(onnx_files, ("images/*/*",), "bytes", ((*_EVAL, "images"),)),
    "prunus.toml": Subject(
        onnx_files, ("prunus.toml",), "text",
        (("stat", "--config", "prunus.toml"), ("prune", "--config", "prunus.toml")),
    ),
    "workspace state": Subject(workspace, ("ws/state.json",), "json", _AGAIN),
    "workspace analysis": Subject(workspace, ("ws/ana.json",), "json", _AGAIN[:1]),
    "journal": Subject(
        interrupted, ("ws/ana.partial.jsonl",), "json", (ANALYSIS,),
    ),
    "snapshot": Subject(
        workspace, ("ws/rate_0.3/snapshots/*.*",), "bytes",
        (("finetune", *WORK, "--train-data", "d.npz", "--iterations", "3", "--resume"),),
    ),
    "prototxt": Subject(
        caffe_files, ("deploy.prototxt",), "text", _steps(*_DEPLOY, data=""), "opencv-caffe"
    ),
    "train_val": Subject(caffe_files, ("net.prototxt",), "text", _steps(*_TRAIN_VAL, data="")),
    "caffemodel": Subject(
        caffe_files, ("net.caffemodel",), "bytes", _steps(*_DEPLOY, data=""), "opencv-caffe"
    ),
    "solver": Subject(
        caffe_files, ("solver.prototxt",), "text",
        (
            ("prune", *_TRAIN_VAL, *RATE, *WORK),
            ("finetune", *WORK, "--solver", "solver.prototxt", "--iterations", "1"),
        ),
    ),
    "caffe config": Subject(
        caffe_files, ("config.prototxt",), "text", (("stat", *_CONFIG), ("prune", *_CONFIG))
    ),
    "lmdb": Subject(caffe_files, ("lmdb/data.mdb",), "bytes", (("eval", *_TRAIN_VAL),)),
    "cfg": Subject(
        darknet_files, ("net.cfg",), "text", _steps(*_YOLO, data=""), "opencv-darknet"
    ),
    "weights": Subject(
        darknet_files, ("net.weights",), "bytes", _steps(*_YOLO, data=""), "opencv-darknet"
    ),
    "darknet config": Subject(
        darknet_files,
        ("prune.cfg",),
        "text",
        (
            ("stat", "--config", "prune.cfg", *_YOLO[2:]),
            ("ana", "--config", "prune.cfg", *_YOLO[2:], "--ratios", "0.5"),
            ("prune", "--config", "prune.cfg", *_YOLO[2:]),
        ),
    ),
    ".data": Subject(
        darknet_files, ("x.data", "list.txt", "x.names"), "text",
        (("eval", *_YOLO, "--data", "x.data", "--metric", "map"),),
    ),
    "labels": Subject(
        darknet_files, ("labels/*.txt",), "text",
        (("eval", *_YOLO, "--data", "x.data", "--metric", "map"),),
    ),
    "keras": Subject(
        keras_files, ("net.keras",), "bytes", _steps("--model", "net.keras", export=False), "keras"
    ),
    "keras config": Subject(
        keras_files, ("net.keras!config.json",), "json",
        _steps("--model", "net.keras", export=False), "keras",
    ),
    "h5": Subject(
        keras_files, ("net.h5",), "bytes", _steps("--model", "net.h5", export=False), "keras"
    ),
    "saved model": Subject(
        keras_files, ("saved/saved_model.pb", "saved/variables/*", "saved/fingerprint.pb"), "bytes",
        _steps("--model", "saved", export=False, data=""),
    ),
    "pbtxt": Subject(
        graph_files, ("net.pbtxt",), "text",
        _steps("--model", "net.pbtxt", "--weights", "net", *_GRAPH, data=""),
    ),
    "pb": Subject(
        graph_files, ("net.pb",), "bytes", _steps("--model", "net.pb", *_GRAPH, data="")
    ),
    "checkpoint": Subject(
        graph_files, ("net.index", "net.data-00000-of-00001"), "bytes",
        _steps("--model", "net.pbtxt", "--weights", "net", *_GRAPH, data="", export=False),
    ),
    "meta graph": Subject(
        graph_files, ("meta.meta",), "message:tensorflow.core.protobuf.meta_graph_pb2:MetaGraphDef",
        _steps("--model", "meta.meta", "--weights", "meta", *_GRAPH, data="", export=False),
    ),
}  # fmt: skip
