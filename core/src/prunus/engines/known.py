"""Which engines there are on this machine, and by what their times are told apart."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from prunus.descriptors import Engine
from prunus.errors import PrunusError, UsageError
from prunus.host import Host

DEFAULT = "onnxruntime"
"""The engine whose time counts where nobody names another one."""


def engine_named(host: Host, name: str) -> Engine:
    """The descriptor of an engine that can run here.

    Raises:
        UsageError: there is no such engine, or it is not installed (says how to get it).
    """
    engine = host.find(Engine, name).descriptor
    assert isinstance(engine, Engine)
    lack = lack_of(engine)
    if lack is not None:
        raise UsageError(f"engine '{name}' cannot run here: {lack}")
    return engine


def lack_of(engine: Engine) -> str | None:
    """What an engine needs to run here: ``pip install openvino``; ``None`` if it can."""
    try:
        engine.version()
    except PackageNotFoundError as error:
        return f"pip install {error.name}"
    except PrunusError as error:
        return str(error)
    return None


def own_engine(host: Host) -> str:
    """The engine behind the core's own numbers, as reports name it."""
    return identity(engine_named(host, DEFAULT), default_threads())


def default_threads() -> int:
    """Threads of a run where nobody says how many: one for each processor."""
    return os.cpu_count() or 1


def identity(engine: Engine, threads: int) -> str:
    """Version, threads and processor: times hold where all of them are the same."""
    return f"{engine.name} {engine.version()}, {threads} threads, {processor()}"


def processor() -> str:
    """The processor's name where the system tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # Linux alone has this file, and a container may hide it
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
