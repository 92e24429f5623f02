"""The text editor keeps every byte it was not asked to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from prunus.plugin import parse_protobuf_text
from prunus_tensorflow.graphdef.text_edit import quote


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_quoted_bytes_are_read_back(content: bytes) -> None:
    pytest.importorskip("google.protobuf")
    from google.protobuf import text_format, wrappers_pb2

    message = text_format.Parse(f"value: {quote(content)}", wrappers_pb2.BytesValue())
    assert message.value == content
    (value,) = parse_protobuf_text(f"value: {quote(content)}", Path("x")).root.scalars("value")
    assert value.string().encode("utf-8", "surrogateescape") == content


def test_numbers_that_are_too_many_go() -> None:
    pytest.importorskip("tensorflow")
    from google.protobuf import text_format
    from tensorflow.core.framework import graph_pb2

    from prunus_tensorflow.graphdef.text_edit import edit_text

    def graph(numbers: str, size: int) -> str:
        return (
            f'node {{\n  name: "a"\n  attr {{\n    key: "value"\n    value {{ tensor {{\n'
            f"      dtype: DT_FLOAT\n      tensor_shape {{ dim {{ size: {size} }} }}\n{numbers}"
            "    } }\n  }\n}\n"
        )

    for old, new in (
        (" float_val: 1.5\n float_val: 2\n float_val: 3\n", " float_val: 1.5\n float_val: 3\n"),
        ("      float_val: [1.5, 2, 3]\n", "      float_val: [1.5, 3]\n"),
        ("      float_val: [1.5, 2], float_val: 3\n", "      float_val: [1.5, 3], \n"),
    ):  # fmt: skip
        before, after = graph_pb2.GraphDef(), graph_pb2.GraphDef()
        text_format.Parse(graph(old, 3), before)
        text_format.Parse(graph("float_val: [1.5, 3]", 2), after)
        edited = edit_text(graph(old, 3), Path("x"), before, after)
        assert edited == graph(new, 2)
        assert text_format.Parse(edited, graph_pb2.GraphDef()) == after
