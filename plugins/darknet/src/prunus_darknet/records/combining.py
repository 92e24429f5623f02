"""Records of the layers that read several others: route, shortcut, scale_channels, sam.

Format facts: ``parse_route``, ``parse_shortcut``, ``parse_scale_channels`` and
``parse_sam`` in Darknet's ``src/parser.c`` of both forks.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from prunus_darknet.dialect import Dialect
from prunus_darknet.records.checks import need_image, positive
from prunus_darknet.records.layers import Blob, Layer, Shape


def _sources(draft: Layer, before: list[Layer], key: str) -> tuple[int, ...]:
    """Layer indices given by ``key``, absolute; negative ones count back."""
    section = draft.section
    asked = section.integers(key)
    if not asked:
        raise section.error(f"[{draft.type}] needs {key}=")
    indices = tuple(index if index >= 0 else draft.index + index for index in asked)
    for number, index in zip(asked, indices, strict=True):
        if not 0 <= index < len(before):
            raise section.error(
                f"{key}={number} in [{draft.type}]: layer {draft.index} can read layers "
                f"0 to {draft.index - 1} only",
                key,
            )
    return indices


def _route(draft: Layer, before: list[Layer], dialect: Dialect) -> Layer:
    del dialect
    section = draft.section
    sources = _sources(draft, before, "layers")
    groups = positive(section, "groups", 1)
    part = section.integer("group_id", 0)
    if not 0 <= part < groups:
        raise section.error(f"group_id={part} must be below groups={groups}", "group_id")
    shapes = [before[index].output for index in sources]
    for index, shape in zip(sources, shapes, strict=True):
        if (shape.c if shape.image else shape.size) % groups:
            raise section.error(
                f"groups={groups} does not divide the {shape} output of layer {before[index].name}",
                "groups",
            )
    numbers = {"groups": groups, "group_id": part}
    first = shapes[0]
    if all(shape.image and (shape.h, shape.w) == (first.h, first.w) for shape in shapes):
        out = Shape(sum(shape.c for shape in shapes) // groups, first.h, first.w)
    else:
        out = Shape(sum(shape.size for shape in shapes) // groups, image=False)
    return attrs.evolve(draft, sources=sources, input=first, output=out, numbers=numbers)


def _shortcut(draft: Layer, before: list[Layer], dialect: Dialect) -> Layer:
    section, given = draft.section, need_image(draft)
    others = _sources(draft, before, "from")
    activation = section.text("activation", "linear")
    opaque = None
    blobs: tuple[Blob, ...] = ()
    kind = section.text("weights_type", "none")
    if kind != "none":
        per = given.c if kind == "per_channel" else 1
        blobs = (Blob("raw", ((len(others) + 1) * per,)),)
        opaque = f"opaque layer {draft.index} of type 'shortcut' with weights_type={kind}"
    for index in others:
        other = before[index].output
        if (other.h, other.w) == (given.h, given.w):
            continue
        if not dialect.is_pjreddie:
            opaque = f"opaque layer {draft.index} of type 'shortcut' between {given} and {other}"
        elif not _strided(given, other):
            raise section.error(f"[shortcut] cannot join {given} and {other}", "from")
    return attrs.evolve(
        draft,
        sources=(draft.sources[0], *others),
        activation=activation,
        blobs=blobs,
        opaque=opaque,
    )


def _strided(given: Shape, other: Shape) -> bool:
    """Whether ``shortcut_cpu``'s asserts hold: one whole stride or sampling step in both axes."""
    stride, sample = other.w // given.w, given.w // other.w
    return stride == other.h // given.h and sample == given.h // other.h


def _scale_channels(draft: Layer, before: list[Layer], dialect: Dialect) -> Layer:
    del dialect
    section, given = draft.section, need_image(draft)
    (other,) = _sources(draft, before, "from")[:1]
    shape = before[other].output
    over_map = section.integer("scale_wh", 0)
    fits = (
        (given.h, given.w) == (shape.h, shape.w) and given.c == 1
        if over_map
        else (given.c == shape.c and given.h == given.w == 1)
    )
    if not fits:
        raise section.error(f"[scale_channels] cannot scale {shape} by {given}", "from")
    return attrs.evolve(
        draft,
        sources=(draft.sources[0], other),
        output=shape,
        activation=section.text("activation", "linear"),
    )


def _sam(draft: Layer, before: list[Layer], dialect: Dialect) -> Layer:
    del dialect
    section, given = draft.section, need_image(draft)
    (other,) = _sources(draft, before, "from")[:1]
    shape = before[other].output
    if shape != given:
        raise section.error(f"[sam] cannot multiply {shape} by {given}", "from")
    return attrs.evolve(
        draft,
        sources=(draft.sources[0], other),
        activation=section.text("activation", "linear"),
    )


JOINS: dict[str, Callable[[Layer, list[Layer], Dialect], Layer]] = {
    "route": _route,
    "shortcut": _shortcut,
    "scale_channels": _scale_channels,
    "sam": _sam,
}
