"""Whether samples look like what a network was trained on; needs no labels."""

from prunus.likeness.judge import SAMPLES, Verdict, judge

__all__ = ["SAMPLES", "Verdict", "judge"]
