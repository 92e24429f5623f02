"""The structure file: one layer a line, ``kind name key=value …``; ``#`` starts a comment.

A key with a hyphen, such as ``my-note``, is the user's own and says nothing to the framework.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from prunus.plugin import COUNT, COUNT_OR_NONE, ModelError, read_regular

KEYS = {
    "input": {"channels": None, "height": None, "width": None},
    "conv": {"filters": None, "size": 1, "stride": 1, "pad": 0},
    "relu": {},
    "pool": {"size": 2},
    "add": {},
    "dense": {"outputs": None},
}
"""Kind -> key -> number that holds where the line is silent; ``None``: the line must tell it."""


@dataclass(frozen=True)
class Layer:
    """One line."""

    line: int  # counted from 0
    kind: str
    name: str
    numbers: dict[str, int]
    sources: tuple[str, ...]  # names of the layers it takes its inputs from
    places: dict[str, tuple[int, int]]  # key -> start and end of its number in the text


def parse(path: Path) -> tuple[str, list[Layer]]:
    """The text of a structure file, and its layers in order.

    Raises:
        ModelError: the file is missing or damaged; the message names the line.
    """
    try:
        text = read_regular(path).decode()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; check --model") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: is no text; copy it again") from error
    layers: list[Layer] = []
    start = 0
    for number, line in enumerate(text.split("\n")):
        code = line.partition("#")[0]
        words = [(found[0], start + found.start()) for found in re.finditer(r"\S+", code)]
        if words:
            where = f"{path}, line {number + 1}"
            layers.append(_layer(words, number, layers, where))
        start += len(line) + 1
    return text, layers


def _layer(words: list[tuple[str, int]], number: int, before: list[Layer], where: str) -> Layer:
    """The layer of a line; each word comes with its start in the text."""
    if len(words) < 2:
        raise ModelError(f"{where}: a layer is 'kind name key=value …'; give it a name")
    (kind, _), (name, _), *pairs = words
    if any(layer.name == name for layer in before):
        raise ModelError(f"{where}: there are two layers {name!r}; rename one of them")
    sources = () if kind == "input" or not before else (before[-1].name,)
    numbers, places = dict(KEYS.get(kind, {})), {}
    for pair, start in pairs:
        key, _, value = pair.partition("=")
        if key == "from":
            sources = tuple(value.split(","))
        elif key in numbers:
            numbers[key] = _number(key, value, where)
            places[key] = (start + len(key) + 1, start + len(pair))
        elif kind in KEYS and "-" not in key:  # it may change the numbers the layer computes
            raise ModelError(f"{where}: layer {name!r} has the unknown key {key!r}; remove it")
    missing = [key for key, value in numbers.items() if value is None]
    if missing:
        raise ModelError(f"{where}: layer {name!r} has no {missing[0]}=; add it")
    return Layer(number, kind, name, numbers, sources, places)


def _number(key: str, value: str, where: str) -> int:
    allowed = COUNT_OR_NONE if key == "pad" else COUNT
    digits = value.lstrip("0")[:12] or "0"  # a number of twelve digits is too large already
    if not (value.isascii() and value.isdigit() and allowed.holds(int(digits))):
        raise ModelError(f"{where}: {key}={value!r}; give {allowed}")
    return int(digits)
