"""Derivatives of the loss by the weights of groups, without labels.

Each sample's answer is drawn from what the network itself thinks likely (its own distribution of
classes; for other outputs normal noise, as large as the outputs). The mean of squared derivatives
is then the Fisher information, which is the second derivative of the loss by the approximation of
Gauss and Newton (Theis et al., Faster gaze prediction with dense networks and Fisher pruning, 2018;
Martens, New insights on the natural gradient method, JMLR 2020).

A trainer differentiates (`prunus_differentiate`): it is given the derivative by the outputs, and
knows no loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.evaluation.agreement import class_output
from prunus.evaluation.class_scores import log_probabilities
from prunus.evaluation.metrics import gives_probabilities
from prunus.evaluation.session import Session
from prunus.groups import Group, Member
from prunus.network import Network
from prunus.task import Array

_SAMPLES = 256
"""Most samples that are differentiated, spread over all: one pass forward and back for each."""

_BATCH = 32

_TINY = 1e-12

Numbers = NDArray[np.float64]

Derivatives = Callable[[Mapping[str, Array], Mapping[str, Array]], Mapping[str, Array]]
"""Answer of `prunus_differentiate`: inputs ``(N, ...)`` and derivatives by the outputs ->
derivatives by the weights, summed over samples."""


@attrs.frozen(eq=False)
class Products:
    """Weights times derivatives, summed over the part of a weight that a unit owns.

    Attributes:
        first: ``(N, C)`` sum of w dL/dw, sample by sample: the derivative by a factor of the part.
        squares: ``(C,)`` sum of w² (dL/dw)², mean over samples.
    """

    first: NDArray[np.float64]
    squares: NDArray[np.float64]


class Gradients:
    """Products of weights and derivatives for the members of groups; computed when asked for."""

    def __init__(
        self,
        network: Network,
        groups: Iterable[Group],
        samples: Mapping[str, Array],
        seed: int,
        differentiate: Callable[[tuple[str, ...]], Derivatives],
    ) -> None:
        """Compute nothing yet.

        Args:
            network: The network.
            groups: All groups that will be asked for.
            samples: Graph input name -> ``(N, ...)``.
            seed: Of the drawn answers.
            differentiate: Names of weights -> their derivatives.
        """
        self._network, self._differentiate, self._seed = network, differentiate, seed
        self._members = {
            (group.name, number): member
            for group in groups
            for number, member in enumerate(group.members)
            if member.role in ("filter", "input", "weight")
        }
        count = len(next(iter(samples.values())))
        chosen = np.linspace(0, count - 1, min(count, _SAMPLES)).round().astype(np.int64)
        self._samples = {name: array[chosen] for name, array in samples.items()}
        self.count = len(chosen)

    def of(self, group: Group, role: str) -> list[Products]:
        """Products of every member of a role: ``filter``, ``input`` or ``weight``.

        Raises:
            ModelError: the trainer cannot run the network.
        """
        return [
            self._products[group.name, number]
            for number, member in enumerate(group.members)
            if member.role == role
        ]

    @cached_property
    def _products(self) -> dict[tuple[str, int], Products]:
        names = tuple(dict.fromkeys(member.initializer for member in self._members.values()))
        derive = self._differentiate(names)
        stored = self._network.weights()
        weights = {name: np.asarray(stored[name], np.float32) for name in names}
        first: dict[tuple[str, int], list[NDArray[np.float64]]] = {k: [] for k in self._members}
        squares = {key: np.zeros(len(m.positions)) for key, m in self._members.items()}
        for inputs, cotangents in self._answers():
            found = derive(inputs, cotangents)
            for key, member in self._members.items():
                gradient = found.get(member.initializer)
                if gradient is None:  # no output depends on it
                    gradient = np.zeros_like(weights[member.initializer])
                sums = unit_sums(member, weights[member.initializer] * gradient)
                first[key].append(sums[0])
                squares[key] += sums[1]
        return {
            key: Products(np.stack(parts), squares[key] / self.count)
            for key, parts in first.items()
        }

    def _answers(self) -> Iterable[tuple[dict[str, Array], dict[str, Array]]]:
        """Each sample alone, and the derivative of its loss by the outputs."""
        draw = np.random.default_rng(self._seed)
        outputs = self._outputs()
        scales = {name: float(np.sqrt(np.mean(a**2))) or 1.0 for name, a in outputs.items()}
        classes = _class_outputs(self._network)
        for position in range(self.count):
            chosen = slice(position, position + 1)
            given = {name: array[chosen] for name, array in outputs.items()}
            yield (
                {name: array[chosen] for name, array in self._samples.items()},
                {
                    name: _drawn_class(array, classes[name], draw)
                    if name in classes
                    else _drawn_noise(array, scales[name], draw)
                    for name, array in given.items()
                },
            )

    def _outputs(self) -> dict[str, Array]:
        session = Session(self._network.model, samples=self.count)
        parts: list[dict[str, Array]] = []
        for start in range(0, self.count, _BATCH):
            batch = {name: a[start : start + _BATCH] for name, a in self._samples.items()}
            parts.append({name: a.copy() for name, a in session.run(batch).items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in session.outputs}


def unit_sums(member: Member, array: Array) -> tuple[Numbers, Numbers]:
    """Sum over each unit's part of an array of a weight's shape, and of its squares, ``(C,)``."""
    moved = np.moveaxis(array, member.axes, range(len(member.axes)))
    flat = moved.reshape(int(np.prod(moved.shape[: len(member.axes)])), -1)
    sums = flat.sum(1, dtype=np.float64)[member.positions].sum(1)
    squares = np.square(flat, dtype=np.float64).sum(1)[member.positions].sum(1)
    return sums, squares


def _class_outputs(network: Network) -> dict[str, bool]:
    """Outputs of class scores -> whether they are probabilities."""
    name = class_output(network)
    if name is None:
        return {}
    value = next(value for value in network.model.graph.outputs if value.name == name)
    return {name: gives_probabilities(value)}


def _drawn_class(scores: Array, probabilities: bool, draw: np.random.Generator) -> Array:
    """Derivative of the cross-entropy of a class drawn from the network's own probabilities."""
    logs = log_probabilities(scores, softmax=not probabilities)
    chance = np.exp(logs[0])
    chosen = int(draw.choice(len(chance), p=chance / chance.sum()))
    derivative = np.zeros_like(logs) if probabilities else np.exp(logs)
    derivative[0, chosen] -= 1 / max(chance[chosen], _TINY) if probabilities else 1.0
    return derivative.reshape(scores.shape).astype(np.float32)


def _drawn_noise(values: Array, scale: float, draw: np.random.Generator) -> Array:
    """Derivative of half the squared error, relative to the outputs' size, of a noisy answer."""
    return (draw.standard_normal(values.shape) / scale).astype(np.float32)


def mean_over_batches(products: NDArray[np.float64], size: int) -> Sequence[NDArray[np.float64]]:
    """``(N, C)`` sample by sample -> means over batches of ``size`` samples, ``(C,)`` each."""
    count = -(-len(products) // size)
    return [part.mean(0) for part in np.array_split(products, count)]
