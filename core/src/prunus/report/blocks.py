"""What is drawn of a network: layers with weights, places where paths meet, and their links."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import attrs
import onnx_ir as ir

if TYPE_CHECKING:
    from prunus.network import Network

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators drawn as a bar where they read an initializer."""

_SIGNS = {"Add": "+", "Sum": "+", "Sub": "−", "Mul": "×", "Concat": "‖"}
"""Of places where paths meet; others have a dot."""

_SHAPED = frozenset("Reshape Expand Slice Resize Upsample Gather Tile Pad Unsqueeze Clip".split())
"""Operators whose further inputs are sizes and bounds, not a path of the network."""


@attrs.frozen
class Block:
    """One part of the drawing.

    Attributes:
        node: Name of its node, or of the graph input.
        layer: Native layer name.
        operator: ONNX operator; ``Input`` for a graph input.
        kind: ``layer``, ``join`` or ``input``.
        sign: Character of a join.
        sources: Positions of the blocks it reads, ascending, each once.
        followed: Layers without weights behind it, which are not drawn.
        outputs: Graph outputs that it makes.
    """

    node: str
    layer: str
    operator: str
    kind: str
    sign: str = ""
    sources: tuple[int, ...] = ()
    followed: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def blocks_of(network: Network) -> tuple[Block, ...]:
    """The parts of a network, sources first."""
    layers = {node: layer for layer, nodes in network.layers.items() for node in nodes}
    graph = network.model.graph
    blocks: list[Block] = []
    made: dict[str, int] = {}
    followed: dict[int, list[str]] = {}
    for value in graph.inputs:
        if value.name not in graph.initializers:
            made[value.name or ""] = len(blocks)
            blocks.append(Block(value.name or "", value.name or "", "Input", "input"))
    for node in graph:
        name = node.name or ""
        layer = layers.get(name, name)
        sources = _sources(node, made)
        weighted = node.op_type in WEIGHTED and _reads_weight(node, graph.initializers)
        if weighted or len(sources) > 1:
            kind = "layer" if weighted else "join"
            sign = "" if weighted else _SIGNS.get(node.op_type, "·")
            position = len(blocks)
            blocks.append(Block(name, layer, node.op_type, kind, sign, sources))
        elif sources:
            position = sources[0]
            followed.setdefault(position, []).append(layer)
        else:
            continue  # computed of constants alone
        for value in node.outputs:
            made[value.name or ""] = position
    ends = [(made.get(value.name or ""), value.name or "") for value in graph.outputs]
    return tuple(
        attrs.evolve(
            block,
            followed=_others(followed.get(position, ()), block.layer),
            outputs=tuple(name for end, name in ends if end == position),
        )
        for position, block in enumerate(blocks)
    )


def _sources(node: ir.Node, made: Mapping[str, int]) -> tuple[int, ...]:
    read = node.inputs[:1] if node.op_type in _SHAPED else node.inputs
    names = [value.name or "" for value in read if value is not None]
    return tuple(sorted({made[name] for name in names if name in made}))


def _reads_weight(node: ir.Node, initializers: Collection[str]) -> bool:
    return any(value is not None and value.name in initializers for value in node.inputs[:2])


def _others(layers: Collection[str], own: str) -> tuple[str, ...]:
    return tuple(layer for layer in dict.fromkeys(layers) if layer != own)
