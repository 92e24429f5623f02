"""Allocation ``wide-first``: a group loses the larger a share, the wider it is."""

import numpy as np

from prunus.plugin import PlanError, Policy, UsageError, hookimpl

STRENGTHS = np.linspace(0, 1, 401)


@hookimpl
def prunus_register():
    return (Policy("wide-first", "wide groups lose a larger share", "mask"),)


@hookimpl
def prunus_mask(policy, planning, budget):
    if budget.rate is None:
        raise UsageError("allocation 'wide-first' needs --rate, not --threshold")
    plans = [counts(planning, budget, strength) for strength in STRENGTHS]
    rates = [rate(planning, plan) for plan in plans]
    best = int(np.argmin(np.abs(np.array(rates) - budget.rate)))
    if abs(rates[best] - budget.rate) > 0.1 * budget.rate and not budget.best_effort:
        raise PlanError(
            f"rate {budget.rate:g} is out of reach of 'wide-first'; the nearest is "
            f"{rates[best]:.4f}: ask for that, or take it with --best-effort"
        )
    return planning.keep(plans[best])


def counts(planning, budget, strength):
    """Group name -> number of units that stay."""
    widest = max((group.size for group in planning.groups), default=1)
    found = {}
    for group in planning.groups:
        levels = planning.levels(group, budget.multiple)  # what is possible, descending
        wanted = levels[0] * (1 - strength * group.size / widest)
        found[group.name] = int(levels[np.abs(levels - wanted).argmin()])
    return found


def rate(planning, plan):
    """Share of the original network's MACs that a plan removes."""
    kept = np.array([plan[group.name] for group in planning.groups])
    return float(1 - planning.cost.macs(kept) / planning.cost.total)
