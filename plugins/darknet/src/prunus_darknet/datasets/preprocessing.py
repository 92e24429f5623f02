"""Preprocessing of images as in a network's fork of Darknet.

Format facts: ``train_detector`` and ``validate_detector`` in Darknet's
``examples/detector.c``. pjreddie's fork letterboxes images of a detector, AlexeyAB's
resizes them unless ``letter_box=1`` stands in ``[net]``.
"""

from __future__ import annotations

import attrs

from prunus.plugin import DataError, Network
from prunus_darknet.boxes.head import heads_of
from prunus_darknet.cfg import Section
from prunus_darknet.datasets.augment import Augmentation
from prunus_darknet.datasets.images import (
    Array,
    center_crop_image,
    letterbox_image,
    min_crop_image,
    resize_image,
)
from prunus_darknet.origin import Origin

WHOLE = (0.0, 0.0, 1.0, 1.0)
"""Where an image lies that fills the canvas: left, top, width, height."""


@attrs.frozen
class View:
    """How images become the network's input.

    Attributes:
        input: Graph input they feed.
        channels, width, height: Its size.
        alexeyab: AlexeyAB's rules hold where the two forks differ.
        letterbox: Evaluate a detector on letterboxed images.
        augmentation: What training does to them.
        detector: The network has box-decoding layers.
    """

    input: str
    channels: int
    width: int
    height: int
    alexeyab: bool
    letterbox: bool
    augmentation: Augmentation
    detector: bool = True

    def fit(self, image: Array) -> tuple[Array, tuple[float, ...]]:
        """An image as the network is evaluated on it.

        Args:
            image: ``(C, H, W)`` in [0, 1].

        Returns:
            ``(C, height, width)``, and where the image lies in it: left, top, width, height,
            relative; a classifier sees a part of it, as if that were the whole.
        """
        size = self.width, self.height
        if not self.detector:
            return (min_crop_image if self.alexeyab else center_crop_image)(image, *size), WHOLE
        return (
            letterbox_image(image, *size) if self.letterbox else (resize_image(image, *size), WHOLE)
        )


def view_of(network: Network) -> View:
    """Preprocessing of images as in the network's fork of Darknet.

    Raises:
        DataError: the network does not read images.
    """
    origin = network.origin
    assert isinstance(origin, Origin)
    shape, net = origin.structure.input, origin.cfg.net
    if not shape.image:
        raise DataError(f"{origin.cfg.path}: [net] has inputs=, this network reads no images")
    alexeyab = not origin.dialect.is_pjreddie
    heads = heads_of(network)
    jitter = heads[-1].settings["jitter"] if heads else 0.0
    stretched = any(head.kind == "detection" for head in heads)  # examples/yolo.c
    return View(
        str(network.model.graph.inputs[0].name),
        shape.c,
        shape.w,
        shape.h,
        alexeyab,
        letterboxed(net, alexeyab) and not stretched,
        augmentation_of(origin.recipe.net, shape.w, jitter, alexeyab),
        bool(heads),
    )


def letterboxed(net: Section, alexeyab: bool) -> bool:
    """Whether images of a detector keep their aspect."""
    return not alexeyab or bool(net.integer("letter_box", 0))


def augmentation_of(net: Section, width: int, jitter: float, alexeyab: bool) -> Augmentation:
    """The augmentation keys of ``[net]``; only AlexeyAB's fork reads ``flip``."""
    return Augmentation(
        angle=net.real("angle", 0),
        aspect=_factor(net, "aspect"),
        saturation=_factor(net, "saturation"),
        exposure=_factor(net, "exposure"),
        hue=net.real("hue", 0),
        low=net.integer("min_crop", width),
        high=net.integer("max_crop", width * 2),
        center=bool(net.integer("center", 0)),
        jitter=min(max(jitter, 0.0), 0.9),
        flip=not alexeyab or bool(net.integer("flip", 1)),
    )


def _factor(net: Section, key: str) -> float:
    value = net.real(key, 1)
    if value <= 0:
        raise net.error(f"{key} is a factor above 0", key)
    return value
