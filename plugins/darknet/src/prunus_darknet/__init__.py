"""Darknet networks for prunus: read, lower, write."""

from __future__ import annotations

__version__ = "0.1.0"
