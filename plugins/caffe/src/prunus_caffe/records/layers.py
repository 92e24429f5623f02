"""Contents of a prototxt as plain records for every module of the plugin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import TextBlock, TextDocument

Dims = tuple[int, ...]

_BATCH_IN = {
    "AnnotatedData": "data_param",
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
}
"""Data layer -> message that holds its batch size."""


@attrs.frozen(eq=False)
class LayerRecord:
    """One layer block.

    Attributes:
        name: Layer name.
        type: Type name of today's format ("Convolution"), V1 names translated.
        bottoms, tops: Blob names.
        params: Protobuf LayerParameter or V1LayerParameter with the schema's
            defaults (``params.convolution_param.stride`` …).
        block: Its position in the text.
        v1: Written in the old ``layers { }`` form.
        unknown: Paths of fields the schema does not know.
        foreign: Values that Caffe does not define: the layer cannot be lowered.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: Any
    block: TextBlock
    v1: bool = False
    unknown: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def line(self) -> int:
        """Line of the block in its file."""
        return self.block.line

    @property
    def shared(self) -> tuple[str, ...]:
        """Name of each parameter blob, empty where it has none (``param { name: }``)."""
        if self.v1:
            return tuple(self.params.param)
        return tuple(spec.name for spec in self.params.param)

    @property
    def batch_size(self) -> int:
        """Samples of one forward pass a data layer asks for; 0 where it does not say."""
        message = _BATCH_IN.get(self.type)
        return 0 if message is None else int(getattr(self.params, message).batch_size)


@attrs.frozen
class NetInput:
    """An input blob declared by ``input:`` with ``input_dim`` or ``input_shape``."""

    name: str
    dims: Dims


@attrs.frozen(eq=False)
class NetRecord:
    """One network file.

    Attributes:
        name: The net's own name.
        layers: Every layer block in order, of all phases.
        inputs: Blobs declared outside layers.
        document: The text, for editing.
        params: Protobuf NetParameter without layers (``state``, ``force_backward``).
        feeds: Layer of the evaluation phase -> graph value each bottom carries
            (``None`` for labels and what is cut off). Filled by lowering.
        dropout: Graph value -> drop ratio. Filled by lowering.
        parameters: (layer, blob number) -> initializer name. Filled by lowering.
        sample_shapes: Input blob -> dims without the batch. Filled by lowering.
    """

    name: str
    layers: tuple[LayerRecord, ...]
    inputs: tuple[NetInput, ...]
    document: TextDocument
    params: Any
    feeds: Mapping[str, tuple[str | None, ...]] = attrs.field(factory=dict)
    dropout: Mapping[str, float] = attrs.field(factory=dict)
    parameters: Mapping[tuple[str, int], str] = attrs.field(factory=dict)
    sample_shapes: Mapping[str, Dims] = attrs.field(factory=dict)

    @property
    def path(self) -> Path:
        """File it was read from."""
        return self.document.path

    def phase(
        self, phase: str, level: int | None = None, stages: tuple[str, ...] | None = None
    ) -> tuple[LayerRecord, ...]:
        """Layers that take part in a phase.

        Args:
            phase: ``TRAIN`` or ``TEST``.
            level: ``NetState.level``; the file's own ``state`` by default.
            stages: ``NetState.stage``; the file's own ``state`` by default.
        """
        state = self.params.state
        wanted = _State(
            {"TRAIN": 0, "TEST": 1}[phase],
            state.level if level is None else level,
            frozenset(state.stage if stages is None else stages),
        )
        return tuple(layer for layer in self.layers if _takes_part(layer, wanted))


@attrs.frozen
class _State:
    phase: int
    level: int
    stages: frozenset[str]


def _takes_part(layer: LayerRecord, state: _State) -> bool:
    """Caffe's ``Net::FilterNet``: any include rule, or no exclude rule, must hold."""
    if len(layer.params.include):
        return any(_meets(rule, state) for rule in layer.params.include)
    return not any(_meets(rule, state) for rule in layer.params.exclude)


def _meets(rule: Any, state: _State) -> bool:
    """Caffe's ``Net::StateMeetsRule``."""
    if rule.HasField("phase") and rule.phase != state.phase:
        return False
    if rule.HasField("min_level") and state.level < rule.min_level:
        return False
    if rule.HasField("max_level") and state.level > rule.max_level:
        return False
    return set(rule.stage) <= state.stages and not set(rule.not_stage) & state.stages
