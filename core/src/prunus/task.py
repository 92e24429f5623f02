"""Task of a network: samples, metric and training recipe, free of any framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import attrs
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Samples and results of a graph."""


@attrs.frozen(eq=False)
class Batch:
    """Some samples.

    Attributes:
        inputs: Graph input name -> float32 array ``(N, ...)`` in the graph's layout; may hold
            more, such as what a framework computes a graph input from.
        labels: ``(N,)`` int64 classes, a length-N sequence of ``(boxes, 5)``
            arrays for detection (class, centre x, centre y, width, height,
            relative to the image), or ``None`` without labels.
    """

    inputs: Mapping[str, Array]
    labels: Any = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


class Dataset(Protocol):
    """Samples addressed by position, so that any order can be resumed exactly.

    One that also has ``names``, class -> name, is shown with them in reports.
    """

    def __len__(self) -> int:
        """Number of samples."""

    def read(self, positions: NDArray[np.int64], rng: np.random.Generator | None) -> Batch:
        """Read samples ``positions`` (N,).

        ``rng`` asks for training augmentation (mirror, crop, jitter) drawn from
        it; ``None`` gives the deterministic evaluation form.
        """

    def digest(self) -> str:
        """Hex digest of content and transformation, to key stored results."""


@runtime_checkable
class NamedClasses(Protocol):
    """A data set that knows how its classes are called."""

    @property
    def names(self) -> Sequence[str]:
        """Class -> name; empty where none are given."""


@attrs.frozen(eq=False)
class Measurement:
    """One measured value.

    Attributes:
        value: The value, in the metric's own unit.
        error: Its standard error; 0 where none is defined.
    """

    value: float
    error: float = 0.0


class Metric(Protocol):
    """A number a user cares about, gathered batch by batch."""

    @property
    def name(self) -> str:
        """As the user calls it."""

    @property
    def higher_is_better(self) -> bool:
        """Direction."""

    @property
    def needs_labels(self) -> bool:
        """Whether ``observe`` reads labels."""

    def observe(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array], labels: Any
    ) -> Any:
        """Contribution of one batch.

        Args:
            outputs: Graph output name -> array of the network under test.
            reference: The same of the original network on the same inputs.
            labels: ``Batch.labels``.
        """

    def result(self, observations: Sequence[Any]) -> Measurement:
        """Combine all batches."""


@runtime_checkable
class TruthMaker(Protocol):
    """A metric that can make labels of a network's outputs.

    Those of the original network then take the place of labels: samples without any are measured by
    how far a network agrees with it.
    """

    def truth(self, outputs: Mapping[str, Array]) -> Any:
        """Labels of one batch, of the kind that ``Metric.observe`` takes.

        Args:
            outputs: Graph output name -> array.
        """


@runtime_checkable
class AnswerDistance(Protocol):
    """A metric that tells how far the answers of two networks are apart, in any small step.

    Plans are chosen by it: the metric itself, on few samples, is the same for many of them.
    """

    def distance(
        self, outputs: Mapping[str, Array], reference: Mapping[str, Array]
    ) -> NDArray[np.float64]:
        """``(N,)`` of every sample, 0 for equal answers.

        Args:
            outputs: Graph output name -> array of the network under test.
            reference: The same of the original network on the same inputs.
        """


@runtime_checkable
class PlaceFinder(Protocol):
    """A metric that tells at which places of a sample a network finds something.

    Consumers of removed channels are compensated for these places more than for the others.
    """

    def places(self, outputs: Mapping[str, Array]) -> NDArray[np.float64]:
        """``(N, h, w)`` from 0, nothing there, to 1: a grid laid evenly over the spatial axes.

        Args:
            outputs: Graph output name -> array of the original network.
        """


@attrs.frozen
class LearningRate:
    """A learning rate policy as data.

    Attributes:
        policy: Name of a rule of the framework that wrote it. A trainer says which names it
            knows, and refuses others.
        base: Learning rate before the policy acts.
        gamma, power, stepsize, steps, scales: Numbers of the rule.
        warm_up: Iterations in which the rate rises from 0 to ``base``: ``base * (i / warm_up) **
            power`` at iteration ``i``; 0 for none.
    """

    policy: str = "fixed"
    base: float = 0.01
    gamma: float = 0.1
    power: float = 1.0
    stepsize: int = 1
    steps: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    warm_up: int = 0


