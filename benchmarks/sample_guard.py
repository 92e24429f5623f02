"""How often wrong preprocessing is noticed without labels, and how often right one is blamed.

    python benchmarks/sample_guard.py

Trained networks of third parties, each with images of its kind: draws of 32 images, preprocessed as
the network was trained and in wrong ways.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import numpy as np
from networks import SHARED, cifar10, lenet, mnist, read
from numpy.typing import NDArray
from results import write_section

from prunus.evaluation.decoding import pillow
from prunus.likeness import judge
from prunus.plugin import Network, decode

DRAWS, SIZE = 5, 32
BYTE = np.float32(1 / 255)
IMAGENET = np.array((123.675, 116.28, 103.53), np.float32).reshape(3, 1, 1)
Pixels = NDArray[np.float32]


@attrs.frozen(eq=False)
class Trained:
    """A network, and how it was trained: ``(x - mean) * scale`` on pixels ``(N, C, H, W)``."""

    name: str
    network: Network
    pixels: Pixels
    mean: Pixels | float = 0.0
    scale: Pixels | float = 1.0
    blue_first: bool = False

    def inputs(self, chosen: NDArray[np.int64], wrong: str) -> Pixels:
        """Network inputs of some images, preprocessed wrongly."""
        pixels = self.pixels[chosen]
        if self.blue_first != (wrong == "order of channels"):
            pixels = pixels[:, ::-1]
        mean = 0.0 if wrong in ("0 to 255", "0 to 1", "mean missing") else self.mean
        scale = {"0 to 255": 1.0, "scale missing": 1.0, "0 to 1": BYTE}.get(wrong, self.scale)
        if wrong == "-1 to 1":
            mean, scale = 127.5, 1 / 127.5
        made = ((pixels - mean) * scale).astype(np.float32)
        wanted = tuple(self.network.model.graph.inputs[0].shape or ())[1:]
        return made if made.shape[1:] == wanted else made.transpose(0, 2, 3, 1)

    def wrongs(self) -> Iterator[str]:
        """Ways that differ from the right one."""
        scaled, plain = bool(np.any(self.scale != 1.0)), not np.any(self.mean)
        byte = plain and bool(np.all(np.isclose(self.scale, BYTE, rtol=0.01)))
        signed = bool(np.all(np.isclose(self.mean, 127.5, rtol=0.01)))
        if scaled or not plain:
            yield "0 to 255"
        if not byte:
            yield "0 to 1"
        if not (signed and scaled):
            yield "-1 to 1"
        if not plain:
            yield "mean missing"
        if scaled and not plain:
            yield "scale missing"
        if self.pixels.shape[1] == 3:
            yield "order of channels"


def images(folder: str, network: Network, channels: int = 3) -> Pixels:
    """Images of a folder, stretched to a network's input."""
    shape = [int(str(size)) for size in tuple(network.model.graph.inputs[0].shape or ())[1:]]
    height, width = shape[1:] if shape[0] == channels else shape[:2]
    found = []
    for path in sorted((SHARED / "datasets" / folder).rglob("*.jpg"))[:60]:
        image = pillow().fromarray(decode(path, 3, str(path)).transpose(1, 2, 0))
        fitted = image.convert("RGB" if channels == 3 else "L").resize((width, height))
        found.append(np.asarray(fitted, np.float32).reshape(height, width, channels))
    return np.stack(found).transpose(0, 3, 1, 2)


def darknet(stem: str) -> Network:
    """A cfg with its weights."""
    path = SHARED / "models/darknet" / stem
    return read(Path(f"{path}.cfg"), Path(f"{path}.weights"))


