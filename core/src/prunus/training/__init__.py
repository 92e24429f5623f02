"""What trainers are given, and what every training loop does the same."""

from __future__ import annotations

from prunus.training.job import Progress, TrainingJob, Weights

__all__ = ["Progress", "TrainingJob", "Weights"]
