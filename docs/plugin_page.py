"""The references of the three public modules, read off signatures and docstrings."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import Any

import attrs
from docstrings import markdown

import prunus
from prunus import plugin, testing
from prunus.testing import command_line, nets, strategies
from prunus.testing.checks_plugin import HEAVY

HEAD = """\
# prunus.plugin

All names a plugin may import, beside the test kit `prunus.testing`; written by
`python docs/generate.py`. How they may change: [public interfaces](stability.md). The functions
that a plugin itself gives: [hooks](hooks.md). In types, `ir` is the package `onnx_ir` and `np` is
numpy; `(C,)` is the shape of an array.

| name | meaning |
| --- | --- |
"""

PYTHON_HEAD = """\
# prunus

What `import prunus` offers; written by `python docs/generate.py`. A first example, and what
samples are: [prune from Python](../how-to/from-python.md). How names may change:
[public interfaces](stability.md). In types, `np` is numpy; `(C,)` is the shape of an array.

| name | meaning |
| --- | --- |
"""

TESTING_HEAD = """\
# prunus.testing

The test kit for authors of plugins; written by `python docs/generate.py`. The other module of
prunus that a plugin may import is [`prunus.plugin`](plugin.md). `prunus[testing]` installs pytest
and hypothesis with it; only `prunus.testing.strategies` needs them. How names may change:
[public interfaces](stability.md).

## Modules to import late

Registering a plugin happens in every command, `prunus --help` too. A module that holds hooks
therefore imports these inside its functions; the check `imports-cheaply` refuses them at its top:

{heavy}

Slow as well, though no part of the check: `onnx_ir` (it imports sympy), `onnx` and `scipy`. Names
of `prunus.plugin` cost nothing until they are imported; import those that need the graph library
inside functions too (`Session`, `GraphBuilder`, `find_groups`).

"""

_KIT = (testing, nets, strategies, command_line)
"""Modules of the test kit that plugins may import."""

_ENTRY = re.compile(r"^(\w+(?:, \w+)*): (.*)$")


@attrs.frozen
class _Shown:
    """A default value, by the text that stands for it."""

    text: str

    def __repr__(self) -> str:
        return self.text


def plugin_page() -> str:
    """An index of all names, then a section for each."""
    names = plugin.__all__
    sections = "\n".join(_section(plugin, name) for name in names)
    return HEAD + _index(plugin, names) + "\n\n" + sections


def python_page() -> str:
    """The functions and values of `import prunus`: functions first, in the order of a pruning."""
    functions = "load stat analyze plan prune finetune compact evaluate export".split()
    names = [*functions, *(name for name in prunus.__all__ if name not in functions)]
    assert set(names) == set(prunus.__all__)
    sections = "\n".join(_section(prunus, name) for name in names)
    return PYTHON_HEAD + _index(prunus, names) + "\n\n" + sections


def testing_page() -> str:
    """Modules to import late, then an index and a section a name for each module of the kit."""
    parts = [TESTING_HEAD.format(heavy=", ".join(f"`{name}`" for name in HEAVY))]
    for module in _KIT:
        names = public_names(module)
        doc = inspect.cleandoc(module.__doc__ or "")
        rows = "| name | meaning |\n| --- | --- |\n" + _index(module, names)
        parts += [f"# Names of {module.__name__}\n", _prose(doc), f"{rows}\n"]
        parts += [_section(module, name) for name in names]
    return "\n".join(parts)


def public_names(module: ModuleType) -> list[str]:
    """Names of a module: those it lists, else those it defines and documents."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    body = ast.parse(inspect.getsource(module)).body
    found = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node, below in pairwise(body):
        match node, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str())),
            ):
                found.append(name)
    return [name for name in found if not name.startswith("_")]


def _index(module: ModuleType, names: Sequence[str]) -> str:
    rows = [
        f"| [`{name}`](#{anchor}) | {_cell(_summary(module, name))} |"
        for name, anchor in zip(names, _anchors(names), strict=True)
    ]
    return "\n".join(rows)


def _anchors(names: Sequence[str]) -> list[str]:
    """Anchors of the headings: lower case, and numbered where a function and a value share one."""
    lower = [name.lower() for name in names]
    seen = [lower[:position].count(anchor) for position, anchor in enumerate(lower)]
    return [
        f"{anchor}-{count}" if count else anchor for anchor, count in zip(lower, seen, strict=True)
    ]


