"""The verdict on some samples, and the preprocessing that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import numpy as np

from prunus.likeness.alternatives import Alternative, alternatives, range_of
from prunus.likeness.moments import PARTS, SAMPLES, Distance, StoredMoments, stored_moments
from prunus.likeness.scores import last_scores
from prunus.network import Network
from prunus.task import Array

FAR = 0.5
"""Nats; trained networks keep below 0.1 on their kind of images, preprocessed right."""

FITS = 0.1
"""Nats below which another preprocessing is said to have been meant."""

STRANGE = 50.0
"""Nats from which samples are called strange without another preprocessing that fits."""

SURE = 1000.0
"""Times the stored variance, or its inverse, from which there is no doubt where another fits."""

_CLEARER, _TURNED = 4.0, 1.25
"""How many times nearer other values, or the other order of channels, must be."""


@attrs.frozen
class Verdict:
    """Samples that do not look like what the network was trained on.

    Attributes:
        text: One sentence for the user.
        sure: There is no doubt: the variance is off a thousandfold, and another preprocessing fits.
    """

    text: str
    sure: bool


def judge(network: Network, samples: Array) -> Verdict | None:
    """Compare samples with what the network stored of its training.

    Args:
        network: A network of one input.
        samples: ``(N, ...)`` as they feed it; some are enough (`SAMPLES`).

    Returns:
        ``None`` where nothing is wrong, and where nothing can be known: fewer than 16 samples, no
        normalisation layer with stored moments and no last softmax.
    """
    chosen = samples[np.linspace(0, len(samples) - 1, min(SAMPLES, len(samples))).astype(int)]
    if len(chosen) < 2 * PARTS:
        return None
    moments = stored_moments(network)
    return _by_scores(network, chosen) if moments is None else _by_moments(moments, chosen)


def _by_moments(moments: StoredMoments, samples: Array) -> Verdict | None:
    now = moments.distance(samples)
    options = list(_options(samples, values=now.whole > FAR))
    best, found = _nearest(moments, _promising(moments, options), now)
    if best is not None and found.whole < FITS:
        if best.words and now.whole > max(FAR, _CLEARER * found.whole):
            sure = not 1 / SURE < now.ratio < SURE
            return Verdict(f"{_variance(now)}; {_meant(best, samples)}", sure)
        if not best.words and _clearly_turned(now, found):
            return Verdict(
                "the statistics of the first layers fit better with the channels in the other "
                "order; did you mean channels=bgr for rgb, or rgb for bgr?",
                sure=False,
            )
    if now.whole > STRANGE:
        return Verdict(f"{_variance(now)} (values {range_of(samples)})", sure=False)
    return None


def _by_scores(network: Network, samples: Array) -> Verdict | None:
    scores = last_scores(network)
    fault = None if scores is None else scores.fault(samples)
    if scores is None or fault is None:
        return None
    for option in _options(samples, values=True):
        if not option.turned and scores.fault(option.inputs) is None:
            return Verdict(f"{fault}; {_meant(option, samples, 'for example ')}", sure=False)
    return None


def _options(samples: Array, *, values: bool) -> Iterable[Alternative]:
    """Other preprocessings of images; of anything else none is known."""
    if samples.ndim != 4 or not {1, 3} & {samples.shape[1], samples.shape[3]}:
        return ()
    axis = 1 if samples.shape[1] in (1, 3) else 3
    return alternatives(samples, axis, values=values)


def _promising(moments: StoredMoments, options: Sequence[Alternative]) -> Iterable[Alternative]:
    """The nearest of other values by a quick look, and what turns the order of channels."""
    upright = [option for option in options if not option.turned]
    if not upright:
        return options
    best = min(upright, key=lambda option: moments.quick_distance(option.inputs).whole)
    return [option for option in options if option.words in ("", best.words)]


def _nearest(
    moments: StoredMoments, options: Iterable[Alternative], now: Distance
) -> tuple[Alternative | None, Distance]:
    """The nearest one; among equally near ones the first, and the order of channels as it is."""
    best: Alternative | None = None
    found = now
    for option in options:
        other = moments.distance(option.inputs)
        needed = _TURNED if option.turned and option.words else 1.0
        if other.whole * needed < found.whole:
            best, found = option, other
    return best, found


def _clearly_turned(now: Distance, turned: Distance) -> bool:
    """Nearer as a whole, and in all parts of the samples but one."""
    return turned.whole * _TURNED < now.whole and int((turned.parts < now.parts).sum()) >= PARTS - 1


def _variance(now: Distance) -> str:
    times = f"{now.ratio:,.0f}" if now.ratio >= 10 else f"{now.ratio:.2g}"
    return f"before layer '{now.layer}' the variance is {times} times the stored one"


def _meant(option: Alternative, samples: Array, how: str = "") -> str:
    order = " and the other order of channels" if option.turned else ""
    setting = f" ({option.setting} on pixels 0 to 255)" if option.setting else ""
    return f"values are {range_of(samples)}; did you mean {how}{option.words}{order}{setting}?"
