"""Inputs of trainers, and the shared part of every training loop."""

from __future__ import annotations

from prunus.training.job import Progress, Splicing, TrainingJob, Weights

__all__ = ["Progress", "Splicing", "TrainingJob", "Weights"]
