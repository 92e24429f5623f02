"""The functions a graph calls: TensorFlow knows every function of a process by one name."""

from __future__ import annotations

from itertools import count
from typing import Any

_KEPT_WHOLE = ("_XlaMustCompile", "_noinline")
"""Attributes that keep TensorFlow from inlining a call (tensorflow/core/framework/function.h)."""

_numbers = count(1)


def open_functions(message: Any) -> None:
    """Give the functions of a GraphDef new names and let all calls be inlined; edits it in place.

    Another file may hold other functions of the same names.
    """
    number = next(_numbers)
    library = message.library
    names = {one.signature.name: f"{one.signature.name}_{number}" for one in library.function}
    del library.gradient[:]
    nodes = [*message.node]
    for function in library.function:
        function.signature.name = names[function.signature.name]
        nodes += function.node_def
        for name in _KEPT_WHOLE:
            function.attr.pop(name, None)
    for node in nodes:
        node.op = names.get(node.op, node.op)
        for name in _KEPT_WHOLE:
            node.attr.pop(name, None)
        for value in node.attr.values():
            called = [value.func] if value.HasField("func") else value.list.func
            for function in called:
                function.name = names.get(function.name, function.name)
