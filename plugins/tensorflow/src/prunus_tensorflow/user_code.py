"""The user's own Python: ``FILE.py:function`` or ``module:function``."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from prunus.plugin import PluginError, UsageError
from prunus_tensorflow.error_text import failure, first_line

_FORM = re.compile(r"(?P<source>.+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")


@attrs.frozen
class Reference:
    """A function that was named, not yet imported.

    Attributes:
        source: Python file or module.
        name: Function in it.
    """

    source: str
    name: str

    @property
    def file(self) -> Path | None:
        """The file; ``None`` for a module."""
        return Path(self.source) if self.source.endswith(".py") else None

    def load(self) -> Callable[..., Any]:
        """Import it.

        Raises:
            UsageError: no such file or function.
            PluginError: importing fails (the code's own words and line).
        """
        module = load_module(self.source)
        function = getattr(module, self.name, None)
        if not callable(function):
            raise UsageError(f"{self.source}: has no function '{self.name}'")
        return function  # type: ignore[no-any-return]


def reference(text: str) -> Reference | None:
    """Read ``FILE.py:function`` or ``module:function``; ``None`` for any other text."""
    form = _FORM.fullmatch(text)
    return None if form is None else Reference(form["source"], form["name"])


def load_module(source: str) -> ModuleType:
    """Import a Python file (its neighbours may be imported by it) or a module by name.

    Raises:
        UsageError: no such file or module.
        PluginError: importing fails (the code's own words and line).
    """
    path = Path(source)
    if path.suffix != ".py":
        return _by_name(source)
    spec = importlib.util.spec_from_file_location(f"prunus_user_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"{path}: no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _importing_from(path.resolve().parent):
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise PluginError(failure(error, str(path), path)) from error
    return module


def _by_name(name: str) -> ModuleType:
    with _importing_from(Path.cwd()):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise UsageError(f"{name}: cannot be imported: {first_line(error)}") from error
        except Exception as error:
            raise PluginError(f"{name}: cannot be imported: {first_line(error)}") from error


@contextmanager
def _importing_from(directory: Path) -> Iterator[None]:
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
