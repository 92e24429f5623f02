"""The structure file, ncnn's ``.param`` text, with the place of every number in it.

One layer a line, ``type name inputs outputs blob … key=value …`` below a magic number and two
counts (ncnn's docs/developer-guide/param-and-model-file-structure.md and src/paramdict.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prunus.plugin import COUNT_OR_NONE, FINITE, ModelError, read_regular
from prunus_ncnn.plugin import MAGIC

_ARRAY = -23300
"""A key of ``_ARRAY - n`` holds the array ``n``, its length first."""

_KEYS = 32
"""``NCNN_MAX_PARAM_COUNT`` of src/paramdict.h."""

_WHOLE = re.compile(r"[-+]?\d{1,10}")
_REAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")


@dataclass(frozen=True)
class Param:
    """One ``key=value`` of a layer; a single value is an array of one."""

    texts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # start and end of each text in the file
    array: bool


@dataclass(frozen=True)
class Layer:
    """One line."""

    index: int  # among the layers, from 0
    where: str  # file, line, name and type, for messages
    kind: str
    name: str
    bottoms: tuple[str, ...]  # names of the blobs it takes
    tops: tuple[str, ...]  # names of the blobs it gives
    params: Mapping[int, Param]
    end: int  # where its last word ends in the text

    def integer(self, key: int, default: int = 0) -> int:
        """A whole number.

        Raises:
            ModelError: it is a list or no whole number.
        """
        return self.integers(key, (default,), one=True)[0]

    def integers(self, key: int, default: Sequence[int] = (), one: bool = False) -> tuple[int, ...]:
        """An array of whole numbers; of exactly ``one`` where that is said."""
        param = self.params.get(key)
        if param is None:
            return tuple(default)
        if (one and param.array) or not all(_WHOLE.fullmatch(text) for text in param.texts):
            raise self.error(key, "a list of whole numbers" if not one else "a whole number")
        return tuple(int(text) for text in param.texts)

    def real(self, key: int, default: float = 0.0) -> float:
        """A number; ``1`` counts as ``1.0``, though older engines take the bits of an integer.

        Raises:
            ModelError: it is a list or no number.
        """
        return self.reals(key, (default,), one=True)[0]

    def reals(
        self, key: int, default: Sequence[float] = (), one: bool = False
    ) -> tuple[float, ...]:
        """An array of numbers; of exactly ``one`` where that is said."""
        param = self.params.get(key)
        if param is None:
            return tuple(default)
        wanted = "a number" if one else "a list of numbers"
        if (one and param.array) or not all(_REAL.fullmatch(text) for text in param.texts):
            raise self.error(key, wanted)
        numbers = tuple(float(text) for text in param.texts)
        if not all(map(FINITE.holds, numbers)):
            raise self.error(key, wanted)
        return numbers

    def error(self, key: int, wanted: str) -> ModelError:
        """The error of a key that does not hold what it must."""
        return ModelError(f"{self.where}: key {key} is {self._said(key)}; give {wanted}")

    def _said(self, key: int) -> str:
        param = self.params.get(key)
        return "missing" if param is None else repr(",".join(param.texts))


@dataclass(frozen=True)
class Structure:
    """A structure file."""

    path: Path
    text: str
    layers: tuple[Layer, ...]

    def edited(self, numbers: Mapping[tuple[int, int], Sequence[int]]) -> str:
        """The text with other numbers: (position of a layer, key) -> all numbers of the key.

        A number that stays keeps its spelling; a key that the line lacks goes to its end.
        """
        edits: list[tuple[int, int, str]] = []
        for (index, key), new in numbers.items():
            layer = self.layers[index]
            param = layer.params.get(key)
            if param is None:
                edits.append((layer.end, layer.end, f" {key}={','.join(map(str, new))}"))
                continue
            for text, span, number in zip(param.texts, param.spans, new, strict=True):
                if int(text) != number:
                    edits.append((*span, str(number)))
        pieces, done = [], 0
        for start, end, piece in sorted(edits):
            pieces += [self.text[done:start], piece]
            done = end
        return "".join([*pieces, self.text[done:]])


def read_structure(path: Path) -> Structure:
    """Read and parse a file.

    Raises:
        ModelError: it is missing or damaged; the message names the line.
    """
    try:
        text = read_regular(path).decode()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; check --model") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: is no text; give the .param file, not .param.bin") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Structure:
    """The layers of a text; ``path`` is for messages.

    Raises:
        ModelError: it is damaged; the message names the line.
    """
    lines = [line for line in _lines(text) if line[1]]
    if not lines or [word for word, _ in lines[0][1]] != [MAGIC.decode()]:
        raise ModelError(
            f"{path}: does not begin with {MAGIC.decode()}; is it an ncnn .param file?"
        )
    counts = [word for word, _ in lines[1][1]] if len(lines) > 1 else []
    if len(counts) != 2 or not all(map(_is_count, counts)):
        raise ModelError(f"{path}, line 2: expected the numbers of layers and blobs; copy it again")
    layers: list[Layer] = []
    for number, words in lines[2:]:
        layers.append(_layer(len(layers), words, f"{path}, line {number + 1}"))
    if len(layers) != int(counts[0]):
        raise ModelError(
            f"{path}: has {len(layers)} layers, line 2 says {counts[0]}; copy it again"
        )
    _check_names(layers, int(counts[1]), path)
    return Structure(path, text, tuple(layers))


def _lines(text: str) -> list[tuple[int, list[tuple[str, int]]]]:
    """Number of each line, and its words with their starts in the text."""
    found, start = [], 0
    for number, line in enumerate(text.split("\n")):
        found.append((number, [(w[0], start + w.start()) for w in re.finditer(r"\S+", line)]))
        start += len(line) + 1
    return found


def _layer(index: int, words: list[tuple[str, int]], where: str) -> Layer:
    texts = [word for word, _ in words]
    if len(texts) < 4 or not all(map(_is_count, texts[2:4])):
        raise ModelError(f"{where}: a layer is 'type name inputs outputs blobs … key=value …'")
    kind, name, takes, gives = texts[0], texts[1], int(texts[2]), int(texts[3])
    where = f"{where}: layer {name!r} of type {kind!r}"
    blobs = texts[4 : 4 + takes + gives]
    if len(blobs) < takes + gives or any("=" in word for word in blobs):
        raise ModelError(f"{where}: names fewer blobs than its {takes} inputs and {gives} outputs")
    params: dict[int, Param] = {}
    for word, start in words[4 + takes + gives :]:
        key, param = _param(word, start, where)
        if key in params:
            raise ModelError(f"{where}: has two keys {key}; remove one of them")
        params[key] = param
    last, start = words[-1]
    tops = tuple(blobs[takes:])
    return Layer(index, where, kind, name, tuple(blobs[:takes]), tops, params, start + len(last))


def _param(word: str, start: int, where: str) -> tuple[int, Param]:
    text, equals, value = word.partition("=")
    if not equals or not _WHOLE.fullmatch(text):
        raise ModelError(f"{where}: {word!r} is no key=value")
    key, start = int(text), start + len(text) + 1
    array = key <= _ARRAY
    texts = value.split(",")
    spans = []
    for one in texts:
        spans.append((start, start + len(one)))
        start += len(one) + 1
    if array:
        key = _ARRAY - key
        if not _is_count(texts[0]) or int(texts[0]) != len(texts) - 1:
            raise ModelError(f"{where}: {word!r} does not hold as many numbers as it says")
        texts, spans = texts[1:], spans[1:]
    if not 0 <= key < _KEYS:
        raise ModelError(f"{where}: has the key {key}; ncnn knows 0 to {_KEYS - 1}")
    return key, Param(tuple(texts), tuple(spans), array or len(texts) > 1)


def _check_names(layers: list[Layer], blobs: int, path: Path) -> None:
    names: set[str] = set()
    made: set[str] = set()
    for layer in layers:
        if layer.name in names:
            raise ModelError(f"{layer.where}: an earlier layer has this name; rename one of them")
        names.add(layer.name)
        for blob in layer.bottoms:
            if blob not in made:
                raise ModelError(f"{layer.where}: no layer above it gives the blob {blob!r}")
        for blob in layer.tops:
            if blob in made:
                raise ModelError(f"{layer.where}: an earlier layer gives the blob {blob!r} too")
            made.add(blob)
    if len(made) > blobs:
        raise ModelError(f"{path}: has {len(made)} blobs, line 2 says {blobs}; copy it again")


def _is_count(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,10}", text)) and COUNT_OR_NONE.holds(int(text))
