"""One try: damage a file, read it, prune it, and let the framework load what was written."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from prunus.plugin import Destination, PlanError, PrunusError, Source
from prunus.testing import cut
from prunus_tensorflow.detect import FORMAT
from prunus_tensorflow.plugin import prunus_compact, prunus_load
from prunus_tensorflow.testing.damage.mutations import (
    damaged_bytes,
    damaged_message,
    damaged_text,
    damaged_value,
    in_zip,
)

Damage = Callable[[Path, random.Random], None]


@attrs.frozen
class Kind:
    """A kind of file.

    Attributes:
        model: Name of what is loaded.
        weights: Name of the weights, if any.
        damage: What is done to a copy of the folder.
    """

    model: str
    weights: str | None
    damage: Damage


def _file(name: str, change: Callable[[bytes, random.Random], bytes]) -> Damage:
    def damage(folder: Path, rng: random.Random) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes(), rng))

    return damage


def _proto(name: str, make: Callable[[], Any]) -> Damage:
    def damage(folder: Path, rng: random.Random) -> None:
        path = folder / name
        message = make()
        message.ParseFromString(path.read_bytes())
        path.write_bytes(damaged_message(message, rng).SerializeToString())

    return damage


def _graph() -> Any:
    from tensorflow.core.framework import graph_pb2

    return graph_pb2.GraphDef()


def _meta() -> Any:
    from tensorflow.core.protobuf import meta_graph_pb2

    return meta_graph_pb2.MetaGraphDef()


def _saved() -> Any:
    from tensorflow.core.protobuf import saved_model_pb2

    return saved_model_pb2.SavedModel()


def _json(content: bytes, rng: random.Random) -> bytes:
    return json.dumps(damaged_value(json.loads(content), rng)).encode()


def _zipped(name: str, change: Callable[[bytes, random.Random], bytes]) -> Damage:
    def damage(folder: Path, rng: random.Random) -> None:
        in_zip(folder / "net.keras", name, lambda content: change(content, rng))

    return damage


def _hdf5_config(folder: Path, rng: random.Random) -> None:
    import h5py

    with h5py.File(folder / "net.h5", "r+") as stored:
        stored.attrs["model_config"] = _json(stored.attrs["model_config"].encode(), rng)


DATA = "data-00000-of-00001"
KINDS: dict[str, Kind] = {
    "pbtxt": Kind("net.pbtxt", "net", _file("net.pbtxt", damaged_text)),
    "pbtxt-bytes": Kind("net.pbtxt", "net", _file("net.pbtxt", damaged_bytes)),
    "meta": Kind("net.meta", None, _proto("net.meta", _meta)),
    "meta-bytes": Kind("net.meta", None, _file("net.meta", damaged_bytes)),
    "pb": Kind("frozen.pb", None, _proto("frozen.pb", _graph)),
    "pb-bytes": Kind("frozen.pb", None, _file("frozen.pb", damaged_bytes)),
    "index": Kind("net.pbtxt", "net", _file("net.index", damaged_bytes)),
    "data": Kind("net.pbtxt", "net", _file(f"net.{DATA}", damaged_bytes)),
    "keras-config": Kind("net.keras", None, _zipped("config.json", _json)),
    "keras-weights": Kind("net.keras", None, _zipped("model.weights.h5", damaged_bytes)),
    "keras-bytes": Kind("net.keras", None, _file("net.keras", damaged_bytes)),
    "h5-config": Kind("net.h5", None, _hdf5_config),
    "h5-bytes": Kind("net.h5", None, _file("net.h5", damaged_bytes)),
    "saved": Kind("saved", None, _proto("saved/saved_model.pb", _saved)),
    "saved-bytes": Kind("saved", None, _file("saved/saved_model.pb", damaged_bytes)),
    "saved-index": Kind("saved", None, _file("saved/variables/variables.index", damaged_bytes)),
    "saved-data": Kind("saved", None, _file(f"saved/variables/variables.{DATA}", damaged_bytes)),
}


def tried(kind: str, seed: int, good: Path) -> str:
    """Outcome of one try: ``read``, ``refused``, or the fault that was found."""
    rng = random.Random(f"{kind}/{seed}")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text) / "in"
        shutil.copytree(good, folder)
        KINDS[kind].damage(folder, rng)
        own = KINDS[kind]
        source = Source(folder / own.model, None if own.weights is None else folder / own.weights)
        out = Path(text) / "out"
        out.mkdir()
        try:
            network = prunus_load(FORMAT, source)
            assert network is not None
            one = cut(network)
            if not one.grouping.groups:
                return "read"
            target = Destination(out, "compact")
            written = prunus_compact(FORMAT, one.masked, one.compact, target)
            assert written is not None
        except PlanError:
            return "read"
        except PrunusError as error:
            return _judged(str(error), folder, out)
        except BaseException as error:  # noqa: BLE001 - every other one is a fault
            return f"internal: {_where(error)}"
        try:
            load_in_framework(written.model, written.weights)
        except Exception as error:  # noqa: BLE001 - whatever the framework says
            if "not registered" in str(error):  # an operator that only the user has
                return "read"
            return f"unloadable: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return "read"


def _judged(text: str, folder: Path, out: Path) -> str:
    named = str(folder) in text or str(out) in text
    plain = text.replace(str(folder), "").replace(str(out), "")
    if "\n" in plain or len(plain) > 300:
        return f"long: {plain[:400]}"
    return "refused" if named else f"nameless: {plain}"


def _where(error: BaseException) -> str:
    frame = error.__traceback__
    own = ""
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if "prunus" in name and "/tests/" not in name:
            own = f"{Path(name).name}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"{type(error).__name__} at {own}: {str(error)[:200]}"


def load_in_framework(model: Path, weights: Path | None) -> None:
    """Load files as an unmodified TensorFlow or Keras does.

    Raises:
        Exception: it cannot.
    """
    import keras
    import tensorflow as tf

    if model.is_dir():
        tf.saved_model.load(str(model))
    elif model.suffix in (".keras", ".h5"):
        keras.saving.load_model(model, compile=False)
    else:
        from prunus_tensorflow.graphdef.read import read_structure

        with tf.Graph().as_default():
            tf.graph_util.import_graph_def(read_structure(model).graph, name="")
        if weights is not None:
            reader = tf.train.load_checkpoint(str(weights))
            for name in reader.get_variable_to_shape_map():
                np.asarray(reader.get_tensor(name))
