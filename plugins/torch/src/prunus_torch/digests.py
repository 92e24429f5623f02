"""Digests of a job of this trainer."""

from __future__ import annotations

from prunus.plugin import TrainingJob, job_digests
from prunus_torch.settings import Settings


def digests_of(job: TrainingJob, settings: Settings) -> dict[str, str]:
    """Word for the user -> hex digest; distillation depends on its temperature, too."""
    digests = job_digests(job)
    if job.teacher is not None:
        digests["teacher"] += f" {settings.temperature:g}"
    return digests
