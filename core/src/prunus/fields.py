"""Callables that a plugin gives as fields of its values: `Format` and `Task`.

Each is replaced once, where the value arrives, by one that tells a defect or an unusable answer as
the plugin's own. Makers of metrics are called through `prunus.evaluation.registered` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from prunus.descriptors import Descriptor, Format
from prunus.settings import Settings
from prunus.task import Preprocessing, Task
from prunus.third_party import contained, is_no_refusal, is_reader_defect, shown, wrong_answer

V = TypeVar("V", Format, Task)


@attrs.frozen
class Answer:
    """The contract of one field.

    Attributes:
        fits: Whether an answer can be used.
        words: Such answers, in the words of a message.
        blamed: Whether an error is a defect of the field.
    """

    fits: Callable[[object], bool]
    words: str
    blamed: Callable[[BaseException], bool]


@attrs.frozen
class Called:
    """A callable of a plugin, whose defects and unusable answers are told as the plugin's.

    Attributes:
        owner: Whose it is: ``format 'clay' of acme 1.0``.
        part: Name of the field.
        function: The plugin's own callable.
        answer: The contract.
    """

    owner: str
    part: str
    function: Callable[..., Any]
    answer: Answer

    def __call__(self, *arguments: Any) -> Any:
        """Call it.

        Raises:
            PluginError: it failed, or its answer cannot be used.
        """
        with contained(self.owner, self.part, self.answer.blamed):
            found = self.function(*arguments)
        if not self.answer.fits(found):
            raise wrong_answer(self.owner, self.part, shown(found), self.answer.words)
        return found


def _is_bool(answer: object) -> bool:
    return isinstance(answer, bool)


def _is_dataset(answer: object) -> bool:
    return all(hasattr(answer, part) for part in ("__len__", "read", "digest"))


_BOOL = "True or False"
_DATASET = "a Dataset, which has __len__, read and digest"

FORMAT: Mapping[str, Answer] = {
    "detect": Answer(_is_bool, _BOOL, is_no_refusal),
    "in_memory": Answer(_is_bool, _BOOL, is_no_refusal),
    "names_code": Answer(_is_bool, _BOOL, is_no_refusal),
    "settings": Answer(
        lambda answer: answer is None or isinstance(answer, Settings),
        "Settings or None",
        is_reader_defect,
    ),
    "data": Answer(
        lambda answer: answer is None or _is_dataset(answer),
        f"{_DATASET}, or None",
        is_reader_defect,
    ),
    "files": Answer(
        lambda answer: isinstance(answer, tuple) and all(isinstance(one, Path) for one in answer),
        "a tuple of Paths",
        is_reader_defect,
    ),
}
"""Field of a `Format` -> its contract."""

TASK: Mapping[str, Answer] = {
    "evaluation": Answer(_is_dataset, _DATASET, is_reader_defect),
    "training": Answer(_is_dataset, _DATASET, is_reader_defect),
    "preprocessing": Answer(
        lambda answer: isinstance(answer, Preprocessing), "a Preprocessing", is_reader_defect
    ),
}
"""Field of a `Task` -> its contract."""


def called_descriptor(descriptor: Descriptor, owner: str) -> Descriptor:
    """A plugin's descriptor; the fields of a format name ``owner`` where they fail."""
    return _called(descriptor, FORMAT, owner, "") if isinstance(descriptor, Format) else descriptor


def own_descriptor(descriptor: Format) -> Format:
    """The same with the plugin's own callables, for the kit, which tells their errors itself."""
    fields = {name: getattr(descriptor, name) for name in FORMAT}
    own: dict[str, Any] = {
        name: field.function for name, field in fields.items() if isinstance(field, Called)
    }
    return attrs.evolve(descriptor, **own)


def called_task(task: Task, owner: str) -> Task:
    """The task of a plugin's network; its openers name ``owner`` where they fail."""
    return _called(task, TASK, owner, "task.")


def _called(value: V, contracts: Mapping[str, Answer], owner: str, prefix: str) -> V:
    given = {name: getattr(value, name) for name in contracts}
    changed: dict[str, Any] = {
        name: Called(owner, prefix + name, function, contracts[name])
        for name, function in given.items()
        if function is not None
    }
    return attrs.evolve(value, **changed)
