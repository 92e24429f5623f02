"""Inputs of trainers, and the shared part of every training loop."""

from __future__ import annotations

from prunus.training.job import Progress, TrainingJob, Weights

__all__ = ["Progress", "TrainingJob", "Weights"]
