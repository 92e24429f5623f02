"""The function of a signature as one flat graph with its variables as constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunus.plugin import ModelError
from prunus_tensorflow.error_text import first_line
from prunus_tensorflow.quiet import quiet


def frozen(path: Path, function: Any) -> Any:
    """Lay a signature's function out as one graph.

    Args:
        path: The SavedModel, for messages.
        function: The concrete function.

    Raises:
        ModelError: TensorFlow cannot.
    """
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    try:
        with quiet():
            return convert_variables_to_constants_v2(function, lower_control_flow=False)
    except Exception as error:
        if "AssignVariableOp" in str(error):
            raise ModelError(
                f"{path}: its function changes a variable, as random layers (RandomFlip, …) do: "
                "export the model without them"
            ) from error
        raise ModelError(
            f"{path}: its function cannot be laid out as one graph: {first_line(error)}"
        ) from error
