"""The same objects as several networks see them, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prunus_darknet.boxes.detections import Detection


def matched(found: Mapping[str, Sequence[Detection]]) -> list[dict[str, Detection | None]]:
    """Detections of the same class and position in all states; those left over follow."""
    result: list[dict[str, Detection | None]] = []
    for state in found:
        for one in found[state]:
            partner = max(
                (
                    row
                    for row in result
                    if row[state] is None and any(same(one, other) for other in row.values())
                ),
                key=lambda row: max(overlap(one, other) for other in row.values() if other),
                default=None,
            )
            if partner is None:
                partner = dict.fromkeys(found, None)
                result.append(partner)
            partner[state] = one
    return result


def same(one: Detection, other: Detection | None) -> bool:
    """Whether two detections are of one object."""
    return other is not None and one.chosen == other.chosen and overlap(one, other) > 0.5


def overlap(one: Detection, other: Detection) -> float:
    """Intersection over union."""
    wide = min(one.right, other.right) - max(one.left, other.left)
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    inner = max(wide, 0) * max(high, 0)
    areas = sum((x.right - x.left) * (x.bottom - x.top) for x in (one, other))
    return inner / (areas - inner)


def shown(found: Detection | None) -> str:
    """Score and corners."""
    if found is None:
        return "-"
    corners = (found.left, found.top, found.right, found.bottom)
    return f"{found.score:.2f} ({', '.join(str(round(x)) for x in corners)})"
