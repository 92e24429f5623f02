"""Counts of one layer before and after, as the drawing and the tables show them."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from prunus.report.numbers import percent

_NAMED = 2
"""Layers that are named where others go together with one."""


@attrs.frozen
class LayerFacts:
    """One layer with weights, or one of its nodes.

    Attributes:
        layer: Native name.
        operator: ONNX operator.
        output: Shape of its output without the batch.
        units: ``channels``, or ``weights`` where single weights go.
        size, kept: Units before and after.
        params, kept_params: Learned numbers before and after.
        macs, kept_macs: Multiply-accumulates of one input before and after.
        tied: Other layers whose channels go together with these.
        reasons: Why some or all of its channels stay.
    """

    layer: str
    operator: str
    output: tuple[int, ...]
    units: str
    size: int
    kept: int
    params: int
    kept_params: int
    macs: int
    kept_macs: int
    tied: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def removed(self) -> float:
        """Share of the units that is gone, in [0, 1)."""
        return 1 - self.kept / self.size if self.size else 0.0

    @property
    def shape(self) -> str:
        """``64×56×56``."""
        return "×".join(map(str, self.output))

    @property
    def bound(self) -> str:
        """Why its channels stay, else with which layers they go."""
        if self.reasons:
            return "; ".join(self.reasons)
        more = len(self.tied) - _NAMED
        others = f" and {more} more" if more > 0 else ""
        return f"with {', '.join(self.tied[:_NAMED])}{others}" if self.tied else ""

    @property
    def fate(self) -> str:
        """What became of the units, in a few words."""
        if self.kept == self.size:
            return f"all {self.size:,} {self.units} kept"
        gone = percent(self.removed)
        return f"{self.kept:,} of {self.size:,} {self.units} kept ({gone} removed)"


def by_layer(nodes: Iterable[LayerFacts]) -> tuple[LayerFacts, ...]:
    """One value a layer of those of its nodes: shape and units of the first, and the sums."""
    found: dict[str, LayerFacts] = {}
    for one in nodes:
        first = found.get(one.layer)
        found[one.layer] = (
            one
            if first is None
            else attrs.evolve(
                first,
                params=first.params + one.params,
                kept_params=first.kept_params + one.kept_params,
                macs=first.macs + one.macs,
                kept_macs=first.kept_macs + one.kept_macs,
            )
        )
    return tuple(found.values())
