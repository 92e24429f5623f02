"""Darknet weights files with random values and sane statistics, and cfgs made smaller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prunus_darknet.cfg import Cfg, parse_cfg
from prunus_darknet.dialect import dialect_of
from prunus_darknet.records.layers import Blob, Layer, Structure
from prunus_darknet.records.structure import read_structure
from prunus_darknet.weights import NEW_HEADER, Array, stored_order, write_weights


def structure_of(cfg: Cfg, normalization: str | None = None) -> Structure:
    """Layer records of a cfg in the dialect it would be read by."""
    return read_structure(cfg, dialect_of(cfg, None, normalization))


def write_random_weights(cfg: Cfg, path: Path, seed: int, header: bytes = NEW_HEADER) -> None:
    """A weights file for ``cfg``: values that keep activations near one."""
    write_weights(path, header, _runs(structure_of(cfg), np.random.default_rng(seed)))


def _runs(structure: Structure, rng: np.random.Generator) -> Iterator[Array]:
    for layer in structure.layers:
        for blob in layer.blobs:
            yield stored_order(_values(layer, blob, rng).reshape(blob.shape), blob)


def _values(layer: Layer, blob: Blob, rng: np.random.Generator) -> Array:
    if blob.role in ("weight", "raw") and blob.size > layer.output.c:
        fan_in = blob.size / layer.output.c if blob.role == "weight" else 9 * layer.input.c
        drawn = rng.standard_normal(blob.size, np.float32)
        return drawn * np.float32(np.sqrt(2 / max(fan_in, 1)))
    if blob.role in ("variance", "scale"):
        return rng.uniform(0.5, 1.5, blob.size).astype(np.float32)
    return rng.standard_normal(blob.size, np.float32) * np.float32(0.1)


def small(cfg: Cfg, side: int | None) -> Cfg:
    """``cfg`` for one sample a batch, at ``side`` x ``side`` (and crops to 7/8 of it)."""
    numbers = {"batch": 1, "subdivisions": 1}
    if side is None:
        return parse_cfg(cfg.with_net(numbers), cfg.path)
    cfg = parse_cfg(cfg.with_net(numbers | {"width": side, "height": side}), cfg.path)
    crops = {
        (index, key): min(side * 7 // 8, section.integer(key, 1))
        for index, section in enumerate(cfg.layers)
        if section.type == "crop"
        for key in ("crop_width", "crop_height")
    }
    return parse_cfg(cfg.edited(crops), cfg.path)
