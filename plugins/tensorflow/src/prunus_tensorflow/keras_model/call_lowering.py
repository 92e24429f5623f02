"""Traverse the calls of a Keras model, through nested models, and lower each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from prunus.plugin import ModelError
from prunus_tensorflow.keras_model.preprocessing import PreprocessingSteps
from prunus_tensorflow.keras_model.rules import lower_call
from prunus_tensorflow.keras_model.rules.context import Site
from prunus_tensorflow.lower.builder import Builder
from prunus_tensorflow.lower.tensors import BATCH, Dynamic, Unlowerable, symbolic


@attrs.frozen(eq=False)
class _Scope:
    """The model that is traversed.

    Attributes:
        path: Its native name with a slash behind; empty for the outermost.
        way: The parts of the models around it that lead to its inputs.
        inputs: Its input symbols.
        readers: id of a symbol -> number of its consumers.
    """

    path: str
    way: PreprocessingSteps
    inputs: Sequence[Any]
    readers: Mapping[int, int]

    def to(self, symbols: Sequence[Any]) -> PreprocessingSteps:
        """The parts that lead to symbols of this model."""
        return (*self.way, (self.inputs, symbols))


@attrs.frozen(eq=False)
class CallLowerer:
    """State of one traversal.

    Attributes:
        builder: The graph under construction.
        layers: Native name -> layer that was lowered or kept as a barrier.
        names: id of a layer -> its native name: a layer reached on two ways keeps one name.
        fed: Values that feed a barrier, with the reason.
        barriers: Native name -> why it is one.
        preprocessing: Graph input that a barrier before all weights makes -> how to compute it.
        behind: ids of the other graph inputs that barriers make.
        tensors: Native name -> value whose shape its settings state: the results of
            ``Reshape`` layers, and what is fed to the input layers of nested models.
    """

    builder: Builder = attrs.field(factory=Builder)
    layers: dict[str, Any] = attrs.field(factory=dict)
    names: dict[int, str] = attrs.field(factory=dict)
    fed: list[tuple[Dynamic, str]] = attrs.field(factory=list)
    barriers: dict[str, str] = attrs.field(factory=dict)
    preprocessing: dict[str, PreprocessingSteps] = attrs.field(factory=dict)
    behind: set[int] = attrs.field(factory=set)
    tensors: dict[str, Dynamic] = attrs.field(factory=dict)

    def input(self, name: str, shape: Sequence[int]) -> Dynamic:
        """A graph input in native layout; ``shape`` without the batch."""
        full = (BATCH, *shape)
        value = self.builder.input(name, symbolic(full))
        return Dynamic(value, full, tuple(range(len(full))))

    def run(
        self, model: Any, inputs: Sequence[Dynamic], path: str = "", way: PreprocessingSteps = ()
    ) -> list[Any]:
        """Lower all calls of a Functional or Sequential model.

        Args:
            model: The model.
            inputs: One value for each of its inputs, flat.
            path: Native name of a nested model, with a slash behind.
            way: The parts of the models around it that lead to its inputs.

        Returns:
            One ``Dynamic`` for each of its outputs, flat; ``None`` where none exists.
        """
        graph = functional(model)
        found: dict[int, Any] = {
            id(symbol): value for symbol, value in zip(graph.inputs, inputs, strict=True)
        }
        scope = _Scope(path, way, graph.inputs, _readers(graph))
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if not node.is_input:
                    self._call(node, found, scope)
        return [found.get(id(symbol)) for symbol in graph.outputs]

    def _call(self, node: Any, found: dict[int, Any], scope: _Scope) -> None:
        from keras import tree

        layer = node.operation
        name = self._name(layer, scope.path)
        fed = [found[id(one)] for one in node.input_tensors if id(one) in found]
        if len(fed) < len(node.input_tensors):
            # behind a barrier whose output cannot stand in the graph (text, truth values)
            kind = type(layer).__name__
            self.fed.extend((x, f"feeds opaque layer '{name}' of type '{kind}'") for x in fed)
            self.barriers.setdefault(name, f"layer '{name}' of type '{kind}': behind another one")
            return
        args, kwargs = node.arguments.fill_in(found)
        if is_model(layer) and len(fed) == len(functional(layer).inputs):
            results = self._nested(layer, fed, f"{name}/", scope.to(node.input_tensors))
        else:
            single = all(scope.readers[id(symbol)] == 1 for symbol in node.input_tensors)
            site = Site(self.builder, layer, name, tree.flatten((args, kwargs)), kwargs, single)
            results = self._lowered(site, node, fed, scope)
        for symbol, value in zip(node.outputs, results, strict=True):
            if value is not None:
                found[id(symbol)] = value

    def _nested(
        self, model: Any, fed: Sequence[Dynamic], path: str, way: PreprocessingSteps
    ) -> list[Any]:
        for symbol, value in zip(functional(model).inputs, fed, strict=True):
            self.tensors.setdefault(f"{path}{symbol._keras_history.operation.name}", value)
        return self.run(model, fed, path, way)

    def _lowered(self, site: Site, node: Any, fed: Sequence[Dynamic], scope: _Scope) -> list[Any]:
        self.layers.setdefault(site.name, site.layer)
        try:
            result = lower_call(site)
            if type(site.layer).__name__ == "Reshape":
                self.tensors.setdefault(site.name, result)
            return [result]
        except Unlowerable as reason:
            return self._barrier(site, node, fed, scope, str(reason))

    def _barrier(
        self, site: Site, node: Any, fed: Sequence[Dynamic], scope: _Scope, reason: str
    ) -> list[Any]:
        """The layer stays out: what it makes becomes an input, what feeds it an output.

        Not so what feeds a layer before all weights: Keras computes that.
        """
        kind = type(site.layer).__name__
        self.barriers.setdefault(site.name, f"layer '{site.name}' of type '{kind}': {reason}")
        before_weights = all(self.builder.free(x.value, self.behind) for x in fed)
        if not before_weights:
            self.fed.extend((x, f"feeds opaque layer '{site.name}' of type '{kind}'") for x in fed)
        results: list[Any] = []
        for symbol in node.outputs:
            shape = _behind(symbol.shape, fed)
            if shape is None or str(symbol.dtype) not in _NUMBERS:
                results.append(None)
                continue
            made = self.input(site.name, shape)
            results.append(made)
            if before_weights:
                self.preprocessing[made.value.name or ""] = scope.to([symbol])
            else:
                self.behind.add(id(made.value))
        return results

    def _name(self, layer: Any, path: str) -> str:
        return self.names.setdefault(id(layer), f"{path}{layer.name}")


_NUMBERS = frozenset("float16 bfloat16 float32 float64 int8 uint8 int16 int32 int64".split())


def is_model(layer: Any) -> bool:
    """True for a model whose call graph can be walked."""
    import keras

    if isinstance(layer, keras.Sequential):
        return bool(layer.built)
    return isinstance(layer, keras.Model) and hasattr(layer, "_nodes_by_depth")


def functional(model: Any) -> Any:
    """The Functional model that holds the call graph.

    Raises:
        ModelError: there is none.
    """
    import keras

    if isinstance(model, keras.Sequential):
        if not model.built or getattr(model, "_functional", None) is None:
            raise ModelError(
                f"model '{model.name}' has no input shape: build it (add keras.Input first)"
            )
        return model._functional
    if not hasattr(model, "_nodes_by_depth"):
        raise ModelError(
            f"model '{model.name}' is a subclass with its own call(), which shows no graph: "
            "give a Functional or Sequential model, or export it as a SavedModel"
        )
    return model


def _readers(graph: Any) -> Counter[int]:
    count: Counter[int] = Counter(
        id(symbol)
        for nodes in graph._nodes_by_depth.values()
        for node in nodes
        for symbol in node.input_tensors
    )
    count.update(id(symbol) for symbol in graph.outputs)
    return count


def _behind(shape: Sequence[int | None], fed: Sequence[Dynamic]) -> tuple[int, ...] | None:
    """Shape of a barrier's output, unknown sizes taken from its first input."""
    if not shape or not fed:
        return None
    first = fed[0].shape
    if None in shape[1:] and len(first) != len(shape):
        return None
    return tuple(
        int(first[axis]) if size is None else int(size) for axis, size in enumerate(shape) if axis
    )
