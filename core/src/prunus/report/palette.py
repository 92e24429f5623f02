"""Colours of both schemes, and the contrast between two of them."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "back": "#ffffff",
    "surface": "#f5f7fa",
    "text": "#1b2430",
    "muted": "#526071",
    "line": "#d3dae3",
    "outline": "#64748b",
    "accent": "#0b5fb0",
    "good": "#17693a",
    "bad": "#a3262e",
    "whole": "#cfd8e3",
    "ramp1": "#fdebd3",
    "ramp2": "#fbc98d",
    "ramp3": "#f09a4a",
    "ramp4": "#b9500f",
    "ramp5": "#8a2b0c",
    "on1": "#1b2430",
    "on2": "#1b2430",
    "on3": "#1b2430",
    "on4": "#ffffff",
    "on5": "#ffffff",
}
"""Colour names of the templates; ``ramp1`` to ``ramp5`` grow, ``on1`` to ``on5`` are text there."""

DARK: Mapping[str, str] = {
    "back": "#0e141b",
    "surface": "#18212b",
    "text": "#e8edf3",
    "muted": "#a3b1c2",
    "line": "#2c3947",
    "outline": "#8496aa",
    "accent": "#6cb4ff",
    "good": "#6fd08f",
    "bad": "#ff8f8f",
    "whole": "#3a4858",
    "ramp1": "#3d2b1c",
    "ramp2": "#6b4218",
    "ramp3": "#a85f16",
    "ramp4": "#e0893a",
    "ramp5": "#ffd3a1",
    "on1": "#e8edf3",
    "on2": "#e8edf3",
    "on3": "#ffffff",
    "on4": "#0e141b",
    "on5": "#0e141b",
}

TEXTS = (
    *((name, back) for name in ("text", "muted", "accent", "good", "bad")
      for back in ("back", "surface")),
    ("back", "accent"),
    *((f"on{step}", f"ramp{step}") for step in range(1, 6)),
)  # fmt: skip
"""Text and what it stands on: WCAG 2.2 AA asks for a contrast of 4.5."""

LINES = tuple((name, back) for name in ("outline", "accent") for back in ("back", "surface"))
"""Lines that carry meaning and what they stand on: a contrast of 3."""

STEPS = (0.2, 0.4, 0.6, 0.8)
"""Shares at which the next colour of the ramp begins."""


def step_of(share: float) -> int:
    """Colour of the ramp, 1 to 5, of a share in [0, 1]; 0 for nothing."""
    return 0 if share <= 0 else 1 + sum(share >= step for step in STEPS)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours ``#rrggbb``, 1 to 21, by WCAG 2.2."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def variables(colours: Mapping[str, str]) -> str:
    """Declarations of a style sheet."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
