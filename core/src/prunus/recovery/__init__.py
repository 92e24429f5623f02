"""Compensation: kept weights take over for removed channels, before any training."""

from __future__ import annotations

from prunus.recovery.recover import recover

__all__ = ["recover"]
