"""Records of the layers that carry weights: shapes and the order in the file.

Format facts: ``save_convolutional_weights`` (bias, then scale, mean and variance with
batch normalisation, then weights), ``save_connected_weights`` (bias, weights, then
scale, mean, variance), the ``[local]`` branch of ``save_weights_upto``, and
``make_convolutional_layer``, ``make_deconvolutional_layer``, ``make_local_layer``.
"""

from __future__ import annotations

import attrs

from prunus_darknet.cfg import Section
from prunus_darknet.records.checks import need_image, positive
from prunus_darknet.records.layers import Blob, Layer, Shape

_UNLOWERED = ("binary", "xnor", "antialiasing", "sway", "rotate", "stretch", "stretch_sway",
              "coordconv", "bin_output")  # fmt: skip
_NO_SHARING = -1000000000


def convolutional(draft: Layer, before: list[Layer]) -> Layer:
    """``[convolutional]``: output ``(h + 2 pad - size) / stride + 1``.

    AlexeyAB pads ``pad * dilation`` but sizes the output as if undilated
    (``forward_convolutional_layer``), which agrees for ``pad = size / 2`` only.

    Raises:
        ModelError: settings that no convolution can have.
    """
    section, given = draft.section, need_image(draft)
    numbers = _geometry(section)
    numbers["groups"] = groups = positive(section, "groups", 1)
    filters, size = numbers["filters"], numbers["size"]
    if given.c % groups or filters % groups:
        raise section.error(
            f"groups={groups} must divide the {given.c} input channels and filters={filters}",
            "groups",
        )
    h, w = (side + 2 * numbers["padding"] - size for side in (given.h, given.w))
    if h < 0 or w < 0:
        raise section.error(f"[{section.type}] of size {size} does not fit its {given} input")
    out = Shape(filters, h // numbers["stride_y"] + 1, w // numbers["stride_x"] + 1)
    flipped = bool(section.integer("flipped", 0))
    weight = Blob("weight", (filters, given.c // groups, size, size), flipped)
    shared = _shared(draft, before, weight)
    layer = attrs.evolve(
        draft,
        output=out,
        numbers=numbers if shared is None else {**numbers, "share": shared},
        activation=section.text("activation", "logistic"),
        blobs=() if shared is not None else (*_vectors(numbers, filters), weight),
    )
    return attrs.evolve(layer, opaque=_why_opaque(layer))


def _geometry(section: Section) -> dict[str, int]:
    """Settings of a convolution with Darknet's defaults."""
    size = positive(section, "size", 1)
    stride = positive(section, "stride", 1)
    padding = section.integer("padding", 0)
    if section.integer("pad", 0):
        padding = size // 2
    if padding < 0:
        raise section.error(f"padding={padding} in [{section.type}]: must not be negative")
    return {
        "filters": positive(section, "filters", 1),
        "size": size,
        "stride_x": positive(section, "stride_x", stride),
        "stride_y": positive(section, "stride_y", stride),
        "dilation": 1 if size == 1 else positive(section, "dilation", 1),
        "padding": padding,
        "batch_normalize": int(
            section.integer("batch_normalize", 0) != 0 or section.integer("cbn", 0) != 0
        ),
    }


def _vectors(numbers: dict[str, int], count: int) -> tuple[Blob, ...]:
    if numbers["batch_normalize"]:
        return tuple(Blob(role, (count,)) for role in ("shift", "scale", "mean", "variance"))
    return (Blob("bias", (count,)),)


def _shared(draft: Layer, before: list[Layer], weight: Blob) -> int | None:
    """Layer whose weights this one uses (AlexeyAB's ``share_index``)."""
    section = draft.section
    asked = section.integer("share_index", _NO_SHARING)
    if asked == _NO_SHARING:
        return None
    index = asked if asked >= 0 else draft.index + asked
    if not 0 <= index < len(before):
        raise section.error(f"share_index={asked}: no such layer before this one", "share_index")
    index = before[index].numbers.get("share", index)
    owner = before[index]
    if owner.type != "convolutional" or weight not in owner.blobs:
        raise section.error(
            f"share_index={asked}: the weights of layer {owner.name} have another shape",
            "share_index",
        )
    return index


def _why_opaque(layer: Layer) -> str | None:
    section, numbers = layer.section, layer.numbers
    for key in _UNLOWERED:
        if section.integer(key, 0):
            return f"opaque layer {layer.index} of type 'convolutional' with {key}=1"
    if numbers["dilation"] > 1 and numbers["padding"] != numbers["size"] // 2:
        return f"opaque layer {layer.index} of type 'convolutional' with dilation but not pad=1"
    return None


def deconvolutional(draft: Layer) -> Layer:
    """``[deconvolutional]``: output ``(h - 1) * stride + size - 2 pad``; weights (in, out, k, k).

    Raises:
        ModelError: settings that no deconvolution can have.
    """
    section, given = draft.section, need_image(draft)
    numbers = _geometry(section)
    size, filters = numbers["size"], numbers["filters"]
    h, w = (
        (side - 1) * stride + size - 2 * numbers["padding"]
        for side, stride in ((given.h, numbers["stride_y"]), (given.w, numbers["stride_x"]))
    )
    if h < 1 or w < 1:
        raise section.error(f"[{section.type}] leaves nothing of its {given} input")
    weight = Blob("weight", (given.c, filters, size, size))
    return attrs.evolve(
        draft,
        output=Shape(filters, h, w),
        numbers=numbers,
        activation=section.text("activation", "logistic"),
        blobs=(*_vectors(numbers, filters), weight),
    )


def connected(draft: Layer, transposed: bool) -> Layer:
    """``[connected]``: the whole input, flattened as channels, rows, columns.

    Raises:
        ModelError: ``output`` is not positive.
    """
    section = draft.section
    output = positive(section, "output", 1)
    normalized = int(section.integer("batch_normalize", 0) != 0)
    blobs = [
        Blob("shift" if normalized else "bias", (output,)),
        Blob("weight", (output, draft.input.size), transposed),
    ]
    if normalized:
        blobs += [Blob(role, (output,)) for role in ("scale", "mean", "variance")]
    return attrs.evolve(
        draft,
        output=Shape(output),
        numbers={"output": output, "batch_normalize": normalized},
        activation=section.text("activation", "logistic"),
        blobs=tuple(blobs),
    )


def local(draft: Layer) -> Layer:
    """``[local]``: own weights at every position, one bias for every output value.

    ``local_out_height`` counts ``(h - size) / stride + 1`` positions where ``pad`` is 0 and
    ``(h - 1) / stride + 1`` else, which is what a padding of one gives for size 3 only.

    Raises:
        ModelError: settings that no such layer can have.
    """
    section, given = draft.section, need_image(draft)
    filters, size = positive(section, "filters", 1), positive(section, "size", 1)
    stride, pad = positive(section, "stride", 1), int(section.integer("pad", 0) != 0)
    reach = 1 if pad else size
    if given.h < reach or given.w < reach:
        raise section.error(f"[local] of size {size} does not fit its {given} input")
    out = Shape(filters, (given.h - reach) // stride + 1, (given.w - reach) // stride + 1)
    weight = (out.h * out.w * filters, given.c * size * size, 1, 1)
    opaque = None
    if pad and size != 3:
        opaque = f"opaque layer {draft.index} of type 'local' with pad=1 but not size=3"
    return attrs.evolve(
        draft,
        output=out,
        numbers={"filters": filters, "size": size, "stride": stride, "pad": pad},
        activation=section.text("activation", "logistic"),
        blobs=(Blob("bias", (filters, out.h, out.w)), Blob("weight", weight)),
        opaque=opaque,
    )
