"""Attention: computed as it is, so that what lies around it can be measured and pruned.

Formula: keras/src/layers/attention/multi_head_attention.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prunus_tensorflow.keras_model.rules.activation import softmax
from prunus_tensorflow.keras_model.rules.context import Join, Site
from prunus_tensorflow.lower.tensors import Dynamic, Unlowerable

_MASKS = ("query_mask", "value_mask", "key_mask", "attention_mask")
_MODES = ("use_causal_mask", "return_attention_scores", "training")


def multi_head(site: Site, inputs: Sequence[Dynamic]) -> Dynamic:
    """``MultiHeadAttention`` over the middle axis of (N, T, C), without masks.

    Every head mixes all channels, so none of its inputs can lose one; its own weights stay.
    """
    query, value, key = _operands(site, inputs)
    layer = site.layer
    odd = [name for name in (*_MASKS, *_MODES) if site.keywords.get(name) not in (None, False)]
    if odd:
        raise Unlowerable(f"it is called with {odd[0]}")
    if any(len(x.shape) != 3 for x in (query, value, key)) or tuple(layer._attention_axes) != (1,):
        raise Unlowerable("it attends over other axes than the middle one of three")
    if getattr(layer, "_use_gate", False) or getattr(layer, "_sliding_window", None):
        raise Unlowerable("it has a gate or a sliding window")
    for one in {id(x.value): x for x in (query, value, key)}.values():
        site.freeze(f"feeds '{site.name}' (MultiHeadAttention), which mixes channels", one)
    q = _heads(site, "query", query, layer._query_dense)
    k = _heads(site, "key", key, layer._key_dense, turned=True)
    v = _heads(site, "value", value, layer._value_dense)
    q = site.same("Mul", q, site.constant("scale", layer._inverse_sqrt_key_dim))
    batch, heads, length, _ = q.shape
    scores = site.emit("MatMul", [q.value, k.value], (batch, heads, length, k.shape[3]), range(4))
    chosen = softmax(site, scores)
    mixed = site.emit(
        "MatMul", [chosen.value, v.value], (batch, heads, length, v.shape[3]), range(4)
    )
    shape = (batch, length, heads, v.shape[3])
    mixed = site.emit("Transpose", [mixed.value], shape, range(4), perm=[0, 2, 1, 3])
    joined = (batch, length, heads * v.shape[3])
    flat = site.emit(
        "Reshape", [mixed.value, site.numbers("joined", (0, *joined[1:]))], joined, range(3)
    )
    result = _product(site, "output", flat, layer._output_dense, 2)
    site.freeze(_stays(site), result)
    return result


def _stays(site: Site) -> str:
    return f"made by '{site.name}' (MultiHeadAttention), which stays whole"


def _operands(site: Site, inputs: Sequence[Dynamic]) -> tuple[Dynamic, Dynamic, Dynamic]:
    """Query, value, key; the key is the value where none is given."""
    given = {n: site.keywords[n] for n in ("query", "value", "key") if n in site.keywords}
    named = {name: x for name, x in given.items() if isinstance(x, Dynamic)}
    first = inputs[: len(inputs) - len(named)]
    found = {**dict(zip(("query", "value", "key"), first, strict=False)), **named}
    if not {"query", "value"} <= set(found) or len(inputs) > 3:
        raise Unlowerable(f"it is called with {len(inputs)} inputs")
    return found["query"], found["value"], found.get("key", found["value"])


def _heads(site: Site, role: str, x: Dynamic, dense: Any, *, turned: bool = False) -> Dynamic:
    """(N, T, C) -> (N, heads, T, size), or (N, heads, size, T) ``turned``."""
    flat = _product(site, role, x, dense, 1)
    site.freeze(_stays(site), flat)
    _, heads, size = dense.kernel.shape
    shape = (x.shape[0], x.shape[1], heads, size)
    operand = site.numbers(f"{role}_heads", (0, *shape[1:]))
    split = site.emit("Reshape", [flat.value, operand], shape, range(4))
    order = [0, 2, 3, 1] if turned else [0, 2, 1, 3]
    moved = tuple(shape[axis] for axis in order)
    return site.emit("Transpose", [split.value], moved, range(4), perm=order)


def _product(site: Site, role: str, x: Dynamic, dense: Any, contracted: int) -> Dynamic:
    """An ``EinsumDense`` as a matrix product; its first ``contracted`` kernel axes are read."""
    kernel = np.asarray(dense.kernel.numpy(), np.float32)
    matrix = kernel.reshape(int(np.prod(kernel.shape[:contracted])), -1)
    shape = (*x.shape[:2], matrix.shape[1])
    operand = site.constant(f"{role}_kernel", matrix)
    result = site.emit("MatMul", [site.native(x).value, operand], shape, range(3))
    if dense.bias is None:
        return result
    bias = np.asarray(dense.bias.numpy(), np.float32).reshape(-1)
    return site.same("Add", result, site.constant(f"{role}_bias", bias))


JOINS: dict[str, Join] = {"MultiHeadAttention": multi_head}
