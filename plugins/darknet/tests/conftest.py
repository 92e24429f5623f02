from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prunus_darknet.cfg import parse_cfg
from prunus_darknet.library import CFG_FOLDER, library
from prunus_darknet.testing.random_weights import write_random_weights
from prunus_darknet.weights import NEW_HEADER

Files = tuple[Path, Path]
NET = "[net]\nbatch=1\nsubdivisions=1\nwidth={w}\nheight={h}\nchannels={c}\n"


@pytest.fixture
def darknet() -> Path:
    """The real library, or a skip."""
    found = library()
    if found is None:
        pytest.skip("real Darknet is not installed (Debian package darknet)")
    return found


@pytest.fixture
def cfg_folder(darknet: Path) -> Path:
    """Darknet's own cfg files, or a skip."""
    if not CFG_FOLDER.is_dir():
        pytest.skip("Darknet's cfg files are not installed (Debian package darknet)")
    return CFG_FOLDER


@pytest.fixture
def shared_models() -> Path:
    """Shared models, or a skip."""
    checkout = Path(__file__).resolve().parents[3]
    root = Path(os.environ.get("PRUNUS_SHARED", checkout.parent / "shared"))
    if not (root / "data/models/darknet").is_dir():
        pytest.skip("shared models are missing (set PRUNUS_SHARED)")
    return root / "data/models"


@pytest.fixture
def samples(shared_models: Path) -> Path:
    """Darknet's sample photographs, or a skip."""
    folder = shared_models.parent / "datasets/darknet-samples"
    if not folder.is_dir():
        pytest.skip("shared photographs are missing (set PRUNUS_SHARED)")
    return folder


@pytest.fixture
def make_files(tmp_path: Path) -> Callable[..., Files]:
    """Write layers under a ``[net]`` with random weights; gives cfg and weights."""

    def make(
        layers: str,
        *,
        c: int = 3,
        h: int = 12,
        w: int = 12,
        net: str = "",
        header: bytes = NEW_HEADER,
        seed: int = 0,
    ) -> Files:
        model, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
        model.write_text(NET.format(c=c, h=h, w=w) + net + layers)
        write_random_weights(parse_cfg(model.read_text(), model), weights, seed, header)
        return model, weights

    return make
