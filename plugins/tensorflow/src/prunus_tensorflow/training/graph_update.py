"""One update of a graph's weights, in TensorFlow's own optimizers."""

from __future__ import annotations

from typing import Any

import attrs

from prunus.plugin import Recipe, UsageError
from prunus_tensorflow.runtime import tensorflow
from prunus_tensorflow.training.graph_session import CompactGraph


@attrs.frozen(eq=False)
class Update:
    """How losses turn into new weights.

    Attributes:
        compact: The graph.
        recipe: Solver, learning rate and weight decay.
        decay: Let the rate fall along a cosine to zero at the last update.
    """

    compact: CompactGraph
    recipe: Recipe
    decay: bool = False

    def of(self, loss: Any) -> tuple[Any, Any]:
        """Learning rate, and the op that updates all trainable variables.

        Raises:
            UsageError: the recipe asks for what is not here.
        """
        v1 = tensorflow().compat.v1
        recipe = self.recipe
        if recipe.solver not in _SOLVERS or recipe.learning_rate.policy != "fixed":
            raise UsageError(
                f"graphs are trained by {', '.join(_SOLVERS)} with a fixed rate, the recipe says "
                f"{recipe.solver}, {recipe.learning_rate.policy}: give --train-fn"
            )
        base = recipe.learning_rate.base
        done = v1.get_variable(
            "prunus/updates", [], v1.int64, v1.zeros_initializer(), trainable=False
        )
        rate = v1.train.cosine_decay(base, done, recipe.iterations) if self.decay else base
        optimizer = _SOLVERS[recipe.solver](v1, rate, recipe)
        total = loss + self._decayed(v1) if recipe.weight_decay else loss
        return v1.convert_to_tensor(rate), optimizer.minimize(total, global_step=done)

    def _decayed(self, v1: Any) -> Any:
        """Weight decay as a loss: its gradient is ``weight_decay * decay_mult * weight``."""
        recipe = self.recipe
        factors = {
            holder: recipe.decay_mult.get(name, 1.0)
            for name, holder in self.compact.holders.items()
        }
        return sum(
            recipe.weight_decay * factors.get(variable.op.name, 1.0) * v1.nn.l2_loss(variable)
            for variable in v1.trainable_variables()
        )


# Slots are named `<variable>/<optimizer's name>`, and the graph may hold such of its own.
_NAME = "PrunusOptimizer"
_SOLVERS = {
    "SGD": lambda v1, rate, recipe: v1.train.MomentumOptimizer(rate, recipe.momentum, name=_NAME),
    "Nesterov": lambda v1, rate, recipe: v1.train.MomentumOptimizer(
        rate, recipe.momentum, name=_NAME, use_nesterov=True
    ),
    "Adam": lambda v1, rate, recipe: v1.train.AdamOptimizer(
        rate, recipe.momentum, recipe.momentum2, recipe.delta, name=_NAME
    ),
}
