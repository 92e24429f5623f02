"""From cfg sections to layer records: shapes, settings and the order of weights.

Format facts: the ``parse_*`` functions of Darknet's ``src/parser.c`` and the
``make_*_layer`` functions beside it, of both forks.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from prunus.plugin import ModelError, check_room
from prunus_darknet.cfg import Cfg, Section
from prunus_darknet.dialect import Dialect
from prunus_darknet.lower.activation import KNOWN_ACTIVATIONS, OPAQUE_ACTIVATIONS
from prunus_darknet.records.checks import need_image, positive
from prunus_darknet.records.combining import JOINS
from prunus_darknet.records.heads import HEADS, check_head
from prunus_darknet.records.layers import NETWORK_INPUT, Blob, Layer, Shape, Structure
from prunus_darknet.records.weighted import connected, convolutional, deconvolutional, local

ALIASES = {
    "conv": "convolutional",
    "deconv": "deconvolutional",
    "conn": "connected",
    "max": "maxpool",
    "avg": "avgpool",
    "local_avg": "local_avgpool",
    "soft": "softmax",
    "lrn": "normalization",
    "Gaussian_yolo": "gaussian_yolo",
    "logxent": "logistic",
}
_RECURRENT = frozenset({"rnn", "gru", "lstm", "crnn", "conv_lstm", "history"})
_OTHER_WEIGHTS = {
    "dontload": "keeps the layer out of the weights file",
    "dontsave": "keeps the layer out of the weights file",
    "dontloadscales": "keeps scales and statistics out of the weights file",
    "numload": "says that the weights file holds fewer filters",
}
"""Keys of any layer that change the order of weights (``load_weights_upto``)."""

_LARGEST_MAP = 2**31 - 1
"""Darknet counts the values of a layer in an ``int``."""


def read_structure(cfg: Cfg, dialect: Dialect, transposed: bool = False) -> Structure:
    """Layer records of a cfg.

    Args:
        cfg: The parsed cfg.
        dialect: Which line's rules hold where the two forks differ.
        transposed: The weights file holds fully connected weights as (in, out).

    Raises:
        ModelError: a setting no Darknet could build a layer from, with its line.
    """
    shape = _network_input(cfg.net)
    given = shape
    layers: list[Layer] = []
    notes: list[str] = []
    for index, section in enumerate(cfg.layers):
        source = index - 1 if index else NETWORK_INPUT
        kind = ALIASES.get(section.type, section.type)
        draft = Layer(index, kind, section, (source,), shape, shape)
        layer = _activated(_built(draft, layers, dialect, transposed), notes)
        _check_size(layer)
        layers.append(layer)
        shape = layer.output
    if not layers:
        raise cfg.net.error("the cfg has no layers")
    return Structure(given, tuple(layers), tuple(notes))


def _check_size(layer: Layer) -> None:
    """Refuse, before anything is allocated, a layer that no machine or not this one can compute."""
    size, section = layer.output.size, layer.section
    if size > _LARGEST_MAP:
        raise section.error(
            f"layer {layer.name} would give {size} values, Darknet counts to {_LARGEST_MAP}; "
            "check width, height and filters"
        )
    held = (layer.input.size + size) * 4
    check_room(held, f"{section.path}:{section.line}: layer {layer.name}", ModelError)


def _activated(layer: Layer, notes: list[str]) -> Layer:
    """Opaque where the activation cannot be lowered; a note where Darknet does not know it."""
    name = layer.activation
    if name in OPAQUE_ACTIVATIONS and layer.opaque is None:
        reason = f"opaque layer {layer.index} of type '{layer.type}' with activation={name}"
        return attrs.evolve(layer, opaque=reason)
    if name not in KNOWN_ACTIVATIONS:
        where = f"{layer.section.path.name}:{layer.section.line}"
        notes.append(f"{where}: unknown activation={name}: relu, as in Darknet itself")
    return layer


def _network_input(net: Section) -> Shape:
    h, w, c = (net.integer(key, 0) for key in ("height", "width", "channels"))
    inputs = net.integer("inputs", 0)
    if h > 0 and w > 0 and c > 0:
        if inputs not in (0, h * w * c):
            raise net.error(
                f"inputs={inputs} in [net] is another number than width, height and channels "
                f"give ({h * w * c}); leave one of them out",
                "inputs",
            )
        return Shape(c, h, w)
    if inputs > 0:
        return Shape(inputs, image=False)
    raise net.error("[net] needs width, height and channels above 0, or inputs")


def _built(draft: Layer, before: list[Layer], dialect: Dialect, transposed: bool) -> Layer:
    kind, section = draft.type, draft.section
    if kind in _RECURRENT:
        raise section.error(
            f"[{section.type}] is recurrent; prunus reads feed-forward Darknet networks only"
        )
    for key, effect in _OTHER_WEIGHTS.items():
        if section.integer(key, 0):
            raise section.error(
                f"{key}={section.text(key, '')} in [{section.type}] {effect}; such files are not "
                "read: save the weights without it",
                key,
            )
    if kind in HEADS:
        return check_head(draft)
    if kind == "connected":
        return connected(draft, transposed)
    if kind in JOINS:
        return JOINS[kind](draft, before, dialect)
    if kind == "convolutional":
        return convolutional(draft, before)
    if kind == "batchnorm":
        return _batchnorm(draft, dialect)
    if kind in _PLAIN:
        return _PLAIN[kind](draft)
    reason = f"opaque layer {draft.index} of type '{kind}'"
    return attrs.evolve(_implicit(draft) if kind == "implicit" else draft, opaque=reason)


def _implicit(draft: Layer) -> Layer:
    """Its weights are its output (``make_implicit_layer``)."""
    out = Shape(positive(draft.section, "filters", 128), positive(draft.section, "atoms", 1), 1)
    return attrs.evolve(draft, output=out, blobs=(Blob("raw", (out.size,)),))


def _maxpool(draft: Layer) -> Layer:
    section, given = draft.section, need_image(draft)
    stride = positive(section, "stride", 1)
    numbers = {
        "stride_x": positive(section, "stride_x", stride),
        "stride_y": positive(section, "stride_y", stride),
        "size": positive(section, "size", stride),
    }
    size = numbers["size"]
    padding = section.integer("padding", size - 1)
    numbers["padding"] = padding
    opaque = None
    for key in ("antialiasing", "maxpool_zero_nonmax"):
        if section.integer(key, 0):
            opaque = f"opaque layer {draft.index} of type 'maxpool' with {key}=1"
    if section.integer("maxpool_depth", 0) and draft.type == "maxpool":
        # the largest of every out_channels-th channel (forward_maxpool_layer)
        out = Shape(positive(section, "out_channels", 1), given.h, given.w)
        opaque = f"opaque layer {draft.index} of type 'maxpool' with maxpool_depth=1"
        return attrs.evolve(draft, output=out, opaque=opaque)
    if not 0 <= padding < size:
        opaque = f"opaque layer {draft.index} of type 'maxpool' with padding={padding}, size={size}"
    h, w = given.h + padding - size, given.w + padding - size
    if h < 0 or w < 0:
        raise section.error(f"[{draft.type}] of size {size} does not fit its {given} input")
    out = Shape(given.c, h // numbers["stride_y"] + 1, w // numbers["stride_x"] + 1)
    return attrs.evolve(draft, output=out, numbers=numbers, opaque=opaque)


def _avgpool(draft: Layer) -> Layer:
    return attrs.evolve(draft, output=Shape(need_image(draft).c))


def _batchnorm(draft: Layer, dialect: Dialect) -> Layer:
    """AlexeyAB's ``save_batchnorm_weights`` writes biases first, pjreddie's has none."""
    c = need_image(draft).c
    roles: tuple[str, ...] = ("scale", "mean", "variance")
    roles = roles if dialect.is_pjreddie else ("shift", *roles)
    return attrs.evolve(draft, blobs=tuple(Blob(role, (c,)) for role in roles))


def _crop(draft: Layer) -> Layer:
    section, given = draft.section, need_image(draft)
    h, w = positive(section, "crop_height", 1), positive(section, "crop_width", 1)
    if h > given.h or w > given.w:
        raise section.error(f"[crop] to {h}x{w} does not fit its {given} input")
    numbers = {"noadjust": section.integer("noadjust", 0)}
    return attrs.evolve(draft, output=Shape(given.c, h, w), numbers=numbers)


def _upsample(draft: Layer) -> Layer:
    section, given = draft.section, need_image(draft)
    stride = section.integer("stride", 2)
    if stride == 0:
        raise section.error("stride=0 in [upsample]: must not be 0", "stride")
    if stride > 0:
        out = Shape(given.c, given.h * stride, given.w * stride)
    else:
        out = Shape(given.c, given.h // -stride, given.w // -stride)
    if out.size < 1:
        raise section.error(f"[upsample] by {stride} leaves nothing of its {given} input")
    return attrs.evolve(draft, output=out, numbers={"stride": stride})


def _reorg(draft: Layer) -> Layer:
    section, given = draft.section, need_image(draft)
    stride = positive(section, "stride", 1)
    reverse = section.integer("reverse", 0)
    extra, flatten = section.integer("extra", 0), section.integer("flatten", 0)
    numbers = {"stride": stride, "reverse": reverse}
    square = stride * stride
    if draft.type == "reorg" and extra > 0 and not flatten:
        out = Shape(given.size + extra, image=False)
        return attrs.evolve(draft, output=out, numbers={**numbers, "extra": extra})
    numbers["flatten"] = int(draft.type == "reorg" and flatten != 0)
    needs_channels = reverse or (draft.type == "reorg" and not flatten)
    if (needs_channels and given.c % square) or (
        not reverse and (given.h % stride or given.w % stride)
    ):
        raise section.error(f"[{section.type}]: stride {stride} does not divide its {given} input")
    if reverse:
        out = Shape(given.c // square, given.h * stride, given.w * stride)
    else:
        out = Shape(given.c * square, given.h // stride, given.w // stride)
    return attrs.evolve(draft, output=out, numbers=numbers)


def _softmax(draft: Layer) -> Layer:
    section = draft.section
    groups = positive(section, "groups", 1)
    out = Shape(draft.input.size, image=False)
    if draft.input.size % groups:
        raise section.error(f"groups={groups} does not divide {draft.input.size} inputs", "groups")
    opaque = None
    if section.has("tree"):
        opaque = f"softmax layer {draft.index} with a class tree"
    elif section.real("spatial", 0):
        opaque = f"softmax layer {draft.index} with spatial=1, which Darknet's CPU code ignores"
    return attrs.evolve(draft, output=out, numbers={"groups": groups}, opaque=opaque)


def _cost(draft: Layer) -> Layer:
    return attrs.evolve(draft, output=Shape(draft.input.size, image=False))


def _same(draft: Layer) -> Layer:
    return attrs.evolve(draft, activation=draft.section.text("activation", "linear"))


def _l2norm(draft: Layer) -> Layer:
    need_image(draft)
    return draft


_PLAIN: dict[str, Callable[[Layer], Layer]] = {
    "maxpool": _maxpool,
    "local_avgpool": _maxpool,
    "avgpool": _avgpool,
    "crop": _crop,
    "upsample": _upsample,
    "reorg": _reorg,
    "reorg3d": _reorg,
    "softmax": _softmax,
    "cost": _cost,
    "dropout": lambda draft: draft,
    "activation": _same,
    "logistic": lambda draft: draft,
    "l2norm": _l2norm,
    "deconvolutional": deconvolutional,
    "local": local,
}