def attribute_texts(doc: str) -> dict[str, str]:
    """Attribute -> its text in the ``Attributes:`` part of a docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in doc.partition("\nAttributes:\n")[2].splitlines():
        entry = _ENTRY.match(line.removeprefix("    "))
        if line.strip() and not line.startswith("    "):
            break
        if entry is not None:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        else:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def meanings(value: type) -> dict[str, str]:
    """Attribute -> its text, of a class and those it inherits from."""
    found: dict[str, str] = {}
    for base in reversed(value.__mro__):
        found |= attribute_texts(inspect.cleandoc(base.__doc__ or ""))
    return found


def _summary(module: ModuleType, name: str) -> str:
    """First paragraph."""
    value = getattr(module, name)
    defined = isinstance(value, type | FunctionType) and value.__doc__
    doc = _doc(value) if defined else _assigned(module, name)[1]
    return " ".join(doc.partition("\n\n")[0].split())


def _section(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    parts = [f"## {name}\n"]
    if isinstance(value, type):
        parts += _class(name, value)
    elif isinstance(value, FunctionType) and value.__doc__:
        parts += _function(name, value)
    elif isinstance(value, FunctionType):  # made by another function
        parts += [_code(name + _signature(value)), _prose(_assigned(module, name)[1])]
    else:
        text, doc = _assigned(module, name)
        parts += [_code(f"{name} = {text}"), *([_prose(doc)] if doc else [])]
    return "\n".join(parts)


def _class(name: str, value: type) -> list[str]:
    parts = []
    if "__init__" in vars(value) and not getattr(value, "_is_protocol", False):
        parts.append(_code(name + _signature(value)))
    doc = _doc(value)
    if attrs.has(value):
        parts.append(_prose(doc.partition("\nAttributes:\n")[0]))
        parts.append(_table(value, meanings(value)))
    else:
        parts.append(_prose(doc))
        made = vars(value).get("__init__")
        if isinstance(made, FunctionType) and made.__doc__:
            parts.append(_prose(_doc(made)))
    for own, member in vars(value).items():
        if not own.startswith("_"):
            parts += _member(f"{name}.{own}", member)
    return parts


def _member(name: str, member: Any) -> list[str]:
    """A method or a property; nothing for other values."""
    match member:
        case property() | functools.cached_property():
            return [f"### {name}\n", "A property.\n", _prose(_doc(member))]
        case classmethod() | staticmethod():
            return [f"### {name}\n", "Called on the class.\n", *_function(name, member.__func__)]
        case FunctionType():
            return [f"### {name}\n", *_function(name, member)]
    return []


def _function(name: str, value: FunctionType) -> list[str]:
    return [_code(name + _signature(value)), _prose(_doc(value))]


def _signature(value: Any) -> str:
    """Parameters without ``self``, one a line where they are many; annotations as in the source."""
    signature = inspect.signature(value)
    own = [_parameter(p) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    returned = signature.replace(parameters=own)
    text = str(returned).replace("'", "")
    if isinstance(value, type):
        text = text.removesuffix(" -> None")
    if len(text) < 80:
        return text
    bare = returned.replace(parameters=(), return_annotation=returned.return_annotation)
    end = "" if isinstance(value, type) else str(bare).replace("'", "")[2:]
    lines, keyword = "", False
    for parameter in own:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            lines, keyword = f"{lines}    *,\n", True
        lines += f"    {parameter},\n".replace("'", "")
    return f"(\n{lines}){end}"


def _parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    if isinstance(parameter.default, FunctionType) or parameter.default is attrs.NOTHING:
        return parameter.replace(default=_Shown("..."))
    if isinstance(parameter.default, type) and parameter.default is not parameter.empty:
        return parameter.replace(default=_Shown(parameter.default.__name__))
    if isinstance(parameter.default, str):
        return parameter.replace(default=_Shown(f'"{parameter.default}"'))
    return parameter


def _table(value: type, texts: dict[str, str]) -> str:
    """Attributes of a value: type, default, meaning."""
    rows = ["| attribute | type | default | meaning |", "| --- | --- | --- | --- |"]
    for field in attrs.fields(value):
        kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
        rows.append(
            f"| `{field.name}` | `{_cell(kind)}` | {_cell(_default(field.default))} "
            f"| {_cell(texts.get(field.name, ''))} |"
        )
    return "\n".join(rows) + "\n"


def _default(default: Any) -> str:
    if default is attrs.NOTHING:
        return ""
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return "empty" if default.factory is dict else "made for each"
    return "a function" if isinstance(default, FunctionType) else f"`{default!r}`"


def _assigned(module: ModuleType, name: str) -> tuple[str, str]:
    """Expression of a name that is no class and no function, and the docstring below it."""
    home = plugin._HOME[name] if module is plugin else (module.__name__, name)
    return _assignment(*home)


def _assignment(module: str, name: str) -> tuple[str, str]:
    source = inspect.getsource(import_module(module))
    body = ast.parse(source).body
    for node, below in zip(body, (*body[1:], None), strict=True):
        match node:
            case ast.ImportFrom(module=str(home)) if any(one.name == name for one in node.names):
                return _assignment(home, name)
            case (
                ast.Assign(targets=[ast.Name(id=found)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value)
            ) if found == name:
                match below:
                    case ast.Expr(value=ast.Constant(value=str(doc))):
                        return ast.get_source_segment(source, value) or "", inspect.cleandoc(doc)
                return ast.get_source_segment(source, value) or "", ""
    raise LookupError(f"{module} assigns no {name}")


def _doc(value: Any) -> str:
    return inspect.getdoc(value) or ""


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _prose(text: str) -> str:
    return markdown(text) if text else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
