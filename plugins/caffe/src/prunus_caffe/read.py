"""Prototxt and caffemodel to a network."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from prunus.plugin import ModelError, Network, Source
from prunus_caffe.blobs import Blobs, RandomBlobs, StoredBlobs
from prunus_caffe.caffemodel import read_weights
from prunus_caffe.lower.guess import guess_size
from prunus_caffe.lower.network import Lowered, lower
from prunus_caffe.lower.sources import Samples, parse_shapes
from prunus_caffe.origin import Origin
from prunus_caffe.recipe import solver_notes
from prunus_caffe.records.layers import Dims, NetRecord
from prunus_caffe.records.structure import read_structure
from prunus_caffe.task import mean_shape, sample_shape, task_of
from prunus_caffe.template import empty_weights


def load(source: Source) -> Network:
    """Read a network.

    Options of the source: ``input-shape`` (``data:3x224x224``) where the text does not
    tell the size of a sample; ``weights`` = ``random`` draws weights instead of a file.

    Raises:
        ModelError: files missing, broken or not fitting each other.
    """
    net = read_structure(source.model)
    blobs: Blobs
    if source.weights is not None:
        weights = read_weights(source.weights)
        blobs = StoredBlobs(weights, source.model)
    elif source.options.get("weights") == "random":
        weights = empty_weights(net)
        blobs = RandomBlobs()
    else:
        raise ModelError(
            f"{source.model}: a prototxt holds no weights; give the caffemodel with --weights "
            "(to look at the structure alone: --option weights=random)"
        )
    given = parse_shapes(source.options.get("input-shape", ""))
    lowered = lower(net, blobs, _samples(net, blobs, given))
    net = attrs.evolve(
        net, feeds=lowered.feeds, dropout=lowered.dropout, sample_shapes=lowered.sample_shapes,
        parameters={
            (layer, index): name
            for name, parameter in lowered.parameters.items()
            for layer, index in zip(parameter.layers, parameter.indices, strict=True)
        },
    )  # fmt: skip
    return attrs.evolve(
        lowered.network,
        origin=Origin(net, weights, lowered.parameters, source),
        task=task_of(net, source),
        notes=(*lowered.network.notes, *_solver_notes(source)),
    )


def _samples(net: NetRecord, blobs: Blobs, given: Mapping[str, Dims]) -> Samples:
    """Sources of a sample's size beside the network's text."""

    def guess(top: str, channels: int | None) -> Dims | None:
        known = Samples(given, sample_shape, mean_shape, net.layers)

        def attempt(dims: Dims, probe: Blobs) -> Lowered:
            return lower(net, probe, attrs.evolve(known, given={**given, top: dims}))

        return guess_size(attempt, blobs, channels)

    return Samples(given, sample_shape, mean_shape, net.layers, guess)


def _solver_notes(source: Source) -> tuple[str, ...]:
    solver = source.task.solver
    return () if solver is None else solver_notes(solver)
