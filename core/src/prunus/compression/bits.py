"""How many values the weights of a layer may share: two to the power of a number of bits."""

from __future__ import annotations

from collections.abc import Mapping

from prunus.compression.shared import MOST_BITS
from prunus.errors import UsageError
from prunus.network import Network

CONVOLUTION, FULLY_CONNECTED = "conv", "fc"

DEFAULT: Mapping[str, int] = {CONVOLUTION: 8, FULLY_CONNECTED: 5}
"""Bits of Han, Mao, Dally 2016 for AlexNet and VGG-16."""

Bits = int | Mapping[str, int] | None
"""Of all layers, or by a layer's name, ``conv`` or ``fc``; the rest by `DEFAULT`."""


def check_names(bits: Bits, exclude: tuple[str, ...], network: Network) -> None:
    """Refuse numbers of bits out of range, and names of no layer.

    Raises:
        UsageError: there is one.
    """
    given = {"": bits} if isinstance(bits, int) else dict(bits or {})
    known = {"", *DEFAULT, *names_of(network)}
    for name in exclude:
        if name not in known:
            raise UsageError(
                f"exclude '{name}': the network has no such layer; 'prunus stat' lists them"
            )
    for name, number in given.items():
        if name not in known:
            raise UsageError(
                f"bits of '{name}': the network has no such layer; 'prunus stat' lists them, and "
                "'conv' and 'fc' mean all of a kind"
            )
        if not 1 <= number <= MOST_BITS:
            said = f"bits of '{name}'" if name else "bits"
            raise UsageError(f"{said}: {number}: a whole number from 1 to {MOST_BITS}")


def bits_of(bits: Bits, network: Network, layer: str, axes: int) -> int:
    """Bits of a layer whose weights have a number of axes."""
    if isinstance(bits, int):
        return bits
    given = {**DEFAULT, **(bits or {})}
    kind = FULLY_CONNECTED if axes == 2 else CONVOLUTION
    names = (layer, *network.aliases.get(layer, ()), kind)
    return next(given[name] for name in names if name in given)


def names_of(network: Network) -> set[str]:
    """All names of its layers that users know."""
    return {*network.layers, *(name for names in network.aliases.values() for name in names)}
