"""Shared checks of the layer records."""

from __future__ import annotations

from prunus_darknet.cfg import Section
from prunus_darknet.records.layers import Layer, Shape


def need_image(draft: Layer) -> Shape:
    """Input shape of a layer that works on images.

    Raises:
        ModelError: the input has no rows and columns (Darknet refuses it too).
    """
    if not draft.input.image:
        raise draft.section.error(f"the layer before [{draft.type}] must give an image")
    return draft.input


def positive(section: Section, key: str, default: int) -> int:
    """A whole number above zero.

    Raises:
        ModelError: it is not.
    """
    value = section.integer(key, default)
    if value < 1:
        raise section.error(f"{key}={value} in [{section.type}]: must be above 0", key)
    return value
