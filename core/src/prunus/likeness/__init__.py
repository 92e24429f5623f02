"""Whether samples look like what a network was trained on; needs no labels."""

from prunus.likeness.judge import Verdict, judge
from prunus.likeness.moments import SAMPLES

__all__ = ["SAMPLES", "Verdict", "judge"]
