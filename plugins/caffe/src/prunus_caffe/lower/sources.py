"""Data layers and declared inputs: which tops feed the network, and how large a sample is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from prunus.plugin import DataError, ModelError
from prunus_caffe.lower.builder import Builder
from prunus_caffe.lower.table import LEARNING, METRICS, SILENT, is_known, is_loss
from prunus_caffe.records.layers import LayerRecord

Dims = tuple[int, ...]


@attrs.frozen
class Samples:
    """Sizes that are not in the network's text.

    Attributes:
        given: Blob name (or "" for any) -> dims of one sample, from the user.
        measure: Data layer -> dims of one sample of its own data, ``None`` if it is fed from
            outside; raises `DataError` if the data cannot be read.
        mean: Data layer -> dims its mean image tells, ``None`` if there is none to read.
        alike: Data layers of any phase.
        guess: (top, channels or ``None``) -> dims that the weights tell, or ``None``.
    """

    given: Mapping[str, Dims] = attrs.field(factory=dict)
    measure: Callable[[LayerRecord], Dims | None] = lambda layer: None
    mean: Callable[[LayerRecord], Dims | None] = lambda layer: None
    alike: Sequence[LayerRecord] = ()
    guess: Callable[[str, int | None], Dims | None] = lambda top, channels: None


def declare(
    layer: LayerRecord, build: Builder, layers: Sequence[LayerRecord], samples: Samples
) -> None:
    """Make graph inputs of a data layer's tops, leave its labels out."""
    build.layers.setdefault(layer.name, [])
    carrying = [top for top in layer.tops if _reaches_weights(top, layer, layers)]
    if layer.type != "Input" and not carrying and layer.tops:
        carrying = [layer.tops[0]]
    for index, top in enumerate(layer.tops):
        if layer.type == "Input" or top in carrying:
            build.feed(top, _dims(layer, index, build, layers, samples))
        else:
            build.left_out(attrs.evolve(layer, tops=(top,)))


def _reaches_weights(top: str, source: LayerRecord, layers: Sequence[LayerRecord]) -> bool:
    """True if a blob takes part in the prediction, not only in losses and metrics."""
    carried = {top}
    started = False
    for layer in layers:
        if layer is source:
            started = True
            continue
        if not started or not carried.intersection(layer.bottoms):
            continue
        if is_loss(layer.type) or layer.type in METRICS | SILENT:
            continue
        if layer.type in LEARNING or not is_known(layer.type):
            return True
        carried.update(layer.tops)
    return False


def _dims(
    layer: LayerRecord, index: int, build: Builder, layers: Sequence[LayerRecord], samples: Samples
) -> Dims:
    top = layer.tops[index]
    given = samples.given.get(top, samples.given.get(""))
    if given is not None:
        return (1, *given)
    dims, unread = _declared(layer, index) or _cropped(layer, index, build, layers), ""
    if dims is None:
        try:
            measured = samples.measure(layer)
            dims = (1, *measured) if measured is not None else None
        except DataError as error:
            unread = f" ({error})"
    if dims is None and not index:
        dims = _told_elsewhere(layer, build, layers, samples)
    if dims is None:
        raise build.error(
            layer, f"the size of its samples is neither in the file nor in readable data{unread}; "
            f"give it: --option input-shape={top}:CHANNELSxHEIGHTxWIDTH"
        )  # fmt: skip
    if min(dims) < 1:
        raise build.error(layer, f"expected sizes of at least 1, found {list(dims)}")
    return dims


def _told_elsewhere(
    layer: LayerRecord, build: Builder, layers: Sequence[LayerRecord], samples: Samples
) -> Dims | None:
    """Sizes from the mean image, the other phase's layer, or the weights, with a note."""
    top = layer.tops[0]
    others = [other for other in samples.alike if other.tops[:1] == (top,) and other is not layer]
    found, source = samples.mean(layer), "the mean image"
    for other in others:
        if found is None:
            found, source = _told_by(other, build, layers, samples), f"line {other.line}"
    if found is None and (size := _image_size(layer)) is not None:
        found, source = (3, *size), "its crop or new size, with three channels"
    if found is None:
        channels = _channels(layer, build, layers)
        found, source = samples.guess(top, channels), "the weights of the first full layer"
    if found is None:
        return None
    shape = "x".join(map(str, found))
    build.notes.append(
        f"the samples of layer '{layer.name}' cannot be read here: input '{top}' is taken as "
        f"{shape}, told by {source}; if it is another: --option input-shape={top}:CxHxW"
    )
    return (layer.batch_size or 1, *found)


