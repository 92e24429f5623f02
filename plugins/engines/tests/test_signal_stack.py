"""Ctrl-C in a process that has run OpenVINO; before, the process was gone without a word."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from prunus_engines.signal_stack import SignalStack, signal_stack, signal_stack_kept

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stacks are looked at on Linux")

HELD = """
import gc, signal, threading

import numpy as np
import openvino
from openvino import opset13

from prunus_engines.signal_stack import signal_stack_kept

value = opset13.parameter([1, 8], np.float32)
model = openvino.Model([opset13.relu(value)], [value])
with signal_stack_kept():
    held = [openvino.Core().compile_model(model, "CPU")]
other = threading.Thread(target=lambda: (held.clear(), gc.collect()))
other.start()
other.join()
signal.signal(signal.SIGINT, lambda *_: print("heard"))
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.openvino
def test_ctrl_c_is_heard_after_another_thread_let_the_model_go() -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    words = [sys.executable, "-X", "faulthandler", "-c", HELD]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


@pytest.mark.openvino
def test_a_network_that_is_timed_leaves_the_stack() -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    import prunus
    from prunus.testing.nets import NETS, as_network

    before = signal_stack()
    prunus.bench(as_network(NETS["lenet"](0)), engines="openvino", threads=1, seconds=0.01)
    after = signal_stack()
    assert (after.address, after.size) == (before.address, before.size)


def test_the_stack_is_put_back_after_an_error() -> None:
    before, room = signal_stack(), ctypes.create_string_buffer(1 << 16)
    other = SignalStack(ctypes.addressof(room), 0, len(room))

    def exchange() -> None:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(other), None)
        assert signal_stack().address == other.address
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"), signal_stack_kept():
        exchange()
    assert signal_stack().address == before.address
