"""Criterion ``largest``: the largest absolute weight of the filters."""

import numpy as np

from prunus.plugin import Criterion, hookimpl


@hookimpl
def prunus_register():
    return (Criterion("largest", "largest absolute weight of the filters"),)


@hookimpl
def prunus_rank(criterion, network, group, samples, seed):
    filters = [member.slices(network) for member in group.members if member.role == "filter"]
    return np.mean([np.abs(weights).max(axis=1) for weights in filters], axis=0)