def networks() -> Iterator[Trained]:
    """Networks with stored moments first, then those judged by their scores, then the others."""
    models = SHARED / "models"
    small = cifar10()[0][:2000].astype(np.float32)
    for name, stem in (
        ("yolo-fastest (Darknet)", "yolo-fastest-1.0/yolo-fastest"),
        (
            "MobileNetV2-YOLO, VOC (Darknet)",
            "mbv2-yolo-fastest-voc/MobileNetV2-YOLO-Fastest-voc-v2",
        ),
        ("YOLO-LITE, VOC (Darknet)", "yololite-trial3/tiny-yolov2-trial3"),
    ):
        net = darknet(stem)
        yield Trained(name, net, images("tinycoco/images", net), 0.0, BYTE)
    net = darknet("yolo-fastest-1.0/yolo-fastest")
    yield Trained("yolo-fastest on blood cells", net, images("bccd/images", net), 0.0, BYTE)
    keras = models / "tensorflow"
    yield Trained("ResNet-8 (Keras)", read(keras / "resnet8_cifar10/pretrainedResnet.h5"), small)
    net = read(keras / "mini_xception_fer/fer2013_mini_XCEPTION.119-0.65.hdf5")
    grey = images("tinycoco/images", net, 1)
    yield Trained("mini-Xception, faces, on COCO (Keras)", net, grey, 127.5, 1 / 127.5)
    digits = mnist()[0][:2000].astype(np.float32)
    yield Trained("LeNet (Caffe)", lenet()[0], digits, 0.0, 1 / 256)
    folder = models / "caffe"
    quick = folder / "cifar10_quick"
    mean = cifar10("train_batch_1")[0].mean(0, dtype=np.float64).astype(np.float32)
    yield Trained(
        "CIFAR-10 quick (Caffe)",
        read(quick / "cifar10_quick.prototxt", quick / "cifar10_quick_iter_5000.caffemodel"),
        small,
        mean,
    )
    yield Trained(
        "CIFAR-10 CNN (Keras)", read(keras / "cifar10_keras/cifar10_cnn.keras"), small, 0.0, BYTE
    )
    for part in ("det1", "det2", "det3"):
        net = read(folder / f"mtcnn/{part}.prototxt", folder / f"mtcnn/{part}.caffemodel")
        coco = images("tinycoco/images", net)
        yield Trained(f"MTCNN {part} (Caffe)", net, coco, 127.5, 1 / 128, blue_first=True)
    net = read(folder / "slim320/slim-320.prototxt", folder / "slim320/slim-320.caffemodel")
    yield Trained("slim-320, folded (Caffe)", net, images("tinycoco/images", net), 127.0, 1 / 128)
    deviation = np.array((58.395, 57.12, 57.375), np.float32).reshape(3, 1, 1)
    for depth in (20, 32):
        net = read(models / f"onnx/resnet{depth}_cifar10.onnx")
        yield Trained(f"ResNet-{depth}, folded (ONNX)", net, small, IMAGENET, 1 / deviation)


KINDS = (
    "right",
    "0 to 255",
    "0 to 1",
    "-1 to 1",
    "mean missing",
    "scale missing",
    "order of channels",
)

TEXT = """\
Draws of 32 images in which something was said, of all draws. "right" counts false alarms. Networks
whose normalisation was folded into their weights, and that end without softmax, tell nothing, and
nothing is said. Blood cells are images of another kind than the COCO of that network's training.
Empty: the same as another column, or the network reads grey images. Seconds of one judgement, one
thread, on a busy machine."""


def measured(trained: Trained) -> tuple[Mapping[str, int], int, float]:
    """Verdicts by kind, errors among the right ones, seconds of one judgement."""
    rng = np.random.default_rng(0)
    draws = [rng.permutation(len(trained.pixels))[:SIZE] for _ in range(DRAWS)]
    found, errors, spent = {}, 0, []
    for kind in ("right", *trained.wrongs()):
        verdicts = []
        for chosen in draws:
            inputs = trained.inputs(chosen, kind)
            start = time.perf_counter()
            verdicts.append(judge(trained.network, inputs))
            spent.append(time.perf_counter() - start)
        found[kind] = sum(verdict is not None for verdict in verdicts)
        if kind == "right":
            errors = sum(verdict is not None and verdict.sure for verdict in verdicts)
        first = next((verdict for verdict in verdicts if verdict is not None), None)
        print(f"{trained.name}, {kind}: {found[kind]}/{DRAWS} {first or ''}", flush=True)
    return found, errors, float(np.median(spent))


def main() -> None:
    """Judge, and write the table."""
    rows = []
    total: dict[str, list[int]] = {kind: [0, 0] for kind in KINDS}
    for trained in networks():
        found, errors, seconds = measured(trained)
        assert not errors, f"{trained.name}: right samples were refused"
        cells = [f"{found[kind]}/{DRAWS}" if kind in found else "" for kind in KINDS]
        rows.append([trained.name, *cells, f"{seconds:.2f}"])
        for kind, count in found.items():
            total[kind][0] += count
            total[kind][1] += DRAWS
    sums = (f"{seen}/{of}" for seen, of in total.values())
    rows.append(["all", *sums, ""])
    title = "Wrong preprocessing, noticed without labels (sample_guard.py)"
    write_section(title, ("network", *KINDS, "seconds"), rows, TEXT)


if __name__ == "__main__":
    main()
