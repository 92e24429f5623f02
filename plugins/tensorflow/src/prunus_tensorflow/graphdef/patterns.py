"""Layers that a graph writes as several nodes: decomposed batch norm, PReLU, dropout and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import numpy as np

from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.names import split
from prunus_tensorflow.graphdef.steps import Step, Steps, source
from prunus_tensorflow.graphdef.view import PASSING, VARIABLES, const_value

_ADD = ("Add", "AddV2")
_RESHAPING = ("Reshape", "ExpandDims", "Squeeze", "Cast")
_RANDOM = (
    "RandomUniform",
    "RandomStandardNormal",
    "StatelessRandomUniform",
    "StatelessRandomUniformV2",
)
_MASKING = ("Floor", "Cast", "GreaterEqual", "Greater", "Less", "Add", "AddV2", "Sub", "Mul")


def name_patterns(steps: Steps) -> Steps:
    """The steps with the last node of every known pattern replaced by a pseudo op."""
    finder = _Finder(steps)
    recipes: dict[str, tuple[Callable[[Step], Step | None], ...]] = {
        "Add": (finder.batch_norm, finder.prelu),
        "AddV2": (finder.batch_norm, finder.prelu),
        "Sub": (finder.prelu_difference,),
        "Mul": (finder.dropout,),
        "SelectV2": (finder.select_dropout,),
        "Select": (finder.select_dropout,),
        "Maximum": (finder.leaky_relu,),
        "BatchToSpaceND": (finder.atrous,),
    }
    found = {}
    for name, step in steps.items():
        for recipe in recipes.get(step.op, ()):
            match = recipe(step)
            if match is not None:
                found[name] = match
                break
    return {**steps, **found}


@attrs.frozen(eq=False)
class _Finder:
    """Finds patterns among the steps."""

    steps: Steps

    def at(self, reference: str) -> Step:
        """Step behind a tensor, Identity chains skipped."""
        return self.steps[split(source(self.steps, reference))[0]]

    def same(self, left: str, right: str) -> bool:
        return source(self.steps, left) == source(self.steps, right)

    def number(self, reference: str) -> float | None:
        """Value of a scalar Const."""
        step = self.at(reference)
        if step.op != "Const":
            return None
        array = const_value(step.node)
        return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind == "f" else None

    def is_weight(self, reference: str) -> bool:
        """True for a variable or a Const, also behind a reshape (Keras: to (1, 1, 1, C))."""
        step = self.at(reference)
        while step.op in _RESHAPING:
            step = self.at(step.inputs[0])
        return step.op in (*VARIABLES, "Const")

    def both(self, step: Step) -> Iterator[tuple[str, str]]:
        """The two inputs of a commutative step in either order."""
        left, right = step.inputs[:2]
        yield left, right
        yield right, left

    def batch_norm(self, step: Step) -> Step | None:
        """``x * s + (beta - mean * s)``, ``s = rsqrt(variance + eps) [* gamma]``.

        Source: tensorflow/python/ops/nn_impl.py, ``batch_normalization``.
        """
        for left, right in self.both(step):
            product, rest = self.at(left), self.at(right)
            if product.op != "Mul" or rest.op not in ("Sub", "Neg"):
                continue
            beta = rest.inputs[0] if rest.op == "Sub" else ""
            shifted = self.at(rest.inputs[-1])
            if shifted.op != "Mul" or (beta and not self.is_weight(beta)):
                continue
            for x, scale in self.both(product):
                statistics = self._scale(scale)
                means = [a for a, b in self.both(shifted) if self.same(b, scale)]
                if statistics is None or not means or not self.is_weight(means[0]):
                    continue
                gamma, variance, epsilon = statistics
                inputs = (x, gamma, beta, means[0], variance)
                return attrs.evolve(
                    step, op="_BatchNorm", inputs=inputs, values={"epsilon": epsilon}
                )
        return None

    def _scale(self, reference: str) -> tuple[str, str, float] | None:
        """Gamma (or ""), variance and epsilon of ``rsqrt(variance + eps) [* gamma]``."""
        step = self.at(reference)
        pairs = [("", reference)] if step.op == "Rsqrt" else []
        if step.op == "Mul":
            pairs = [(gamma, root) for root, gamma in self.both(step)]
        for gamma, root in pairs:
            inner = self.at(root)
            if inner.op != "Rsqrt" or (gamma and not self.is_weight(gamma)):
                continue
            total = self.at(inner.inputs[0])
            if total.op not in _ADD:
                continue
            for variance, constant in self.both(total):
                epsilon = self.number(constant)
                if epsilon is not None and self.is_weight(variance):
                    return gamma, variance, epsilon
        return None

    def _factors(self, reference: str) -> list[str]:
        step = self.at(reference)
        if step.op != "Mul":
            return [reference]
        return [factor for one in step.inputs for factor in self._factors(one)]

    def prelu(self, step: Step) -> Step | None:
        """``relu(x) + alpha * (x - |x|) * 0.5`` or ``relu(x) + alpha * min(0, x)``."""
        for left, right in self.both(step):
            positive = self.at(left)
            if positive.op != "Relu":
                continue
            x = positive.inputs[0]
            factors = self._factors(right)
            negative = [f for f in factors if self._is_negative_part(f, x) is not None]
            slopes = [f for f in factors if f not in negative and self.number(f) is None]
            if len(negative) != 1 or len(slopes) != 1 or not self.is_weight(slopes[0]):
                continue
            scale = self._is_negative_part(negative[0], x) or 0.0
            for factor in factors:
                scale *= 1.0 if factor in (*negative, *slopes) else self.number(factor) or 0.0
            if np.isclose(scale, 1.0):
                return attrs.evolve(step, op="_PRelu", inputs=(x, slopes[0]))
        return None

    def _is_negative_part(self, reference: str, x: str) -> float | None:
        """Multiple of ``min(0, x)`` that a tensor is, if it is one."""
        step = self.at(reference)
        if step.op == "Sub" and self.same(step.inputs[0], x):
            other = self.at(step.inputs[1])
            return 2.0 if other.op == "Abs" and self.same(other.inputs[0], x) else None
        if step.op == "Minimum":
            for zero, value in self.both(step):
                if self.number(zero) == 0.0 and self.same(value, x):
                    return 1.0
        return None

    def prelu_difference(self, step: Step) -> Step | None:
        """``relu(x) - alpha * relu(-x)``."""
        positive, product = self.at(step.inputs[0]), self.at(step.inputs[1])
        if positive.op != "Relu" or product.op != "Mul":
            return None
        for alpha, other in self.both(product):
            inner = self.at(other)
            if inner.op != "Relu" or not self.is_weight(alpha):
                continue
            negated = self.at(inner.inputs[0])
            if negated.op == "Neg" and self.same(negated.inputs[0], positive.inputs[0]):
                return attrs.evolve(step, op="_PRelu", inputs=(positive.inputs[0], alpha))
        return None

    def leaky_relu(self, step: Step) -> Step | None:
        """``max(x, alpha * x)`` with 0 < alpha < 1."""
        for x, other in self.both(step):
            product = self.at(other)
            if product.op != "Mul":
                continue
            for value, factor in self.both(product):
                alpha = self.number(factor)
                if alpha is not None and 0 < alpha < 1 and self.same(value, x):
                    return attrs.evolve(step, op="_LeakyRelu", inputs=(x,), values={"alpha": alpha})
        return None

    def _is_random(self, reference: str, depth: int = 8) -> bool:
        step = self.at(reference)
        if step.op in _RANDOM:
            return True
        if depth == 0 or step.op not in _MASKING:
            return False
        return any(self._is_random(one, depth - 1) for one in step.inputs)

    def dropout(self, step: Step) -> Step | None:
        """``(x / keep) * floor(keep + random)`` or ``(x * scale) * cast(random >= rate)``.

        Source: tensorflow/python/ops/nn_ops.py, ``dropout`` and ``dropout_v2``.
        """
        for scaled, mask in self.both(step):
            if not self._is_random(mask) or self._is_random(scaled):
                continue
            return self._dropout(step, scaled)
        return None

    def select_dropout(self, step: Step) -> Step | None:
        """``where(random >= rate, x * scale, 0)``."""
        condition, scaled, zero = step.inputs
        if self._is_random(condition) and self.number(zero) == 0.0:
            return self._dropout(step, scaled)
        return None

    def _dropout(self, step: Step, scaled: str) -> Step:
        inner = self.at(scaled)
        x, values = scaled, {}
        if inner.op in ("RealDiv", "Div"):
            x = inner.inputs[0]
            keep = self.number(inner.inputs[1])
            values = {} if keep is None else {"ratio": 1.0 - keep}
        elif inner.op == "Mul":
            for value, factor in self.both(inner):
                if self._is_scalar(factor):
                    x = value
                    scale = self.number(factor)
                    values = {} if not scale else {"ratio": 1.0 - 1.0 / scale}
                    break
        return attrs.evolve(step, op="_Dropout", inputs=(x,), values=values)

    def _is_scalar(self, reference: str) -> bool:
        """True for a number that is known or fed, or computed from such numbers."""
        step = self.at(reference)
        if step.op in ("Placeholder", *PASSING):
            return not attr(step.node, "shape").shape.dim
        if step.op in ("RealDiv", "Div", "Sub", "Reciprocal"):
            return all(self._is_scalar(one) for one in step.inputs)
        return self.number(reference) is not None

    def atrous(self, step: Step) -> Step | None:
        """``SpaceToBatchND`` -> VALID convolution -> ``BatchToSpaceND``: a dilated one.

        Source: tensorflow/python/ops/nn_ops.py, ``with_space_to_batch``.
        """
        conv = self.at(step.inputs[0])
        if conv.op not in ("Conv2D", "DepthwiseConv2dNative"):
            return None
        spread = self.at(conv.inputs[0])
        if spread.op != "SpaceToBatchND":
            return None
        inputs = (spread.inputs[0], conv.inputs[1], *spread.inputs[1:3], step.inputs[2])
        plain = all(stride == 1 for stride in attr(conv.node, "strides").list.i)
        if not plain or attr(conv.node, "padding").s != b"VALID":
            return None
        values = {"depthwise": float(conv.op == "DepthwiseConv2dNative")}
        return attrs.evolve(step, op="_AtrousConv", inputs=inputs, values=values)
