"""Keras model files as Keras itself loads them, and those that Keras 2 wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import ModelError, check_hdf5
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.keras_model.keras2 import modern
from prunus_tensorflow.keras_model.rewriting import (
    check_archive,
    rewritten,
    stored_config,
    stored_version,
)
from prunus_tensorflow.keras_model.size import check_size
from prunus_tensorflow.quiet import quiet
from prunus_tensorflow.runtime import tensorflow

_REWRITTEN = (
    "settings of Keras 2 that change nothing were left out; what is written loads in Keras 3"
)


@attrs.frozen(eq=False)
class Opened:
    """A model as Keras loaded it.

    Attributes:
        model: The Keras model.
        uncompiled: Why its compile settings could not be restored, if they could not.
        notes: Sentences for the user.
    """

    model: Any
    uncompiled: str | None = None
    notes: tuple[str, ...] = ()


def open_model(path: Path, custom: Mapping[str, Any], unsafe: bool = False) -> Opened:
    """The Keras model of a file, also of one that Keras 2 wrote.

    Args:
        path: ``.keras`` or HDF5.
        custom: Classes and functions besides Keras' own.
        unsafe: Take Python code out of the file.

    Raises:
        ModelError: the file is missing, damaged, too large, or needs what is not there.
    """
    tensorflow()
    if not path.exists():
        raise ModelError(f"{path}: no such file; check --model")
    config = _checked(path)
    check_size(path, config, custom)
    notes = _changed_meaning(config, stored_version(path))
    try:
        return Opened(*_loaded(path, custom, unsafe), notes)
    except Exception as error:
        try:
            with rewritten(path, config, custom) as fresh:
                if fresh is not None:
                    check_size(path, modern(config, custom), custom)
                    return Opened(*_loaded(fresh, custom, unsafe), (*notes, _REWRITTEN))
        except ModelError as setting:
            raise ModelError(f"{path}: {setting}") from error
        except Exception as second:
            raise ModelError(f"{path}: {_explain(second)}") from second
        raise ModelError(f"{path}: {_explain(error)}") from error


def _loaded(path: Path, custom: Mapping[str, Any], unsafe: bool) -> tuple[Any, str | None]:
    """The model, and why its compile settings could not be restored."""
    import keras

    with quiet(), keras.saving.custom_object_scope(dict(custom)):
        try:
            return keras.saving.load_model(path, safe_mode=not unsafe), None
        except Exception as error:  # noqa: BLE001 - the second attempt says what is wrong
            reason = first_line(error)
        return keras.saving.load_model(path, compile=False, safe_mode=not unsafe), reason


def _checked(path: Path) -> Any:
    """The serialised model in a file that is whole; says plainly what Keras says in many lines."""
    zipped = path.suffix.lower() == ".keras"
    if not zipped:
        check_hdf5(path, ModelError)
    try:
        if zipped:
            check_archive(path)
        config = stored_config(path)
    except ModelError:
        raise
    except Exception as error:  # damage shows as many types: zlib.error, NotImplementedError…
        kind = ".keras" if zipped else "HDF5"
        raise ModelError(
            f"{path}: not a readable {kind} file ({first_line(error)}); save the model again"
        ) from error
    if config is None:
        raise ModelError(
            f"{path}: holds weights without a model; give the file of model.save() as --model "
            "and this one as --weights"
        )
    return config


def _changed_meaning(config: Any, version: str) -> tuple[str, ...]:
    """Keras 3 computes an old name in another way, without a word."""
    if "'hard_sigmoid'" not in repr(config) or not version.startswith(("1.", "2.")):
        return ()
    return (
        "the model uses hard_sigmoid, which is x/6 + 1/2 in Keras 3 and was x/5 + 1/2 in Keras 2: "
        "its results differ from those of Keras 2",
    )


def names_missing_code(reason: str) -> bool:
    """True if an error of Keras is about a class or function of the user's own."""
    return _MISSING.search(reason) is not None


def _explain(error: Exception) -> str:
    """The cause in one line; Keras buries it under its own advice."""
    import keras

    chain: list[BaseException] = [error]
    while (deeper := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(deeper)
    text = " ".join(str(one) for one in chain)
    missing = _MISSING.search(text)
    if missing is not None and hasattr(keras.ops, _snake(missing["name"])):
        return (
            f"holds '{missing['name']}', a function of keras.ops, which Keras does not read from "
            "HDF5: save the model as .keras"
        )
    if missing is not None and missing["name"].endswith(("OpLambda", "OpLayer")):
        return (
            f"holds a TensorFlow function as a layer ('{missing['name']}' of Keras 2), which Keras "
            "3 cannot read: save the model as a SavedModel with Keras 2"
        )
    if missing is not None:
        return (
            f"needs '{missing['name']}', which is not Keras' own: give "
            "--option custom_objects=FILE.py with its code"
        )
    if "safe_mode" in text or "unsafe" in text:
        return "holds a Lambda layer with stored code: --option unsafe=yes runs it"
    return first_line(error)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


_MISSING = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown (?:layer|loss|metric)[^:\n]*:) "
    r"'?(?P<name>[\w.>]+)'?"
)
