"""Progress of a training, line by line: fit for a log."""

from __future__ import annotations

import time

from prunus.plugin import Progress


class Line:
    """Prints every twentieth update."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Print it."""
        if progress.iteration % 20 and progress.iteration != progress.iterations:
            return
        metric = "" if progress.metric is None else f" mAP {progress.metric.value:.4f}"
        print(
            f"{progress.iteration}/{progress.iterations} loss {progress.loss:.3f} rate "
            f"{progress.learning_rate:.2g}{metric} {time.monotonic() - self.start:.0f} s",
            flush=True,
        )
