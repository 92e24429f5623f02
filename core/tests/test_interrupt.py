from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from prunus.interrupt import deferred


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_ctrl_c_waits():
    before = signal.getsignal(signal.SIGINT)
    with deferred() as pressed:
        assert not pressed()
        press()
        assert pressed()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_comes_twice_at_once_is_one():
    with deferred() as pressed:
        press()
        press()
        assert pressed()


def test_the_second_acts_at_once_and_the_old_handler_is_back(monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    seconds = iter((10.0, 12.0))
    monkeypatch.setattr("prunus.interrupt.time", SimpleNamespace(monotonic=lambda: next(seconds)))

    def impatient():
        with deferred():
            press()
            press()

    with pytest.raises(KeyboardInterrupt):
        impatient()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_hear_nothing():
    heard = []

    def work():
        with deferred() as pressed:
            heard.append(pressed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]
