"""The stack of signal handlers, which OpenVINO exchanges when it loads its plugin for processors.

The thread that loads the plugin gets a stack of the plugin's, for the registers of AMX; the plugin
frees it with the last of its models (``SigAltStackSetup`` of its ``intel_cpu/src/plugin.cpp``).
Where another thread lets the model go, the first one keeps the address of freed memory, and the
next Ctrl-C ends the process without a word.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SignalStack(ctypes.Structure):
    """``stack_t`` of Linux.

    Attributes:
        address: Where it begins.
        flags: 2 for none.
        size: Its bytes.
    """

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


def signal_stack() -> SignalStack:
    """The present one of this thread; of Linux alone."""
    found = SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found))
    return found


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Give this thread back the stack that it has now; elsewhere than on Linux, do nothing."""
    if sys.platform != "linux":
        yield
        return
    before = signal_stack()
    try:
        yield
    finally:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(before), None)
