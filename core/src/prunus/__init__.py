"""prunus: makes trained networks really smaller, in their own framework's files."""

from __future__ import annotations

__version__ = "0.1.0"
