"""A network that an engine holds ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

Sample: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Graph input name -> ``(1, ...)``, in the layout of the neutral graph."""


def _nothing() -> None:
    """An engine in this process leaves nothing to end."""


@attrs.frozen(eq=False)
class Running:
    """A network ready to run one sample after the other (``prunus_open`` gives it).

    Attributes:
        run: Answers one sample: graph output name -> ``(1, ...)``, in the layout of the neutral
            graph; an output that the engine's file does not have is left out.
        milliseconds: Time of running one sample, by the engine's own clock, where asking it takes
            longer than its work: it lives in another process. `run` is timed without it.
        steps: Times of the engine's steps: value of the neutral graph -> milliseconds of the step
            that makes it, with all that is done in the same step. What belongs to no value counts
            under ``""``. ``None`` where the engine has no profile.
        close: Ends what lives beside this process.
    """

    run: Callable[[Sample], Mapping[str, NDArray[np.float32]]]
    milliseconds: Callable[[Sample], float] | None = None
    steps: Callable[[Sample], Mapping[str, float]] | None = None
    close: Callable[[], None] = _nothing
