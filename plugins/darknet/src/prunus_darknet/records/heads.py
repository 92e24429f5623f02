"""Heads: layers that decode boxes; they are cut off and their input is frozen.

Format facts: ``make_yolo_layer`` (``n * (classes + 4 + 1)`` channels),
``make_region_layer`` (``n * (classes + coords + 1)``), ``make_detection_layer``
(``side * side * ((1 + coords) * n + classes)`` values) and AlexeyAB's
``make_gaussian_yolo_layer`` (``n * (classes + 8 + 1)``).
"""

from __future__ import annotations

from prunus_darknet.records.checks import need_image, positive
from prunus_darknet.records.layers import Layer

HEADS = frozenset({"yolo", "gaussian_yolo", "region", "detection", "iseg"})


def check_head(draft: Layer) -> Layer:
    """The head's record, once its input fits.

    Raises:
        ModelError: anchors and classes ask for another number of values.
    """
    section = draft.section
    expected = {
        "yolo": _yolo_values,
        "gaussian_yolo": _yolo_values,
        "region": _region_values,
        "detection": _detection_values,
    }
    if draft.type not in expected:
        return draft
    wanted, unit = expected[draft.type](draft)
    given = draft.input.size if unit == "values" else draft.input.c
    if wanted != given:
        raise section.error(
            f"[{section.type}] needs {wanted} {unit}, the layer before it gives {given}; "
            "mend classes, num or mask here, or filters there"
        )
    return draft


def _yolo_values(draft: Layer) -> tuple[int, str]:
    section = draft.section
    need_image(draft)
    count = len(section.integers("mask")) or positive(section, "num", 1)
    extra = 5 if draft.type == "yolo" else 9
    return count * (positive(section, "classes", 20) + extra), "channels"


def _region_values(draft: Layer) -> tuple[int, str]:
    section = draft.section
    need_image(draft)
    values = positive(section, "classes", 20) + section.integer("coords", 4) + 1
    return positive(section, "num", 1) * values, "channels"


def _detection_values(draft: Layer) -> tuple[int, str]:
    section = draft.section
    side = positive(section, "side", 7)
    per_box = section.integer("coords", 1) + (0 if section.integer("noobject", 0) else 1)
    values = per_box * positive(section, "num", 1) + positive(section, "classes", 1)
    return side * side * values, "values"