def _told_by(
    other: LayerRecord, build: Builder, layers: Sequence[LayerRecord], samples: Samples
) -> Dims | None:
    stated = _declared(other, 0) or _cropped(other, 0, build, layers)
    if stated is not None:
        return stated[1:]
    try:
        return samples.measure(other)
    except DataError:
        return samples.mean(other)


def _declared(layer: LayerRecord, index: int) -> Dims | None:
    """Sizes the layer states in full; several tops may share one shape."""
    params = layer.params
    if layer.type == "MemoryData":
        memory = params.memory_data_param
        return memory.batch_size, memory.channels, memory.height, memory.width
    if layer.type not in ("Input", "DummyData"):
        return None
    holder = params.input_param if layer.type == "Input" else params.dummy_data_param
    shapes = [tuple(shape.dim) for shape in holder.shape]
    if not shapes and layer.type == "DummyData":
        lists = holder.num, holder.channels, holder.height, holder.width
        shapes = [tuple(map(int, shape)) for shape in zip(*lists, strict=False)]
    if not shapes:
        return None
    return shapes[index] if index < len(shapes) else shapes[0]


def _cropped(
    layer: LayerRecord, index: int, build: Builder, layers: Sequence[LayerRecord]
) -> Dims | None:
    """Images cropped or resized to a stated size; the first convolution tells their channels."""
    if index:
        return None
    size = _image_size(layer)
    channels = _channels(layer, build, layers)
    return None if size is None or channels is None else (layer.batch_size or 1, channels, *size)


def _image_size(layer: LayerRecord) -> Dims | None:
    params, transform = layer.params, layer.params.transform_param
    crop = transform.crop_size
    if not crop and layer.type in ("Data", "ImageData", "WindowData"):
        own = {
            "Data": "data_param",
            "ImageData": "image_data_param",
            "WindowData": "window_data_param",
        }
        crop = getattr(params, own[layer.type]).crop_size
    if crop:
        return int(crop), int(crop)
    resize = transform.resize_param
    if resize.height and resize.width:
        return int(resize.height), int(resize.width)
    image = params.image_data_param
    if layer.type == "ImageData" and image.new_height and image.new_width:
        return int(image.new_height), int(image.new_width)
    return None


def _channels(layer: LayerRecord, build: Builder, layers: Sequence[LayerRecord]) -> int | None:
    """Channels the first convolution reads; else what the transformation says."""
    for reader in layers:
        if reader.type == "Convolution" and layer.tops[0] in reader.bottoms:
            stored = build.stored_dims(reader, 0)
            if stored is not None and len(stored) > 1:
                return stored[1] * int(reader.params.convolution_param.group)
    transform = layer.params.transform_param
    if layer.type == "ImageData":
        return 3 if layer.params.image_data_param.is_color else 1
    if transform.force_gray:
        return 1
    if transform.force_color or len(transform.mean_value) == 3 or layer.type == "AnnotatedData":
        return 3
    return None


def parse_shapes(text: str) -> dict[str, Dims]:
    """``data:3x224x224`` (several separated by ``;``) or ``3x224x224`` for any input.

    Raises:
        ModelError: another form.
    """
    shapes: dict[str, Dims] = {}
    for part in filter(None, text.split(";")):
        name, _, sizes = part.rpartition(":")
        numbers = sizes.strip().lower().split("x")
        if not all(number.isdigit() and int(number) > 0 for number in numbers):
            raise ModelError(
                f"input-shape={text}: expected BLOB:CHANNELSxHEIGHTxWIDTH, such as data:3x224x224"
            )
        shapes[name.strip()] = tuple(map(int, numbers))
    return shapes
