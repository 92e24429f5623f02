"""What removed channels meant moves into what remains, before any training."""

from __future__ import annotations

from prunus.recovery.recover import recover

__all__ = ["recover"]
