"""How far outputs are from the original network's (the distance distillation lowers)."""

from __future__ import annotations

from typing import Any

from prunus_tensorflow.runtime import tensorflow

TINY = 1e-12
TEMPERATURE = 4.0


def divergence(wanted: Any, found: Any) -> Any:
    """``T² · KL(wanted ‖ found)`` of probabilities softened by ``TEMPERATURE``.

    Args:
        wanted: Teacher's probabilities ``(N, …, C)``.
        found: The student's.

    Returns:
        ``(N, …)``. Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015.
    """
    tf = tensorflow()
    own = tf.nn.log_softmax(tf.math.log(tf.maximum(found, TINY)) / TEMPERATURE, axis=-1)
    goal = tf.nn.log_softmax(tf.math.log(tf.maximum(wanted, TINY)) / TEMPERATURE, axis=-1)
    return tf.reduce_sum(tf.exp(goal) * (goal - own), axis=-1) * TEMPERATURE**2


def distance(wanted: Any, found: Any) -> Any:
    """Squared difference over the variance of what is wanted: ``(N, …)`` -> ``(N,)``.

    The variance makes outputs of different size equally important.
    """
    tf = tensorflow()
    axes = list(range(1, len(found.shape)))
    error = tf.reduce_mean(tf.square(found - wanted), axis=axes)
    return error / (tf.math.reduce_variance(wanted) + TINY)
