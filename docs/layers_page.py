"""The reference of supported layers, read off the tables by which each format lowers them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

HEAD = """\
# Supported layers

Read off the code by `python docs/generate.py`. prunus computes these layers and follows the
channels through them. Whether the channels of one layer of *your* network can go, and why not, say
`prunus stat` and [`prunus explain`](../how-to/free-a-layer.md). Layers of other types stay in the
file as they are; their inputs keep all channels, and a note says so.

ncnn's layers: [prune an ncnn network](../how-to/prune-ncnn.md).

"""

FAMILIES = {
    "activation": "activations",
    "applications": "of keras.applications",
    "attention": "attention (computed, stays whole)",
    "combining": "joins and splits",
    "conv": "convolutions",
    "convolution": "convolutions",
    "dense": "fully connected",
    "einsum": "sums of products",
    "elementwise": "element by element",
    "functions": "functions (`keras.ops`, operators)",
    "local": "not shared",
    "merging": "joins",
    "movement": "joins, splits, moves",
    "norm": "normalisation",
    "normalization": "normalisation",
    "parts": "joins, splits, parts",
    "passing": "channels pass unchanged",
    "pool": "pooling",
    "pooling": "pooling",
    "recurrent": "recurrent (sizes stay)",
    "reduction": "reductions",
    "reshaping": "shapes",
    "resize": "sizes",
    "resizing": "sizes",
    "shape": "shapes",
    "shaping": "shapes",
    "single_input": "pooling, sizes, other",
    "transposed": "transposed convolutions",
    "unpooling": "pooling with indices",
    "weighted": "with weights",
}
"""Module of a rule -> its name on the page."""


def layers_page() -> str:
    """A table for each framework."""
    return HEAD + "\n".join([_onnx(), _caffe(), _darknet(), _graphs(), _keras(), _torch()])


def _onnx() -> str:
    from prunus.channel_ids.rules import RULES

    return (
        "## ONNX\n\n"
        "All operators of ONNX Runtime are computed; channels are followed through these. The\n"
        "same rules serve the other frameworks, whose layers become these operators.\n\n"
        + _families(RULES)
    )


def _caffe() -> str:
    from prunus_caffe.lower import table

    more = {
        "passed through": table.PASSING,
        "sources of samples": table.SOURCES,
        "losses (finetuning)": {"every type that ends in `Loss`"},
        "metrics": table.METRICS,
        "look at sizes alone": table.PRIORS,
        "left out": table.POST_PROCESSING | table.SILENT,
    }
    return "## Caffe\n\n" + _families(table.RULES) + _rows(more)


def _darknet() -> str:
    from prunus_darknet.lower.activation import KNOWN_ACTIVATIONS, OPAQUE_ACTIVATIONS
    from prunus_darknet.lower.combining import JOINS
    from prunus_darknet.lower.local import local
    from prunus_darknet.lower.single_input import MAPS
    from prunus_darknet.lower.weighted import WEIGHTED
    from prunus_darknet.records.heads import HEADS

    rules = {
        "with weights": {*WEIGHTED, local.__name__},
        "joins and splits": set(JOINS),
        "pooling, sizes, other": set(MAPS),
        "boxes (their inputs stay whole)": HEADS,
        "activations": KNOWN_ACTIVATIONS - OPAQUE_ACTIVATIONS,
        "opaque activations": OPAQUE_ACTIVATIONS,
    }
    return "## Darknet\n\n" + _TOP + _rows(rules) + "\nRecurrent layers are refused.\n"


def _graphs() -> str:
    from prunus_tensorflow.graphdef.rules import RULES

    return "## TensorFlow graphs and SavedModels\n\n" + _families(RULES)


def _keras() -> str:
    from prunus_tensorflow.keras_model.rules import JOINS, RULES
    from prunus_tensorflow.keras_model.rules.functions import FUNCTION_RULES

    return "## Keras\n\n" + _families({**RULES, **JOINS, **FUNCTION_RULES})


def _torch() -> str:
    from prunus_torch.operators import TABLE

    return (
        "## Trained by the trainer `torch`\n\n"
        "Operators through which [the torch trainer](../../plugins/torch/README.md) trains:\n\n"
        f"{_list(TABLE)}\n\n"
        "A network with others is trained by its own framework (`--trainer`) or by your own loop.\n"
    )


_TOP = "| | types |\n| --- | --- |\n"


def _families(rules: Mapping[str, Callable[..., object]]) -> str:
    """A row for each module of rules."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, rule in rules.items():
        found[FAMILIES[rule.__module__.rpartition(".")[2]]].add(name)
    return _TOP + _rows(found)


def _rows(rows: Mapping[str, Iterable[str]]) -> str:
    return "".join(f"| {label} | {_list(names)} |\n" for label, names in sorted(rows.items()))


def _list(names: Iterable[str]) -> str:
    ordered = sorted(names, key=str.lower)
    return ", ".join(name if " " in name else f"`{name}`" for name in ordered)
