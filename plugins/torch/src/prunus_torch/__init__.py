"""PyTorch for prunus: its modules as a format, and the trainer."""

from __future__ import annotations

__version__ = "0.1.0"

FORMAT = "torch"

TRAINER = "torch"
