"""A new framework registers without a change to the core: the core knows none of them.

Code, comments, docstrings and messages are read. ONNX is the core's own format.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

CORE = Path(__file__).parents[1] / "core/src/prunus"

WORDS = re.compile(
    r"caffe|darknet|tensorflow|keras|pytorch|torch|opencv|xilinx|decent_p|vai_p"
    r"|prototxt|solverstate|\.cfg\b|\bcfg\b|'\.weights|pbtxt|\.pb\b|saved_?model|checkpoint|voc\."
    r"|lmdb|leveldb|yolo|_iter_|burn_in|subdivisions|iter_size|acc_name|ana_out_file|kernel_batch"
    r"|test_iter\b|ignore_layer|vendor_",
    re.IGNORECASE,
)

ALLOWED = {
    ("cli/stat.py", "vendor_"): "the name of an option that users of the legacy tools know",
    ("host.py", "torch"): "the distribution to install for a criterion that needs gradients",
    ("finetuning.py", "torch"): "the trainer that is used unless another one is asked for",
    ("settings.py", "torch"): "the trainer that is used unless another one is asked for",
    ("steps/finetune.py", "_iter_"): "how trained weights are called, in every format",
    ("formats/onnx_fold.py", "opencv"): "a program that must load the ONNX files we write",
    ("formats/onnx_batch.py", "opencv"): "a program that must load the ONNX files we write",
    ("testing/nets/__init__.py", "yolo"): "a form of network, not a framework",
    ("testing/nets/branched.py", "yolo"): "a form of network, not a framework",
    ("testing/checks_plugin.py", "torch"): "a plugin may not import it when it is loaded",
    ("testing/checks_plugin.py", "tensorflow"): "a plugin may not import it when it is loaded",
    ("testing/checks_plugin.py", "keras"): "a plugin may not import it when it is loaded",
    ("testing/checks_plugin.py", "caffe"): "a plugin may not import it when it is loaded",
    ("testing/checks_plugin.py", "lmdb"): "a plugin may not import it when it is loaded",
}
"""File and word -> why the word may stand there. The list only gets shorter."""


def words_of(path: Path) -> Counter[tuple[str, str]]:
    name = str(path.relative_to(CORE))
    return Counter((name, word.lower()) for word in WORDS.findall(path.read_text("utf-8")))


def test_the_core_names_no_framework():
    found = set().union(*(words_of(path) for path in CORE.rglob("*.py")))
    assert sorted(found - ALLOWED.keys()) == []


def test_what_is_allowed_is_there():
    found = set().union(*(words_of(path) for path in CORE.rglob("*.py")))
    assert sorted(ALLOWED.keys() - found) == []


def test_names_of_layers_have_no_parts():
    """What a colon in a layer's name means is for its format to say (``Network.aliases``)."""
    split = re.compile(r"layer\w*\.(?:split|partition|rpartition|rsplit)\(")
    assert [str(path) for path in CORE.rglob("*.py") if split.search(path.read_text("utf-8"))] == []
