"""PyTorch for prunus: its modules as a format, and the trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunus_torch.module.resize import resize as resize

__version__ = "0.1.0"

FORMAT = "torch"

TRAINER = "torch"


def __getattr__(name: str) -> Any:
    """`resize`, imported when it is used: it needs torch."""
    if name == "resize":
        from prunus_torch.module.resize import resize

        return resize
    raise AttributeError(f"module 'prunus_torch' has no attribute '{name}'")
