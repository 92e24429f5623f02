from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from prunus.report.pictures import boxes_of, data_uri


def test_boxes_in_per_cent():
    (box,) = boxes_of(np.array([[3, 0.5, 0.25, 0.2, 0.1]]))
    assert (box.x, box.y, box.width, box.height, box.label) == (40, 20, 20, 10, "3")
    assert boxes_of(np.zeros((0, 5))) == ()


def test_a_picture_is_as_it_was_and_small():
    values = np.zeros((3, 600, 300))
    values[0] = 255
    uri, width, height = data_uri(values)
    assert (width, height) == (130, 260)
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert image.size == (130, 260)
    assert np.abs(np.asarray(image)[100, 100].astype(int) - [255, 0, 0]).max() < 6


def test_a_grey_picture():
    uri, *_ = data_uri(np.full((1, 8, 8), 128.0))
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert image.mode == "L"
