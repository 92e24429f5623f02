"""Inputs of a node, and outer values that its sub-graphs (If, Loop, Scan) read."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir


def reads(node: ir.Node) -> Iterator[tuple[ir.Node, int, ir.Value]]:
    """Every value of the surrounding graph a node depends on.

    Yields:
        The node itself or one inside its sub-graphs, which of its inputs, the value.
    """
    graph = node.graph
    for consumer in (node, *inside(node)):
        for index, value in enumerate(consumer.inputs):
            if value is not None and (consumer is node or value.graph is graph):
                yield consumer, index, value


def inside(node: ir.Node) -> list[ir.Node]:
    """Nodes of the sub-graphs of a node."""
    graphs: list[ir.Graph] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            graphs.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            graphs += attribute.as_graphs()
    return [inner for graph in graphs for inner in graph.all_nodes()]
