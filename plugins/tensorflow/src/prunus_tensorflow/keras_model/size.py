"""How large the weights of a serialised model are, before any is made."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from prunus.plugin import ModelError, check_room
from prunus_tensorflow.quiet import quiet

_WAITING = "uninitialized_variables"


def check_size(path: Path, config: Any, custom: Mapping[str, Any]) -> None:
    """Refuse a model that states more weights than this machine holds.

    Keras makes the layers in a scope in which variables have shapes and no values. What it cannot
    make so is left to the loading itself to explain.

    Args:
        path: The file, for messages.
        config: The serialised model; no code of it runs.
        custom: Classes and functions besides Keras' own.

    Raises:
        ModelError: it does.
    """
    import keras

    if not isinstance(config, dict):
        raise ModelError(f"{path}: its configuration is no model; save the model again")
    plain = {key: value for key, value in config.items() if key != "compile_config"}
    try:
        with quiet(), keras.saving.custom_object_scope(dict(custom)), _shapes_alone():
            weights = _make(plain).weights
            declared = sum(prod(int(size) for size in one.shape) for one in weights)
    except Exception:  # noqa: BLE001 - loading says what is wrong
        return
    check_room(4 * declared, f"{path}: its layers", ModelError)


@contextmanager
def _shapes_alone() -> Iterator[None]:
    """Variables get no values, at the end neither.

    Source: keras/src/backend/common/{stateless_scope,variables}.py: the end of the scope would
    give values to all variables that are listed as waiting for some.
    """
    import keras
    from keras.src.backend.common import global_state

    with keras.StatelessScope():
        try:
            yield
        finally:
            global_state.set_global_attribute(_WAITING, [])


def _make(config: Any) -> Any:
    import keras

    if "module" in config:
        return keras.saving.deserialize_keras_object(config, safe_mode=True)
    from keras.src.legacy.saving.saving_utils import model_from_config
    from keras.src.saving.serialization_lib import SafeModeScope

    with SafeModeScope(True):
        return model_from_config(copy.deepcopy(config))
