"""Opening files of torch without running what they hold."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunus.plugin import ModelError, check_regular
from prunus_torch.module.exporting import first_line, quiet

_ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"

_INSIDE = ("state_dict", "model_state_dict", "model", "model_state", "net")
"""Where training scripts keep the state dict in a checkpoint."""


def open_program(path: Path) -> torch.export.ExportedProgram:
    """Read a ``.pt2``, tensors only: pickles inside may hold nothing else.

    Raises:
        ModelError: missing, damaged, or with objects that only an unpickler of code could read.
    """
    _check(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [name.rpartition("/")[2] for name in archive.namelist()]
            faulty = archive.testzip()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    if faulty is not None:
        raise ModelError(f"{path}: '{faulty}' in it is damaged; export it again")
    held = [name for name in entries if "custom_obj" in name or "opaque" in name]
    if held:
        raise ModelError(
            f"{path}: holds an object of a class of its own ({held[0]}), which only code could "
            "read; export the module without it"
        )
    try:
        with quiet(), _only_weights():
            return torch.export.load(path)
    except Exception as error:
        raise _damaged(path, error) from error


def open_checkpoint(path: Path, *, unsafe: bool) -> nn.Module | OrderedDict[str, Tensor]:
    """Read a ``.pt`` or ``.pth``: its state dict, or with ``unsafe`` the module that was pickled.

    Raises:
        ModelError: missing, damaged, without a state dict, or a pickle that would run code.
    """
    _check(path)
    try:
        with quiet():
            content = torch.load(path, map_location="cpu", weights_only=not unsafe)
    except Exception as error:
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise ModelError(
                f"{path}: holds more than tensors, and to read it runs code of the file; save "
                "module.state_dict(), or give --option unsafe=yes if you trust it"
            ) from error
        raise _damaged(path, error) from error
    return content if isinstance(content, nn.Module) else _state_in(path, content)


def _state_in(path: Path, content: Any) -> OrderedDict[str, Tensor]:
    """The state dict of a checkpoint, itself or under one of the usual keys."""
    inside = [content[key] for key in _INSIDE if isinstance(content, Mapping) and key in content]
    for found in (content, *inside):
        if isinstance(found, nn.Module):
            found = found.state_dict()
        if isinstance(found, Mapping) and found and all(map(_is_tensor, found.items())):
            state = OrderedDict(found)
            state._metadata = getattr(found, "_metadata", {})  # type: ignore[attr-defined]
            return state
    raise ModelError(
        f"{path}: holds no state dict, by itself or as {', '.join(_INSIDE)}; save "
        "module.state_dict()"
    )


def _is_tensor(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def _check(path: Path) -> None:
    try:
        check_regular(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; check --model") from error


def _damaged(path: Path, error: BaseException) -> ModelError:
    return ModelError(f"{path}: torch cannot read it: {first_line(error)}; save it again")


@contextmanager
def _only_weights() -> Iterator[None]:
    """torch.export.load unpickles code where tensors alone do not do; this forbids it."""
    before = os.environ.get(_ONLY_WEIGHTS)
    os.environ[_ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ONLY_WEIGHTS]
        else:
            os.environ[_ONLY_WEIGHTS] = before
