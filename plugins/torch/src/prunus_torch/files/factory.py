"""The user's function that builds a module: ``FILE.py:function`` or ``package.module:function``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch import nn

from prunus.plugin import UsageError
from prunus_torch.module.exporting import first_line


def built(text: str) -> nn.Module:
    """What the function gives, called without arguments.

    Raises:
        UsageError: it cannot be imported, fails, or gives no module.
    """
    source, _, name = text.rpartition(":")
    if not source:
        raise UsageError(f"module={text}: write FILE.py:function or package.module:function")
    try:
        with _importing_from(Path(source).resolve().parent if _is_file(source) else Path.cwd()):
            function = getattr(_imported(source), name)
            module = function()
    except Exception as error:
        raise UsageError(f"module={text}: {first_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise UsageError(f"module={text}: gives a {type(module).__name__}, not a torch.nn.Module")
    return module


def _is_file(source: str) -> bool:
    return source.endswith(".py")


def _imported(source: str) -> ModuleType:
    if not _is_file(source):
        return importlib.import_module(source)
    spec = importlib.util.spec_from_file_location(f"prunus_user_{Path(source).stem}", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _importing_from(directory: Path) -> Iterator[None]:
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
