"""The editing parser: places, oddities, errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from prunus.errors import ModelError
from prunus.formats.protobuf_text import (
    encode_text,
    parse_protobuf_text as parse,
    read_protobuf_text as read,
)
from prunus.formats.text_document import TextBlock, TextEdit, TextScalar

ODD = (
    "\ufeff# head\r\n"
    "name : 'it''s'  \"joined\"\r\n"
    'layer{name:"a"type:"B";top:\'c\',}\t# tail { not a block\n'
    "layer: < num_output : 0x10 dims: [1, 2 ,3] empty: [] sub { } >\n"
    "[ext.name] { v: -1.5e-3f }\n"
)


def test_oddities_are_read() -> None:
    root = parse(ODD, Path("odd")).root
    assert [field.name for field in root.fields] == ["name", "layer", "layer", "[ext.name]"]
    assert root.scalars("name")[0].string() == "itsjoined"
    first, second = root.blocks("layer")
    assert [(f.name, v.string()) for f in first.fields for v in f.values] == [
        ("name", "a"), ("type", "B"), ("top", "c"),
    ]  # fmt: skip
    assert [scalar.text for scalar in second.scalars("dims")] == ["1", "2", "3"]
    assert second.scalars("num_output")[0].text == "0x10"
    assert second.blocks("sub")[0].fields == ()
    assert root.blocks("[ext.name]")[0].scalars("v")[0].text == "-1.5e-3f"


def test_every_value_knows_its_place_and_line() -> None:
    document = parse(ODD, Path("odd"))

    def check(block: TextBlock) -> None:
        for field in block.fields:
            assert ODD.startswith(field.name, field.start) or field.name.startswith("[")
            for value in field.values:
                if isinstance(value, TextScalar):
                    assert value.line == ODD.count("\n", 0, value.start) + 1
                    if not value.quoted:
                        assert ODD[value.start : value.end] == value.text
                else:
                    assert ODD[value.start] in "{<"
                    assert ODD[value.end - 1] in "}>"
                    check(value)

    check(document.root)


def test_edit_changes_one_number_only() -> None:
    document = parse(ODD, Path("odd"))
    two = document.root.blocks("layer")[1].scalars("dims")[1]
    edited = document.edited([TextEdit(two.start, two.end, "77")])
    assert edited == ODD.replace("2 ,3", "77 ,3")


def test_edits_may_come_twice_but_not_overlap() -> None:
    document = parse("a: 12", Path("x"))
    assert document.edited([TextEdit(3, 5, "7"), TextEdit(3, 5, "7")]) == "a: 7"
    with pytest.raises(ValueError, match="overlap"):
        document.edited([TextEdit(3, 5, "7"), TextEdit(4, 5, "8")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer {\n  name: \"a\"\n", "x:3: expected a field name or '}', found the end of the file"),
        ("a: 1 }\n", "x:1: expected a field name, found '}'"),
        ("\na:\n}", "x:3: expected a value, found '}'"),
        ("a b: 1", "x:1: expected ':' or '{' after 'a', found 'b'"),
        ("a: [1 2]", "x:1: expected ',' or ']', found '2'"),
        ('a: "open\nb: 1', "x:1: expected a field, found an unterminated string"),
        ("a: 1\n$", "x:2: expected a field, found '$'"),
        ("a < b: 1 }", "x:1: expected a field name or '>', found '}'"),
        ("5: 1", "x:1: expected a field name, found '5'"),
        ("[a: 1", "x:1: expected ']' after an extension name, found ':'"),
        ("a {" * 70, "x:1: expected at most 64 nested blocks"),
    ],
)  # fmt: skip
def test_errors_name_line_and_expectation(text: str, message: str) -> None:
    with pytest.raises(ModelError) as error:
        parse(text, Path("x"))
    assert str(error.value) == message


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    with pytest.raises(ModelError, match=r"cannot be read \(No such file or directory\); check"):
        read(path)
    path.write_bytes(b"\0\1\2")
    with pytest.raises(ModelError, match="expected a text file, found binary data"):
        read(path)


def test_bytes_that_are_not_utf8_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.prototxt"
    data = b'# caf\xe9\r\nname: "n\xff"\n'
    path.write_bytes(data)
    assert encode_text(read(path).edited([])) == data


@given(st.text(alphabet="abz:{}<>[],;\"'#\\ \n0-9.", max_size=60))
def test_any_text_gives_a_document_or_an_error(text: str) -> None:
    try:
        document = parse(text, Path("x"))
    except ModelError:
        return
    assert document.edited([]) == text


GRAPH = """# a graph
node { name: 'a' op: "Const"  # one
  attr { key: "value" value { tensor { int_val: 3, int_val: [4, 5]; tensor_content: "x\\"}" } } }
}
node < name: "b" "c" >
versions { producer: 26 }
dim [ { size: 1 }, < size: 2 > ]
"""


def test_a_graph_is_read() -> None:
    root = parse(GRAPH, Path("graph")).root
    first, second = root.blocks("node")
    assert [value.string() for value in first.scalars("name")] == ["a"]
    assert second.scalars("name")[0].string() == "bc"
    tensor = first.blocks("attr")[0].blocks("value")[0].blocks("tensor")[0]
    assert [value.text for value in tensor.scalars("int_val")] == ["3", "4", "5"]
    assert [field.listed for field in tensor.named("int_val")] == [False, True]
    assert tensor.scalars("tensor_content")[0].string() == 'x"}'
    assert [dim.scalars("size")[0].text for dim in root.blocks("dim")] == ["1", "2"]


def test_a_field_may_go_with_its_separator() -> None:
    document = parse("a: 1; b: [2] , c { };", Path("x"))
    for name, left in (("a", "b: [2] , c { };"), ("b", "a: 1;  c { };"), ("c", "a: 1; b: [2] , ")):
        (field,) = document.root.named(name)
        assert document.edited([TextEdit(field.start, field.after, "")]).lstrip() == left
        assert document.text[field.start : field.end][-1] not in ",;"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\tb\\\"\'"', "a\tb\\\"'"),
        (r'"\303\244\xc3\xa4"', "ää"),
        (r"'\7\07\007x'", "\7\7\7x"),
        (r'"\q"', "q"),
    ],
)
def test_escapes(text: str, value: str) -> None:
    assert parse(f"a: {text}", Path("x")).root.scalars("a")[0].string() == value
