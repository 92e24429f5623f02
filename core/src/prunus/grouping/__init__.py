"""Which channels can only go together, read off their channel ids (DESIGN section 4)."""

from prunus.grouping.find import Grouping, find_groups

__all__ = ["Grouping", "find_groups"]
