"""Evaluation and training settings in a Caffe network's own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prunus.plugin import DataError, Dataset, Metric, Network, Source, Task
from prunus_caffe.data import READ, LayerData, open_layer, transformation
from prunus_caffe.datasets.databases import open_database
from prunus_caffe.datasets.preprocessing import PLAIN, preprocessing_of, reads_images
from prunus_caffe.datasets.transform import read_mean, transform_of
from prunus_caffe.origin import Origin
from prunus_caffe.recipe import recipe_of
from prunus_caffe.records.layers import LayerRecord, NetRecord
from prunus_caffe.records.structure import read_structure


def task_of(net: NetRecord, source: Source) -> Task:
    """Data layers, metric layer and recipe of a network.

    ``source.task`` names the solver.prototxt, and the metric layer by its top (``acc_name`` of
    decent_p).
    """
    return Task(
        evaluation=_opener(net, "TEST"),
        training=_opener(net, "TRAIN"),
        metric=metric_of(net, source.task.metric),
        recipe=recipe_of(net, source.task.solver),
        batch_size=_test_batch(net),
        preprocessing=(lambda: preprocessing_of(net)) if reads_images(net) else None,
    )


def mean_shape(layer: LayerRecord) -> tuple[int, ...] | None:
    """Size of one sample as the layer's mean image and crop tell; ``None`` without one."""
    if layer.type not in READ or not layer.tops:
        return None
    chosen = transformation(layer)
    if not chosen.mean_file:
        return None
    try:
        mean = read_mean(Path(chosen.mean_file))
    except DataError:
        return None
    crop = (chosen.crop_h or chosen.crop_size, chosen.crop_w or chosen.crop_size)
    return (mean.shape[0], crop[0] or mean.shape[1], crop[1] or mean.shape[2])


def sample_shape(layer: LayerRecord) -> tuple[int, ...] | None:
    """Size of one transformed sample; ``None`` where the layer is fed from outside.

    Raises:
        DataError: the layer's data cannot be read here.
    """
    if layer.type not in READ:
        return None
    data = open_layer(layer, Path())
    sample, _ = data.reader.sample(0)
    return data.transform.apply(sample, None).shape


def metric_of(net: NetRecord, name: str | None) -> Metric | None:
    """The Accuracy layer of the TEST phase, by the name of its top."""
    from prunus.plugin import Top

    for layer in net.phase("TEST"):
        top = layer.tops[0] if layer.tops else layer.name
        if layer.type != "Accuracy" or name not in (None, top):
            continue
        value = net.feeds.get(layer.name, (None,))[0]
        return Top(layer.params.accuracy_param.top_k or 1, value, top)
    return None


def _test_batch(net: NetRecord) -> int:
    sizes = [layer.batch_size for layer in net.phase("TEST") if layer.type in READ]
    return next((size for size in sizes if size), 1)


def open_spec(spec: str, network: Network, training: bool) -> Dataset | None:
    """A prototxt, whose data layers are used, an LMDB or a LevelDB; ``None`` for anything else."""
    path = Path(spec)
    if path.suffix == ".prototxt" and path.is_file():
        opener = _opener(read_structure(path), "TRAIN" if training else "TEST")
        if opener is None:
            raise DataError(f"{path}: no Data, ImageData or HDF5Data layer to read samples from")
        return opener()
    if not any((path / name).exists() for name in ("data.mdb", "CURRENT")):
        return None
    reader = open_database(path, "--data")
    origin = network.origin
    assert isinstance(origin, Origin)
    layers = [layer for layer in origin.net.layers if layer.type in READ]
    channels = reader.sample(0)[0].shape[0]
    name = next(iter(origin.net.sample_shapes))
    if not layers:
        return LayerData(name, reader, PLAIN, True, spec)
    own = transformation(layers[-1])
    chosen = transform_of(layers[-1].name, own, channels, Path())
    return LayerData(name, reader, chosen, True, f"{spec}|{own}")


def _opener(net: NetRecord, phase: str) -> Callable[[], Dataset] | None:
    layers = [layer for layer in net.phase(phase) if layer.type in READ]
    if not layers:
        return None
    layer = layers[0]

    def opened() -> LayerData:
        return open_layer(layer, Path())

    return opened
