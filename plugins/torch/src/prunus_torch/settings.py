"""Options of the trainer and what torch itself is set to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs
import torch

from prunus.plugin import UsageError


def processors() -> int:
    """Processors this process may use, its share of them where ``torchrun`` started several.

    All of the machine's where the system does not say.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        count = os.cpu_count() or 1
    return max(1, count // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


@attrs.frozen
class Settings:
    """Options by name, as given to the trainer.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        threads: Threads of one operation; every processor by default.
        temperature: Softening of scores in distillation.
        batchnorm: ``recipe``, or ``frozen``: running statistics are kept and used in training,
            whatever the recipe says.
    """

    device: str = "cpu"
    threads: int = attrs.field(factory=processors)
    temperature: float = 4.0
    batchnorm: str = "recipe"


def settings_from(options: Mapping[str, str]) -> Settings:
    """Read the options.

    Raises:
        UsageError: an unknown name or an unusable value.
    """
    kinds = {"batchnorm": str, "device": str, "temperature": float, "threads": int}
    values: dict[str, object] = {}
    for name, text in options.items():
        if name not in kinds:
            raise UsageError(
                f"trainer torch has no option '{name}'; it takes {', '.join(sorted(kinds))}"
            )
        try:
            values[name] = kinds[name](text)
        except ValueError:
            raise UsageError(f"trainer torch: option {name}={text} is not a number") from None
    settings = Settings(**values)  # type: ignore[arg-type]
    if settings.threads < 1 or not settings.temperature > 0:
        raise UsageError("trainer torch: threads and temperature must be positive")
    if settings.batchnorm not in ("recipe", "frozen"):
        raise UsageError(
            f"trainer torch: option batchnorm={settings.batchnorm}: give recipe or frozen"
        )
    return settings


def device_of(settings: Settings) -> torch.device:
    """The device, if this machine has it.

    Raises:
        UsageError: it has not.
    """
    try:
        device = torch.device(settings.device)
        if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"trainer torch: device '{settings.device}' cannot be used ({reason})"
        ) from error
    return device


@contextmanager
def torch_set(settings: Settings) -> Iterator[None]:
    """Threads and random state for the time of a training; both are put back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)
