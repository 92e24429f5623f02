"""Checkpoints that an unmodified ``tf.train.Saver`` restores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunus.plugin import ModelError, PrunusError
from prunus_tensorflow.graphdef.checkpoint import Checkpoint
from prunus_tensorflow.graphdef.cuts import Cut
from prunus_tensorflow.runtime import tensorflow


def save(checkpoint: Checkpoint, cuts: Mapping[str, Cut], prefix: Path) -> tuple[Path, ...]:
    """Write a checkpoint of the same format with the same names and types.

    Args:
        checkpoint: The original one; arrays not in ``cuts`` are copied.
        cuts: Checkpoint name -> new content.
        prefix: Prefix (V2) or file (V1) to write.

    Returns:
        The files written.

    Raises:
        PrunusError: the files cannot be written.
    """
    tf = tensorflow()
    names = [name for name in checkpoint.shapes if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    names += [name for name in checkpoint.shapes if name not in names]
    values = [_value(tf, checkpoint, name, cuts.get(name)) for name in names]
    try:
        if checkpoint.version == 1:
            tf.raw_ops.Save(filename=str(prefix), tensor_names=names, data=values)
            files = [prefix]
        else:
            tf.raw_ops.SaveV2(
                prefix=str(prefix),
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=values,
            )
            files = sorted(prefix.parent.glob(f"{prefix.name}.index")) + sorted(
                prefix.parent.glob(f"{prefix.name}.data-*")
            )
    except tf.errors.OpError as error:
        raise PrunusError(f"{prefix}: cannot write the checkpoint ({error.message})") from error
    state = prefix.parent / "checkpoint"
    state.write_text(
        f'model_checkpoint_path: "{prefix.name}"\nall_model_checkpoint_paths: "{prefix.name}"\n',
        encoding="utf-8",
    )
    return (*files, state)


def _value(tf: Any, checkpoint: Checkpoint, name: str, cut: Cut | None) -> Any:
    kind = getattr(tf, checkpoint.dtypes[name])
    old = None
    if cut is None or cut.array is None:
        old = checkpoint.array(name)
    if cut is None:
        return tf.constant(old, kind)
    array = cut.of(old) if cut.array is None else cut.array  # type: ignore[arg-type]
    if array.shape != cut.shape:
        raise ModelError(f"variable '{name}': {list(array.shape)} values for {list(cut.shape)}")
    return tf.constant(array, kind)
