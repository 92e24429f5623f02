"""Removing channels for real: the same rules over kept labels give every new size."""

from prunus.compaction.compact import compact, identity

__all__ = ["compact", "identity"]
