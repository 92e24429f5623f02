"""The built-in analyses; what measures is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prunus.descriptors import Descriptor, Policy
from prunus.hookspecs import hookimpl

if TYPE_CHECKING:
    from prunus.analysis.analysis import Analysis
    from prunus.network import Network
    from prunus.sensitivity import Sensitivity


@hookimpl
def prunus_register() -> Iterable[Descriptor]:
    """Three analyses."""
    return (
        Policy(
            "fast",
            "every group after compensation, at few ratios, joined by local errors",
            "analyze",
        ),
        Policy("exact", "every group, every ratio, on masked activations", "analyze"),
        Policy(
            "sweep", "every trial as a network of its own; for --metric module:function", "analyze"
        ),
    )


@hookimpl
def prunus_analyze(policy: str, network: Network, analysis: Analysis) -> Sensitivity:
    """Measure by the named analysis."""
    if policy == "fast":
        from prunus.analysis.fast import analyze
    elif policy == "exact":
        from prunus.analysis.exact import analyze
    else:
        from prunus.analysis.sweep import analyze
    return analyze(network, analysis)
