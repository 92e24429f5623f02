"""The structure file: one layer a line, ``kind name key=value …``; ``#`` starts a comment."""

from __future__ import annotations

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
    for number, line in enumerate(text.split("\n")):
        words = line.partition("#")[0].split()
        if words:
            where = f"{path}, line {number + 1}"
            layers.append(_layer(words, number, layers, where))
    return text, layers


def _layer(words: list[str], number: int, before: list[Layer], where: str) -> Layer:
    if len(words) < 2:
        raise ModelError(f"{where}: a layer is 'kind name key=value …'; give it a name")
    kind, name, *pairs = words
    if any(layer.name == name for layer in before):
        raise ModelError(f"{where}: there are two layers {name!r}; rename one of them")
    sources = () if kind == "input" or not before else (before[-1].name,)
    numbers = dict(KEYS.get(kind, {}))
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key == "from":
            sources = tuple(value.split(","))
        elif key in numbers:
            numbers[key] = _number(key, value, where)
        elif kind in KEYS:
            raise ModelError(f"{where}: layer {name!r} has the unknown key {key!r}; remove it")
    missing = [key for key, value in numbers.items() if value is None]
    if missing:
        raise ModelError(f"{where}: layer {name!r} has no {missing[0]}=; add it")
    return Layer(number, kind, name, numbers, sources)


def _number(key: str, value: str, where: str) -> int:
    allowed = COUNT_OR_NONE if key == "pad" else COUNT
    if not (value.isascii() and value.isdigit() and allowed.holds(int(value[:12]))):
        raise ModelError(f"{where}: {key}={value!r}; give {allowed}")
    return int(value)
