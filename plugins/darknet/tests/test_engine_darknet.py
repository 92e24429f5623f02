"""The engine Darknet passes the kit, on a classifier and on a detector of two heads."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import prunus
from prunus.testing import engine_checks
from prunus_darknet.cfg import parse_cfg
from prunus_darknet.library import library
from prunus_darknet.testing.random_weights import write_random_weights

pytestmark = [
    pytest.mark.darknet,
    pytest.mark.skipif(library() is None, reason="real Darknet is not installed"),
]

NET = "[net]\nbatch=1\nsubdivisions=1\nwidth=32\nheight=32\nchannels=3\n"
CONV = (
    "[convolutional]\nbatch_normalize={bn}\nfilters={n}\nsize=3\nstride=1\npad=1\nactivation={f}\n"
)
POOL = "[maxpool]\nsize=2\nstride=2\n"
YOLO = "[yolo]\nmask={m}\nanchors=4,4, 8,8, 12,12, 16,16\nclasses=2\nnum=4\n"
NETS = {
    "classifier": NET + CONV.format(bn=1, n=8, f="leaky") + POOL + CONV.format(bn=0, n=6, f="relu")
    + "[connected]\noutput=5\nactivation=linear\n[softmax]\n",
    "detector": NET + CONV.format(bn=1, n=8, f="leaky") + POOL + CONV.format(bn=1, n=16, f="leaky")
    + CONV.format(bn=0, n=14, f="linear") + YOLO.format(m="2,3") + "[route]\nlayers=-3\n"
    + "[upsample]\nstride=2\n" + CONV.format(bn=0, n=14, f="linear") + YOLO.format(m="0,1"),
}  # fmt: skip


def networks():
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in NETS.items():
            cfg = Path(folder) / f"{name}.cfg"
            cfg.write_text(text)
            weights = cfg.with_suffix(".weights")
            write_random_weights(parse_cfg(text, cfg), weights, 0)
            found[name] = prunus.load(cfg, weights)
    return found


@pytest.mark.parametrize("check", engine_checks("darknet", networks=networks()), ids=str)
def test_conformance(check):
    check()
