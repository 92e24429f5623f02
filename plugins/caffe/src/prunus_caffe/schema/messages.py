"""Message classes built from the table in a descriptor pool of their own.

A pool of our own keeps out of the way of a ``caffe_pb2`` the user may have
imported in the same process.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "caffe"
_SCALARS = "double float int64 uint64 int32 bool string bytes uint32".split()
_Field = descriptor_pb2.FieldDescriptorProto


@cache
def message(name: str) -> Any:
    """Message class by its Caffe name (``NetParameter``, ``SolverParameter``, ``Datum``, …)."""
    return message_factory.GetMessageClass(descriptor(name))


@cache
def descriptor(name: str) -> Any:
    """Protobuf descriptor of a message."""
    return _pool().FindMessageTypeByName(f"{_PACKAGE}.{name}")


@cache
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    text = files(__package__).joinpath("caffe.table").read_text(encoding="utf-8")
    pool.Add(file_descriptor(text))
    return pool


def file_descriptor(table: str) -> Any:
    """Translate the table (its grammar is told at its top) into a FileDescriptorProto."""
    proto = descriptor_pb2.FileDescriptorProto(
        name="prunus_caffe/caffe.table", package=_PACKAGE, syntax="proto2"
    )
    enums: set[str] = set()
    pending = []
    current: Any = proto
    for line in table.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "message":
            current = proto.message_type.add(name=words[1])
        elif words[0] == "enum":
            outer = proto if not line.startswith(" ") else current
            enums.add(_enum(outer, words))
        else:
            pending.append((current, words))
    for owner, words in pending:
        _field(owner, words, enums)
    return proto


def _enum(outer: Any, words: list[str]) -> str:
    nested = isinstance(outer, descriptor_pb2.DescriptorProto)
    enum = outer.enum_type.add(name=words[1])
    for word in words[2:]:
        name, number = word.split("=")
        enum.value.add(name=name, number=int(number))
    return f"{outer.name}.{words[1]}" if nested else words[1]


def _field(owner: Any, words: list[str], enums: set[str]) -> None:
    number, name, kind = words[:3]
    repeated = kind.endswith("[]")
    kind = kind.removesuffix("[]")
    field = owner.field.add(
        name=name,
        number=int(number),
        label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
    )
    if kind in _SCALARS:
        field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
    else:
        nested = f"{owner.name}.{kind}"
        target = nested if nested in enums else kind
        field.type = _Field.TYPE_ENUM if target in enums else _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{target}"
    if "packed" in words:
        field.options.packed = True
    if "=" in words:
        field.default_value = words[words.index("=") + 1].strip('"')
