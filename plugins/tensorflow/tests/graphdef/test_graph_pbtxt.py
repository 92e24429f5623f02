"""The text editor keeps every byte it was not asked to change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from prunus.errors import ModelError
from prunus_tensorflow.graphdef.pbtxt import Edit, apply, parse_text, string_value
from prunus_tensorflow.graphdef.text_edit import quote

TEXT = """# a graph
node { name: 'a' op: "Const"  # one
  attr { key: "value" value { tensor { int_val: 3, int_val: [4, 5]; tensor_content: "x\\"}" } } }
}
node < name: "b" "c" >
versions { producer: 26 }
"""


def test_fields_and_places() -> None:
    root = parse_text(TEXT)
    first, second = root.all("node")
    name = first.first("name")
    assert name is not None
    assert string_value(TEXT, name) == "a"
    tensor = first.first("attr", "value", "tensor")
    assert tensor is not None
    numbers = [TEXT[f.value_start : f.value_end] for f in tensor.all("int_val")]
    assert numbers == ["3", "4", "5"]
    other = second.first("name")
    assert other is not None
    assert TEXT[other.value_start : other.value_end] == '"b" "c"'


def test_edit_changes_nothing_else() -> None:
    size = parse_text(TEXT).first("versions", "producer")
    assert size is not None
    changed = apply(TEXT, [Edit(size.value_start, size.value_end, "27")])
    assert changed == TEXT.replace("26", "27")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node {\n", "line 2: 'node' is not closed"),
        ("}\n", "line 1: a brace closes that was never opened"),
        ('node { name: "a\n}', "line 1: a string is not closed"),
        ("node { name: }", "line 1: a value was expected for 'name'"),
        ("node { a: [1, 2 }", "line 1: a value was expected for 'a'"),
    ],
)
def test_broken_text(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_text(text)
    assert str(caught.value) == message


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="node{}<>[]:,;\"\\' #ab1\n", max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        root = parse_text(text)
    except ModelError:
        return
    assert apply(text, []) == text
    stack = [root]
    while stack:
        field = stack.pop()
        assert 0 <= field.start <= field.value_start <= field.value_end <= len(text)
        stack.extend(field.children or ())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_quoted_bytes_are_read_back(content: bytes) -> None:
    pytest.importorskip("google.protobuf")
    from google.protobuf import text_format, wrappers_pb2

    message = text_format.Parse(f"value: {quote(content)}", wrappers_pb2.BytesValue())
    assert message.value == content
    assert len(parse_text(f"value: {quote(content)}").children or ()) == 1


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
        edited = edit_text(graph(old, 3), before, after)
        assert edited == graph(new, 2)
        assert text_format.Parse(edited, graph_pb2.GraphDef()) == after
