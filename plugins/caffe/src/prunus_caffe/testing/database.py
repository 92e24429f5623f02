"""Databases of samples, as Caffe's ``convert_imageset`` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

from prunus_caffe.schema import message


def datum(image: NDArray[np.uint8], label: int) -> Any:
    """A Datum message of raw pixels ``(C, H, W)``."""
    channels, height, width = image.shape
    return message("Datum")(
        channels=channels, height=height, width=width, data=image.tobytes(), label=label
    )


def encoded_datum(file: bytes, label: int) -> Any:
    """A Datum message of an image file."""
    return message("Datum")(data=file, encoded=True, label=label)


def write_leveldb(path: Path, samples: Iterable[Any]) -> None:
    """Write Datum messages under counted keys."""
    import plyvel

    database = plyvel.DB(str(path), create_if_missing=True)
    for number, sample in enumerate(samples):
        database.put(f"{number:08d}".encode(), sample.SerializeToString())
    database.compact_range()
    database.close()


def write_lmdb(path: Path, samples: Iterable[Any]) -> None:
    """Write Datum messages under counted keys, at most 256 MB of them."""
    with lmdb.open(str(path), map_size=1 << 28) as database, database.begin(write=True) as out:
        for number, sample in enumerate(samples):
            out.put(f"{number:08d}".encode(), sample.SerializeToString())
