"""ONNX Runtime's refusals in plain words: which layer or input, and what is wrong with it.

Its own text names source files, statuses and types, and changes with every release; it is kept
as the cause of the error (``--verbose``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_INPUTS = (
    (
        r"invalid dimensions for input: (\S+).*?index: (\d+) Got: (\d+) Expected: (\d+)",
        "input '{0}' has size {2} on axis {1}, the network takes {3}",
    ),
    (
        r"Invalid rank for input: (\S+) Got: (\d+) Expected: (\d+)",
        "input '{0}' has {1} axes, the network takes {2}",
    ),
    (
        r"input data type\. Actual: \(tensor\((\w+)\)\).*?\(tensor\((\w+)\)\)",
        "an input holds {0} numbers, the network takes {1}",
    ),
    (r"Required inputs \(\['?([^']*)'?.*\) are missing", "input '{0}' has no samples"),
    (r"Graph output \((.*?)\) does not exist", "output '{0}' is made by no layer"),
    (r"Node input '(.*?)' is not a graph input", "value '{0}' is read and made by no layer"),
    (r"Duplicate definition(?:-site)?(?: of name| for) \((.*?)\)", "value '{0}' is made twice"),
    (r"not acyclic", "its layers form a circle"),
    (r"only \*guarantees\* support", "its opset is newer than ONNX Runtime knows"),
    (
        r"Failed to allocate memory|bad allocation|bad_alloc",
        "there is not enough memory for its values",
    ),
    (
        r"Initializer '(.*?)': data field",
        "initializer '{0}' holds other numbers than its shape says",
    ),
)
"""Pattern -> sentence about the whole graph, an input or a value."""

_NODES = (
    r"running (?P<op>\w+) node\. Name:'(?P<name>[^']*)'",
    r"Node \((?P<name>.*?)\) Op \((?P<op>\w+)\)",
    r"In Node, \(\"(?P<name>[^\"]*)\", (?P<op>\w+)",
    r"operator \((?P<op>\w+)\) in node \((?P<name>.*?)\)",
    r"implementation for (?P<op>\w+)\(\d+\) node with name '(?P<name>[^']*)'",
    r"op_type:(?P<op>\w+), node name: (?P<name>[^)]*)\)",
    r"[Nn]ode:? ?'?(?P<name>[^\s'()]+)'?(?P<op>)",
)
"""Ways in which it names a layer and its operator."""

_CAUSES = (
    (
        r"implementation|NOT_IMPLEMENTED|No Op registered",
        "ONNX Runtime has no such operator for these numbers",
    ),
    (
        r"(?:input|output) size|number of (?:inputs|outputs)",
        "it has too many or too few inputs or outputs",
    ),
    (r"Type Error|type mismatch|element type|\[TypeInference", "it takes numbers of another type"),
    (r"[Aa]ttribute", "an attribute is missing, unknown or out of range"),
    (
        r"(?i)shape|dimension|size|rank|broadcast|channel|axis|axes|bound",
        "sizes do not fit each other",
    ),
)
"""Word in the text -> what is wrong with a layer."""

_UNKNOWN = "it cannot be run"

_MEND = "see --verbose"


def refusal(error: Exception, operators: Mapping[str, str]) -> str:
    """The refusal of ONNX Runtime, without its own words: ``layer 'fc' (Gemm): sizes do not …``.

    Args:
        error: What it raised.
        operators: Node of the graph -> its operator. The engine gives nodes that it fuses or adds
            names of its own, most of which hold the name of the first fused one.
    """
    text = " ".join(str(error).split())
    for pattern, sentence in _INPUTS:
        found = re.search(pattern, text)
        if found:
            return sentence.format(*found.groups())
    cause = next((said for pattern, said in _CAUSES if re.search(pattern, text)), _UNKNOWN)
    for pattern in _NODES:
        found = re.search(pattern, text)
        if found:
            return f"{_subject(found['name'], found['op'], operators)}: {cause}; {_MEND}"
    return f"the graph: {cause}; {_MEND}"


def _subject(name: str, operator: str, operators: Mapping[str, str]) -> str:
    """The layer as the graph calls it, or the operator of a node that the engine made."""
    if name not in operators:
        held = [
            node for node in operators if re.search(rf"(?<![\w/]){re.escape(node)}(?![\w])", name)
        ]
        if not held:
            return f"an operator {operator}" if operator else "the graph"
        name = max(held, key=len)
        operator = operators[name]
    return f"layer '{name}'" + (f" ({operator})" if operator else "")
