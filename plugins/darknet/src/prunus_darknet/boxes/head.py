"""Settings of a box-decoding layer: anchors, classes and the settings of its loss.

Format facts: ``parse_yolo``, ``parse_region`` and ``parse_detection`` in Darknet's
``src/parser.c`` (both forks), from which the defaults come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from prunus_darknet.cfg import Section
from prunus_darknet.dialect import Dialect
from prunus_darknet.origin import Origin
from prunus_darknet.records.layers import Layer, Structure

if TYPE_CHECKING:
    from prunus.plugin import Network

Pairs = tuple[tuple[float, float], ...]

_YOLO = {
    "ignore_thresh": 0.5,
    "truth_thresh": 1.0,
    "jitter": 0.2,
    "random": 0.0,
    "scale_x_y": 1.0,
    "iou_normalizer": 0.75,
    "obj_normalizer": 1.0,
    "cls_normalizer": 1.0,
    "delta_normalizer": 1.0,
    "iou_thresh": 1.0,
    "max_delta": 3.4e38,
    "label_smooth_eps": 0.0,
    "new_coords": 0.0,
    "focal_loss": 0.0,
    "objectness_smooth": 0.0,
    "beta_nms": 0.6,
}
_REGION = {
    "coords": 4.0,
    "softmax": 0.0,
    "background": 0.0,
    "jitter": 0.2,
    "rescore": 0.0,
    "thresh": 0.5,
    "absolute": 0.0,
    "random": 0.0,
    "coord_scale": 1.0,
    "object_scale": 1.0,
    "noobject_scale": 1.0,
    "mask_scale": 1.0,
    "class_scale": 1.0,
    "bias_match": 0.0,
}
_DETECTION = {
    "coords": 1.0,
    "rescore": 0.0,
    "side": 7.0,
    "num": 1.0,
    "softmax": 0.0,
    "sqrt": 0.0,
    "jitter": 0.2,
    "coord_scale": 1.0,
    "object_scale": 1.0,
    "noobject_scale": 1.0,
    "class_scale": 1.0,
    "noobject": 0.0,
}
_SETTINGS = {
    "yolo": _YOLO,
    "gaussian_yolo": _YOLO,
    "region": _REGION,
    "detection": _DETECTION,
}


@attrs.frozen
class BoxHead:
    """One box-decoding layer.

    Attributes:
        index: Darknet layer index.
        kind: ``yolo``, ``gaussian_yolo``, ``region`` or ``detection``.
        output: Graph output that feeds it: ``(N, C, h, w)``, nothing applied to it yet.
        anchors: All width, height pairs: pixels of the network input for ``yolo``, grid
            cells for ``region``; empty for ``detection``.
        mask: Positions of the anchors this layer uses.
        classes: Number of classes.
        network: Width and height of the network input.
        settings: The numbers of the cfg section, with Darknet's defaults.
        iou_loss: Box loss of the AlexeyAB fork: ``mse``, ``iou``, ``giou``, ``diou``, ``ciou``.
        nms: Suppression of the AlexeyAB fork: ``default``, ``greedynms``, ``cornersnms``,
            ``diounms``.
        alexeyab: Whether the AlexeyAB fork wrote the network: its losses differ.
        tree: Classes form a hierarchy (``tree=``): neither decoded nor trained here.
    """

    index: int
    kind: str
    output: str
    anchors: Pairs
    mask: tuple[int, ...]
    classes: int
    network: tuple[int, int]
    settings: Mapping[str, float]
    iou_loss: str = "mse"
    nms: str = "default"
    alexeyab: bool = False
    tree: bool = False

    @property
    def used(self) -> Pairs:
        """The anchors this layer uses."""
        return tuple(self.anchors[position] for position in self.mask)


def heads_of(network: Network) -> tuple[BoxHead, ...]:
    """The box-decoding layers of a Darknet network, in file order; often none."""
    origin = network.origin
    if not isinstance(origin, Origin):
        return ()
    return heads_in(origin.structure, origin.dialect)


def heads_in(structure: Structure, dialect: Dialect) -> tuple[BoxHead, ...]:
    """The box-decoding layers of a cfg, in file order.

    Raises:
        ModelError: anchors are missing or the mask names one that is not there.
    """
    heads = (layer for layer in structure.layers if layer.type in _SETTINGS)
    return tuple(
        attrs.evolve(_head(layer, structure), alexeyab=not dialect.is_pjreddie) for layer in heads
    )


def _head(layer: Layer, structure: Structure) -> BoxHead:
    section = layer.section
    anchors = () if layer.type == "detection" else _anchors(section)
    mask = section.integers("mask") or tuple(range(len(anchors)))
    if any(not 0 <= position < len(anchors) for position in mask):
        raise section.error(
            f"mask names anchor {max(mask)}, there are {len(anchors)}; "
            "mask counts the pairs of anchors from 0",
            "mask",
        )
    return BoxHead(
        index=layer.index,
        kind=layer.type,
        output=structure.layers[layer.sources[0]].name,
        anchors=anchors,
        mask=mask,
        classes=section.integer("classes", 1 if layer.type == "detection" else 20),
        network=(structure.input.w, structure.input.h),
        settings={k: section.real(k, default) for k, default in _SETTINGS[layer.type].items()},
        iou_loss=section.text("iou_loss", "mse"),
        nms=section.text("nms_kind", "default"),
        tree=section.has("tree"),
    )


def _anchors(section: Section) -> Pairs:
    """Without anchors Darknet takes half a cell (region) or half a pixel (yolo) for each."""
    count = section.integer("num", 1)
    values = section.reals("anchors")
    if len(values) % 2:
        raise section.error(f"{len(values)} numbers in anchors, they come in pairs", "anchors")
    pairs = tuple(zip(values[::2], values[1::2], strict=True))[:count]
    return pairs + ((0.5, 0.5),) * (count - len(pairs))