@attrs.frozen
class Loss:
    """One loss term.

    Attributes:
        kind: ``softmax_cross_entropy``, ``sigmoid_cross_entropy``, ``euclidean``,
            ``hinge``, or ``module:function`` of a plugin, called as
            ``function(outputs, labels, parameters)`` with the trainer's tensors.
        outputs: Graph outputs it reads.
        weight: Factor of the term.
        parameters: Further settings of the term.
    """

    kind: str
    outputs: tuple[str, ...]
    weight: float = 1.0
    parameters: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Recipe:
    """How to train, in the terms of the framework that wrote it.

    Attributes:
        solver: Name of an update rule of the framework that wrote it. A trainer says which names
            it knows, and refuses others.
        learning_rate: Policy over iterations.
        momentum, momentum2, delta, rms_decay: Numbers of the update rule.
        weight_decay, regularization: Factor, and ``L2`` or ``L1``.
        iterations: Number of weight updates.
        batch_size: Samples of one forward and backward pass.
        accumulate: Passes whose gradients are summed before an update.
        lr_mult, decay_mult: Initializer name -> factor (default 1).
        clip_gradients: Global L2 norm bound, or ``None``.
        bn_momentum: Share of the old running statistics kept at an update.
        bn_frozen: Use running statistics in training too.
        test_interval: Iterations between evaluations; 0 for the end only.
        snapshot: Iterations between resumable snapshots; 0 for the end only.
        losses: Terms to add up.
        dropout: Value name -> drop ratio: inverted dropout applied to that value in
            training only (the neutral graph itself holds no dropout).
    """

    solver: str = "SGD"
    learning_rate: LearningRate = LearningRate()
    momentum: float = 0.9
    momentum2: float = 0.999
    delta: float = 1e-8
    rms_decay: float = 0.99
    weight_decay: float = 0.0
    regularization: str = "L2"
    iterations: int = 1000
    batch_size: int = 64
    accumulate: int = 1
    lr_mult: Mapping[str, float] = attrs.field(factory=dict)
    decay_mult: Mapping[str, float] = attrs.field(factory=dict)
    clip_gradients: float | None = None
    bn_momentum: float = 0.9
    bn_frozen: bool = False
    test_interval: int = 0
    snapshot: int = 0
    losses: tuple[Loss, ...] = ()
    dropout: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen(eq=False)
class Preprocessing:
    """How an image becomes the network's input, as the network's own framework does it.

    The image is fitted, its channels are ordered, and then ``(x - mean) * scale``.

    Attributes:
        fit: Resizes and crops: ``(C, H, W)`` uint8, red first or grey, to ``(C, h, w)`` of the
            network's size, still on the scale 0 to 255.
        mean, scale: Broadcast to ``(C, h, w)`` in the network's order of channels.
        channels: ``rgb`` or ``bgr``: the network's order of three channels.
        wording: Says all of it, for digests.
    """

    fit: Callable[[NDArray[np.uint8]], NDArray[np.generic]]
    mean: Array
    scale: Array
    channels: str
    wording: str

    def values(self, fitted: NDArray[np.generic]) -> Array:
        """Network input ``(C, h, w)`` of a fitted image ``(C, h, w)``, red first or grey."""
        turned = fitted[::-1] if self.channels == "bgr" and len(fitted) == 3 else fitted
        return ((turned.astype(np.float32) - self.mean) * self.scale).astype(np.float32)


@attrs.frozen(eq=False)
class Task:
    """Settings in the network's own files; every part may be missing.

    Attributes:
        evaluation: Opens the held-out samples.
        training: Opens the training samples.
        metric: The metric the files ask for.
        recipe: The training recipe the files hold.
        batch_size: Samples of one evaluation batch, where the files count in batches.
        preprocessing: Opens what the framework does to images; folders, lists and arrays of
            bytes of the user's go through it. ``None`` where the files do not tell.
    """

    evaluation: Callable[[], Dataset] | None = None
    training: Callable[[], Dataset] | None = None
    metric: Metric | None = None
    recipe: Recipe | None = None
    batch_size: int = 1
    preprocessing: Callable[[], Preprocessing] | None = None
