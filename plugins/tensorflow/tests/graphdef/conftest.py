"""Low-level graphs made on the spot, and TensorFlow to run what is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus.grouping import find_groups
from prunus.masking import mask
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.selection import choose_units

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def tf() -> Any:
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.fixture(scope="session")
def models() -> Path:
    here = Path(__file__).resolve()
    root = Path(os.environ.get("PRUNUS_SHARED", here.parents[5] / "shared"))
    found = root / "data" / "models" / "tensorflow"
    if not found.is_dir():
        pytest.skip(f"shared models not found under {root}")
    return found


@attrs.frozen(eq=False)
class Tools:
    """TensorFlow's side of a test."""

    tf: Any
    directory: Path

    def make(self, build: Callable[[Any, Any], Any], seed: int = 0, name: str = "net") -> Source:
        """Build a graph, give every variable random values, write pbtxt and checkpoint."""
        tf, tf1 = self.tf, self.tf.compat.v1
        with tf.Graph().as_default() as graph, tf1.Session() as session:
            tf1.set_random_seed(seed)
            build(tf, tf1)
            saver = tf1.train.Saver() if tf1.global_variables() else None
            if saver is not None:
                session.run(tf1.global_variables_initializer())
                rng = np.random.default_rng(seed)
                for variable in tf1.global_variables():
                    size = [int(n) for n in variable.shape]
                    if variable.dtype.base_dtype == tf.float32 and size:
                        positive = "var" in variable.op.name or "gamma" in variable.op.name
                        low = 0.5 if positive else -0.5
                        variable.load(rng.uniform(low, low + 1, size).astype("f4"), session)
                saver.save(session, str(self.directory / name), write_meta_graph=False)
            tf1.train.write_graph(graph, str(self.directory), f"{name}.pbtxt", as_text=True)
        weights = self.directory / name if saver is not None else None
        return Source(self.directory / f"{name}.pbtxt", weights)

    def run(
        self,
        model: Path,
        weights: Path | None,
        outputs: tuple[str, ...],
        feed: Mapping[str, Any],
    ) -> list[np.ndarray]:
        """Run plain TensorFlow on written files; no code of ours in between."""
        tf, tf1 = self.tf, self.tf.compat.v1
        from google.protobuf import text_format

        def name(tensor: str) -> str:
            return tensor if ":" in tensor else f"{tensor}:0"

        with tf.Graph().as_default(), tf1.Session() as session:
            if model.suffix == ".meta":
                tf1.train.import_meta_graph(str(model)).restore(session, str(weights))
            else:
                graph = tf1.GraphDef()
                if model.suffix == ".pbtxt":
                    text_format.Parse(model.read_text(), graph)
                else:
                    graph.ParseFromString(model.read_bytes())
                tf.graph_util.import_graph_def(graph, name="")
                if weights is not None:
                    session.run("save/restore_all", {"save/Const:0": str(weights)})
            return session.run([name(o) for o in outputs], {name(k): v for k, v in feed.items()})

    def halve(
        self, network: Network, directory: Path, seed: int = 0, **options: str
    ) -> tuple[Network, Compact, Written]:
        """Remove half of every group and write the result."""
        from prunus.compaction import compact

        grouping = find_groups(network)
        rng = np.random.default_rng(seed)
        keep = {
            group.name: choose_units(group, rng.random(group.size), max(group.size // 2, 1))
            for group in grouping.groups
        }
        masked = mask(network, grouping, keep)
        smaller = compact(masked, grouping, keep)
        directory.mkdir()
        from prunus_tensorflow import graphdef

        written = graphdef.write(masked, smaller, Destination(directory, "compact", None, options))
        return masked, smaller, written


@pytest.fixture
def tools(tf: Any, tmp_path: Path) -> Tools:
    return Tools(tf, tmp_path)


def feed_for(network: Network, batch: int = 3, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        value.name: rng.normal(size=(batch, *(int(n) for n in value.shape[1:]))).astype("f4")
        for value in network.model.graph.inputs
    }


def neutral(network: Network, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    found = Session(network.model).run(feed)
    return [found[name] for name in network.origin.outputs]


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-12))
