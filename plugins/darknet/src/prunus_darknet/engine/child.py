"""The process that holds a network: ``python -m … LIBRARY CFG WEIGHTS``.

Commands come as lines of JSON on stdin, one answer each on stdout; the end of stdin ends it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from prunus_darknet.library import FLOATS, Image, open_library


def main(arguments: Sequence[str]) -> None:
    """Run one sample a command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide on
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Darknet prints must not come between answers
    path, cfg, weights = arguments
    darknet = open_library(path)
    darknet.get_network_image_layer.restype = Image
    darknet.get_network_image_layer.argtypes = (ctypes.c_void_p, ctypes.c_int)
    network = darknet.load_network(cfg.encode(), weights.encode(), 0)
    darknet.set_batch_network(network, 1)
    _tell(answers, ready=True)
    for line in sys.stdin:
        _tell(answers, milliseconds=_run(darknet, network, json.loads(line)))


def _run(darknet: ctypes.CDLL, network: Any, order: Any) -> float:
    data = np.ascontiguousarray(np.load(order["given"])[0], np.float32)
    start = time.perf_counter()
    answer = darknet.network_predict(network, data.ctypes.data_as(FLOATS))
    seconds = time.perf_counter() - start
    found = {}
    for name, index in order["places"].items():
        image = darknet.get_network_image_layer(network, index)
        count = image.w * image.h * image.c
        # a layer that gives no image is the last one, whose numbers are the network's answer
        source, size = (image.data, count) if count else (answer, order["sizes"][name])
        found[name] = np.ctypeslib.as_array(source, (size,)).copy()
    np.savez(order["result"], **found)  # type: ignore[arg-type]  # NumPy 1 has no allow_pickle here
    return seconds * 1e3


def _tell(answers: Any, **fields: object) -> None:
    answers.write(json.dumps(fields) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
