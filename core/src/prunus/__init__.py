"""prunus: makes trained networks smaller, in their own framework's files.

The public functions and values are the names of ``__all__``; everything else is private, but for
`prunus.plugin` and `prunus.testing`, which are for people who extend prunus.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunus.api.hand_over import bench, compress, decompress, export
    from prunus.api.load import load
    from prunus.api.measure import analyze, evaluate, stat
    from prunus.api.plan import plan
    from prunus.api.prune import compact, prune
    from prunus.compression.compress import Compressed
    from prunus.engines.bench import Benched
    from prunus.errors import PrunusError
    from prunus.finetuning import finetune
    from prunus.network import Network
    from prunus.plans import Plan
    from prunus.proof import Proof
    from prunus.results import CompactNetwork, MaskedNetwork
    from prunus.sensitivity import Sensitivity
    from prunus.statistics import Statistics
    from prunus.task import Measurement

__version__ = "0.1.0"

__all__ = [
    "Benched",
    "CompactNetwork",
    "Compressed",
    "MaskedNetwork",
    "Measurement",
    "Network",
    "Plan",
    "Proof",
    "PrunusError",
    "Sensitivity",
    "Statistics",
    "analyze",
    "bench",
    "compact",
    "compress",
    "decompress",
    "evaluate",
    "export",
    "finetune",
    "load",
    "plan",
    "prune",
    "stat",
]

_HOMES = {
    "Benched": "engines.bench",
    "CompactNetwork": "results",
    "Compressed": "compression.compress",
    "MaskedNetwork": "results",
    "Measurement": "task",
    "Network": "network",
    "Plan": "plans",
    "Proof": "proof",
    "PrunusError": "errors",
    "Sensitivity": "sensitivity",
    "Statistics": "statistics",
    "finetune": "finetuning",
    **dict.fromkeys(("bench", "compress", "decompress", "export"), "api.hand_over"),
    "load": "api.load",
    **dict.fromkeys(("analyze", "evaluate", "stat"), "api.measure"),
    "plan": "api.plan",
    **dict.fromkeys(("compact", "prune"), "api.prune"),
}
"""Public name -> its module."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is used: the command line answers without all of them."""
    if name in __all__:
        return getattr(import_module(f"prunus.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'prunus' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
