"""Sharing ``medians``: as many weights on each value, the median of them."""

import numpy as np

from prunus.plugin import Sharing, hookimpl


@hookimpl
def prunus_register():
    return (Sharing("medians", "medians of equally many weights each"),)


@hookimpl
def prunus_share(sharing, weight, values, count):
    parts = np.array_split(np.sort(values), min(count, values.size))
    return np.unique([part[part.size // 2] for part in parts])
