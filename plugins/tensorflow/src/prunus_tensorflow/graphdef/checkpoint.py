"""Checkpoints of both formats: V2 (``.index`` and ``.data-…``) and V1 (one file).

Source: tensorflow/core/util/tensor_bundle (V2), tensor_slice_reader (V1);
TensorFlow's own reader takes both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.plugin import ModelError
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.files import prefix_of as checkpoint_prefix
from prunus_tensorflow.runtime import tensorflow


@attrs.frozen(eq=False)
class Checkpoint:
    """An opened checkpoint.

    Attributes:
        prefix: What TensorFlow's Saver calls the checkpoint's path.
        version: 1 or 2.
        shapes: Tensor name -> shape.
        dtypes: Tensor name -> numpy dtype name (``float32``, ``string``).
        reader: TensorFlow's reader.
    """

    prefix: str
    version: int
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    reader: Any

    def array(self, key: str) -> NDArray[Any]:
        """Value of one tensor.

        Raises:
            ModelError: the data files are damaged.
        """
        try:
            found = self.reader.get_tensor(key)
        except Exception as error:
            raise ModelError(
                f"{self.prefix}: tensor '{key}' cannot be read ({first_line(error)}): "
                "the checkpoint is damaged or incomplete"
            ) from error
        # numpy's own byte strings end before a zero byte
        return np.asarray(found, object if isinstance(found, bytes) else None)


def prefix_of(path: Path) -> str:
    """Checkpoint prefix of a path: prefix, any of its files, or its directory.

    Raises:
        ModelError: there is no checkpoint.
    """
    if path.is_dir():
        state = tensorflow().train.get_checkpoint_state(str(path))
        if state is None:
            raise ModelError(f"{path}: no `checkpoint` file in this directory names a checkpoint")
        return str(state.model_checkpoint_path)
    prefix = str(checkpoint_prefix(path))
    if not Path(prefix + ".index").exists() and not Path(prefix).is_file():
        raise ModelError(
            f"{path}: no such checkpoint (neither {Path(prefix).name}.index nor a V1 file)"
        )
    return prefix


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint.

    Raises:
        ModelError: it is missing, cut or something else.
    """
    prefix = prefix_of(path)
    version = 2 if Path(prefix + ".index").exists() else 1
    try:
        reader = tensorflow().train.load_checkpoint(prefix)
        shapes = reader.get_variable_to_shape_map()
        dtypes = reader.get_variable_to_dtype_map()
    except Exception as error:
        raise ModelError(f"{prefix}: not a readable checkpoint ({first_line(error)})") from error
    return Checkpoint(
        prefix,
        version,
        {name: tuple(shape) for name, shape in sorted(shapes.items())},
        {name: dtypes[name].name for name in sorted(dtypes)},
        reader,
    )
