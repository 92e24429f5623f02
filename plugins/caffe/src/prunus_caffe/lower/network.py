"""The evaluation phase of a network as one neutral graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import onnx_ir as ir

from prunus.plugin import ModelError, Network
from prunus_caffe.blobs import Blobs
from prunus_caffe.detect import FORMAT
from prunus_caffe.lower.builder import BarrierError, Blob, Builder
from prunus_caffe.lower.sources import Samples, declare
from prunus_caffe.lower.table import (
    METRICS,
    PASSING,
    POST_PROCESSING,
    PRIORS,
    RULES,
    SILENT,
    SOURCES,
    is_loss,
)
from prunus_caffe.origin import Parameter
from prunus_caffe.records.layers import LayerRecord, NetRecord

Dims = tuple[int, ...]


@attrs.frozen(eq=False)
class Lowered:
    """The graph and everything about it that the other modules ask for.

    Attributes:
        network: Network without what its files tell beside the graph.
        parameters: Initializer name -> native position.
        dropout: Graph value -> drop ratio.
        feeds: Layer -> graph value of each bottom.
        sample_shapes: Graph input -> dims of one sample.
    """

    network: Network
    parameters: Mapping[str, Parameter]
    dropout: Mapping[str, float]
    feeds: Mapping[str, tuple[str | None, ...]]
    sample_shapes: Mapping[str, Dims]


def lower(net: NetRecord, blobs: Blobs, samples: Samples) -> Lowered:
    """Lower the TEST phase (TRAIN where a file has data for nothing else).

    Raises:
        ModelError: layers do not fit each other or their weights.
    """
    return _Lowering(net, blobs, samples).run()


class _Lowering:
    def __init__(self, net: NetRecord, blobs: Blobs, samples: Samples) -> None:
        self._net = net
        self._samples = samples
        self._build = Builder(blobs, net.path)
        self._outputs: dict[int, ir.Value] = {}
        self._feeds: dict[str, tuple[str | None, ...]] = {}

    def run(self) -> Lowered:
        layers, other = self._phases()
        build = self._build
        for declared in self._net.inputs:
            if not declared.dims or min(declared.dims) < 1:
                raise ModelError(
                    f"{self._net.path}: input '{declared.name}': expected sizes of at least 1, "
                    f"found {list(declared.dims)}"
                )
            build.feed(declared.name, declared.dims)
        for layer in layers:
            self._layer(layer, layers)
        for layer in other:
            self._other_phase(layer)
        outputs = build.ends(list(self._outputs.values()))
        network = build.network(FORMAT, outputs, name=self._net.name or "net")
        model = network.model
        if not model.graph.outputs:
            raise ModelError(
                f"{self._net.path}: expected a network that computes something, found none"
            )
        shapes = {
            value.name or "": tuple(int(str(size)) for size in (value.shape or ())[1:])
            for value in model.graph.inputs
        }
        parameters = {n: p for n, p in build.parameters.items() if n in network.bindings}
        return Lowered(network, parameters, build.dropout, self._feeds, shapes)

    def _phases(self) -> tuple[tuple[LayerRecord, ...], tuple[LayerRecord, ...]]:
        """Layers to lower, and those of the other phase alone."""
        net = self._net
        test, train = net.phase("TEST"), net.phase("TRAIN")
        if not net.inputs and not any(_is_source(layer) for layer in test):
            if not any(_is_source(layer) for layer in train):
                raise ModelError(
                    f"{net.path}: expected an 'input', an Input layer or a data layer, found none"
                )
            self._build.notes.append(
                "the file has no data for the TEST phase: its TRAIN phase is used"
            )
            test, train = train, ()
        own = {id(layer) for layer in test}
        return test, tuple(layer for layer in train if id(layer) not in own)

    def _layer(self, layer: LayerRecord, layers: Sequence[LayerRecord]) -> None:
        build = self._build
        if _is_source(layer):
            declare(layer, build, layers, self._samples)
            return
        bottoms = self._bottoms(layer)
        self._feeds[layer.name] = tuple(
            b.value.name if b.value is not None else None for b in bottoms
        )
        if is_loss(layer.type) or layer.type in METRICS | SILENT:
            self._cut(bottoms)
            build.left_out(layer)
        elif layer.type in POST_PROCESSING:
            self._cut(bottoms, f"feeds {layer.type} layer '{layer.name}'")
            build.left_out(layer)
        elif layer.type in PRIORS or all(blob.value is None for blob in bottoms):
            build.left_out(layer)
        elif layer.type in PASSING:
            self._pass(layer, bottoms[0])
        else:
            self._lower(layer, bottoms)

    def _bottoms(self, layer: LayerRecord) -> list[Blob]:
        blobs = self._build.blobs
        for name in layer.bottoms:
            if name not in blobs:
                raise self._build.error(
                    layer, f"expected a layer before it with top '{name}', found none in this phase"
                )
        return [blobs[name] for name in layer.bottoms]

    def _lower(self, layer: LayerRecord, bottoms: list[Blob]) -> None:
        rule = RULES.get(layer.type)
        if rule is None:
            self._barrier(layer, bottoms, "its type is not known")
            return
        if layer.foreign:
            self._barrier(layer, bottoms, layer.foreign[0])
            return
        try:
            rule(layer, self._build)
        except BarrierError as error:
            self._barrier(layer, bottoms, str(error))
            return
        if layer.unknown:
            self._build.notes.append(
                f"layer '{layer.name}': {', '.join(layer.unknown)} is kept in the file but not read"
            )

    def _barrier(self, layer: LayerRecord, bottoms: list[Blob], reason: str) -> None:
        """An opaque layer: its bottoms are outputs, its tops inputs of their own."""
        build = self._build
        build.notes.append(
            f"layer '{layer.name}' of type '{layer.type}' stays as it is ({reason}): "
            "nothing that feeds it is pruned"
        )
        self._cut(bottoms, f"feeds opaque layer '{layer.name}' of type '{layer.type}'")
        build.layers.setdefault(layer.name, [])
        dims = next(blob.dims for blob in bottoms if blob.value is not None)
        for name in layer.tops:
            build.feed(name, dims, layer.name)

    def _cut(self, bottoms: Sequence[Blob], reason: str | None = None) -> None:
        for blob in bottoms:
            if blob.value is None or blob.value.producer() is None:
                continue
            self._outputs[id(blob.value)] = blob.value
            if reason is not None:
                self._build.freeze(blob.value, reason)

    def _pass(self, layer: LayerRecord, bottom: Blob) -> None:
        """Split and Dropout; Dropout's own top needs a value of its own to be dropped."""
        build = self._build
        ratio = layer.params.dropout_param.dropout_ratio
        if layer.type == "Dropout" and layer.tops and layer.tops[0] != layer.bottoms[0]:
            value, dims = build.value(layer)
            build.top(layer, build.emit(layer, "Identity", [value]), dims)
        else:
            build.skip(layer)
        if layer.type == "Dropout" and layer.tops:
            dropped = build.blobs[layer.tops[0]].value
            assert dropped is not None
            build.dropout[dropped.name or ""] = round(float(ratio), 7)

    def _other_phase(self, layer: LayerRecord) -> None:
        """A layer of the TRAIN phase alone still needs what it reads."""
        found = [self._build.blobs[name] for name in layer.bottoms if name in self._build.blobs]
        if layer.type in PASSING | SILENT or not found:
            return
        if is_loss(layer.type) or layer.type in METRICS:
            self._cut(found)
            if layer.name not in self._feeds:
                blobs = [self._build.blobs.get(name, Blob(None)) for name in layer.bottoms]
                self._feeds[layer.name] = tuple(
                    b.value.name if b.value is not None else None for b in blobs
                )
        else:
            self._cut(found, f"feeds layer '{layer.name}' of the TRAIN phase")


def _is_source(layer: LayerRecord) -> bool:
    return layer.type in SOURCES or not layer.bottoms
