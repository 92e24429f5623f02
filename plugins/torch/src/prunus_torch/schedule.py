"""Learning rate policies of Caffe and Darknet as pure functions of the iteration.

Sources: Caffe ``src/caffe/solvers/sgd_solver.cpp`` ``GetLearningRate``; Darknet
``src/network.c`` ``get_current_rate``. Caffe asks with the number of updates done;
Darknet has already counted the batch it is about to apply.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from prunus.plugin import LearningRate, UsageError

DARKNET_POLICIES = frozenset({"constant", "steps", "sig", "random"})


def learning_rate(
    policy: LearningRate, iteration: int, iterations: int, *, darknet: bool = False, seed: int = 0
) -> float:
    """Rate of one update.

    Args:
        policy: The policy.
        iteration: Updates done before this one.
        iterations: Updates of the whole training (``max_iter``, ``max_batches``).
        darknet: Read names both frameworks have (``step``, ``exp``, ``poly``) as Darknet does.
        seed: For the policy that draws.

    Raises:
        UsageError: nobody knows the policy.
    """
    if darknet or policy.policy in DARKNET_POLICIES:
        return _darknet(policy, iteration + 1, iterations, seed)
    if policy.policy not in _CAFFE:
        known = ", ".join(sorted({*_CAFFE, *_DARKNET, "random"}))
        raise UsageError(f"learning rate policy '{policy.policy}' is not known; use one of {known}")
    return policy.base * _CAFFE[policy.policy](policy, iteration, iterations)


def _darknet(policy: LearningRate, batch: int, batches: int, seed: int) -> float:
    if batch < policy.warm_up:
        return policy.base * math.pow(batch / policy.warm_up, policy.power)
    if policy.policy == "random":
        drawn = float(np.random.default_rng([seed, batch]).random())
        return policy.base * math.pow(drawn, policy.power)
    if policy.policy not in _DARKNET:
        known = ", ".join(sorted({*_DARKNET, "random"}))
        raise UsageError(f"Darknet has no policy '{policy.policy}'; use one of {known}")
    return policy.base * _DARKNET[policy.policy](policy, batch, batches)


Factor = Callable[[LearningRate, int, int], float]


def _fixed(policy: LearningRate, iteration: int, iterations: int) -> float:
    return 1.0


def _step(policy: LearningRate, iteration: int, iterations: int) -> float:
    return float(policy.gamma ** (iteration // max(1, policy.stepsize)))


def _exp(policy: LearningRate, iteration: int, iterations: int) -> float:
    return float(policy.gamma**iteration)


def _inv(policy: LearningRate, iteration: int, iterations: int) -> float:
    return float((1 + policy.gamma * iteration) ** -policy.power)


def _multistep(policy: LearningRate, iteration: int, iterations: int) -> float:
    return float(policy.gamma ** sum(iteration >= step for step in policy.steps))


def _poly(policy: LearningRate, iteration: int, iterations: int) -> float:
    return float(max(0.0, 1 - iteration / max(1, iterations)) ** policy.power)


def _sigmoid(policy: LearningRate, iteration: int, iterations: int) -> float:
    return 1 / (1 + _exponential(-policy.gamma * (iteration - policy.stepsize)))


def _sig(policy: LearningRate, batch: int, batches: int) -> float:
    return 1 / (1 + _exponential(policy.gamma * (batch - policy.stepsize)))


def _steps(policy: LearningRate, batch: int, batches: int) -> float:
    factor = 1.0
    for step, scale in zip(policy.steps, policy.scales, strict=False):
        if step > batch:
            break
        factor *= scale
    return factor


def _darknet_step(policy: LearningRate, batch: int, batches: int) -> float:
    scale = policy.scales[0] if policy.scales else policy.gamma
    return float(scale ** (batch // max(1, policy.stepsize)))


def _cosine(policy: LearningRate, iteration: int, iterations: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, iteration / max(1, iterations))))


def _exponential(x: float) -> float:
    return math.exp(min(x, 700.0))  # more overflows a double; the rate is 0 long before


_CAFFE: dict[str, Factor] = {
    "cosine": _cosine,
    "exp": _exp,
    "fixed": _fixed,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "sigmoid": _sigmoid,
    "step": _step,
}

_DARKNET: dict[str, Factor] = {
    "constant": _fixed,
    "cosine": _cosine,
    "exp": _exp,
    "fixed": _fixed,
    "poly": _poly,
    "sig": _sig,
    "step": _darknet_step,
    "steps": _steps,
}
