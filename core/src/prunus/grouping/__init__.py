"""Which channels can only go together, found by labels (DESIGN section 4).

Every producing axis gives each of its channels a label. Rules carry labels
through the graph, node by node; what the rules unite becomes one unit.
"""

from prunus.grouping.find import Grouping, find_groups

__all__ = ["Grouping", "find_groups"]
