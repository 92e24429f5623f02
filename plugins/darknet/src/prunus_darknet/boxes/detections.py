"""Objects that a network finds in an image: classes, scores and positions in pixels.

Format facts: ``correct_yolo_boxes`` in Darknet's ``src/yolo_layer.c`` (AlexeyAB's with its
argument ``letter``) and ``get_detection_detections``, which corrects nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import attrs
import numpy as np

from prunus.plugin import Network, Session
from prunus_darknet.boxes.decode import Array, decoded_heads
from prunus_darknet.boxes.head import BoxHead
from prunus_darknet.boxes.suppression import SCORE, Boxes, detect
from prunus_darknet.datasets.images import Array as ImageArray, letterbox_image, resize_image
from prunus_darknet.datasets.preprocessing import View, view_of


@attrs.frozen
class Detection:
    """One object found in an image.

    Attributes:
        chosen: Its class, from 0.
        score: Objectness times class score.
        left, top, right, bottom: Pixels from the image's corner; may lie outside.
    """

    chosen: int
    score: float
    left: float
    top: float
    right: float
    bottom: float


@attrs.frozen(eq=False, slots=False)
class Detector:
    """Finds objects in images, as Darknet's ``detector`` commands do.

    Attributes:
        network: A network with box-decoding layers.
    """

    network: Network

    @cached_property
    def heads(self) -> tuple[BoxHead, ...]:
        """Its box-decoding layers.

        Raises:
            UsageError: there are none, or one is not decoded.
        """
        return decoded_heads(self.network, "detecting")

    @cached_property
    def view(self) -> View:
        """Preprocessing of its images."""
        return view_of(self.network)

    @cached_property
    def _session(self) -> Session:
        return Session(self.network.model)

    def look(self, image: ImageArray, threshold: float = SCORE) -> tuple[Detection, ...]:
        """Objects of an image, the surest first, after suppression.

        Args:
            image: ``(C, H, W)`` in [0, 1], as `datasets.images.load_image` gives it.
            threshold: Scores must be above it.
        """
        heads, view = self.heads, self.view
        size = view.width, view.height
        shown = letterbox_image(image, *size)[0] if view.letterbox else resize_image(image, *size)
        outputs = self._session.run({view.input: shown[None]})
        with np.errstate(over="ignore", invalid="ignore"):
            found = detect(heads, outputs, 0, threshold)
        height, width = image.shape[1:]
        return tuple(
            rows(found, in_image(found.coordinates, size, (width, height), view.letterbox))
        )


def rows(found: Boxes, coordinates: Array) -> Iterator[Detection]:
    """Detections one by one; ``coordinates`` are ``(n, 4)`` centre and size in pixels."""
    corners = np.concatenate(
        [coordinates[:, :2] - coordinates[:, 2:] / 2, coordinates[:, :2] + coordinates[:, 2:] / 2],
        1,
    )
    for chosen, score, corner in zip(found.classes, found.scores, corners, strict=True):
        yield Detection(int(chosen), float(score), *map(float, corner))


def in_image(
    coordinates: Array, network: tuple[int, int], image: tuple[int, int], letterbox: bool
) -> Array:
    """Boxes in pixels of the image, where Darknet puts them.

    Args:
        coordinates: ``(n, 4)`` centre and size relative to the network input.
        network: Width and height of the network input.
        image: Width and height of the image.
        letterbox: The image kept its aspect.

    Returns:
        ``(n, 4)`` centre and size. Darknet takes a border of half the pixels left where the
        letterbox has whole ones: half an input pixel off if their number is odd.
    """
    size = np.array(image, float)
    if not letterbox:
        return np.asarray(coordinates * np.tile(size, 2))
    (net_w, net_h), (w, h) = network, image
    wide = np.float32(net_w) / w < np.float32(net_h) / h
    inner = (net_w, h * net_w // w) if wide else (w * net_h // h, net_h)
    share = np.maximum(inner, 1) / np.array(network, float)
    centres = (coordinates[:, :2] - (1 - share) / 2) / share
    return np.concatenate([centres * size, coordinates[:, 2:] / share * size], 1)
