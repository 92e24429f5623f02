"""Does the real framework load what was written? Asked only where it loads what was read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Judge = Callable[[], str | None]
"""Reason against the files in the working directory; ``None`` if there is none."""


def _onnx() -> str | None:
    import onnxruntime

    written = [Path("out.onnx"), *Path("ws/transformed").glob("*.onnx")]
    return _first(written, lambda path: onnxruntime.InferenceSession(str(path)))


def _caffe() -> str | None:
    import cv2

    def load(path: Path) -> None:
        weights = next(path.parent.glob("*.caffemodel"))
        cv2.dnn.readNetFromCaffe(str(path), str(weights))

    return _compared(Path("deploy.prototxt"), "*.prototxt", load)


def _darknet() -> str | None:
    import cv2

    def load(path: Path) -> None:
        weights = next(path.parent.glob("*.weights"))
        cv2.dnn.readNetFromDarknet(str(path), str(weights))

    return _compared(Path("net.cfg"), "*.cfg", load)


def _keras() -> str | None:
    import keras

    read = Path("net.keras") if any(Path("ws/transformed").glob("*.keras")) else Path("net.h5")
    return _compared(read, f"*{read.suffix}", lambda path: keras.models.load_model(path))


def _compared(read: Path, pattern: str, load: Callable[[Path], object]) -> str | None:
    if _first([read], load) is not None:
        return None
    written = [p for p in Path("ws/transformed").glob(pattern) if "solver" not in p.name]
    return _first(written, load) if written else "nothing was written"


def _first(paths: list[Path], load: Callable[[Path], object]) -> str | None:
    for path in paths:
        try:
            load(path)
        except Exception as error:  # noqa: BLE001  any reason counts
            return f"{path}: {error}"
    return None


JUDGES: dict[str, Judge] = {
    "onnx": _onnx, "opencv-caffe": _caffe, "opencv-darknet": _darknet, "keras": _keras,
}  # fmt: skip
