from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import prunus
from prunus.errors import DataError, ModelError, UsageError
from prunus_darknet.boxes.average_precision import VOC
from prunus_darknet.task import mean_average_precision

CONV = "[convolutional]\nbatch_normalize=1\nfilters=14\nsize=1\nstride=1\nactivation=leaky\n"
YOLO = "[yolo]\nmask=0,1\nanchors=4,4, 8,8\nnum=2\nclasses=2\n"


def network(make_files, layers: str, net: str = "", data: str | None = None, **options: str):
    model, weights = make_files(layers, net=net)
    return prunus.load(model, weights, data=data, options=options)


def data_file(tmp_path: Path) -> Path:
    for split in ("train", "valid"):
        path = tmp_path / f"{split}_red.png"
        Image.fromarray(np.full((8, 8, 3), (255, 0, 0), np.uint8)).save(path)
        (tmp_path / f"{split}.txt").write_text(path.name + "\n")
    (tmp_path / "labels").write_text("red\nblue\n")
    path = tmp_path / "colours.data"
    path.write_text("classes=2\ntrain=train.txt\nvalid=valid.txt\nlabels=labels\n")
    return path


def test_without_datacfg_there_are_no_samples(make_files) -> None:
    task = network(make_files, CONV + "[avgpool]\n[softmax]\n").task
    assert task.evaluation is None
    assert task.training is None
    assert task.metric.name == "top-1"
    assert task.recipe.solver == "darknet"


def test_datacfg_opens_both_lists(make_files, tmp_path: Path) -> None:
    spec = str(data_file(tmp_path))
    task = network(make_files, CONV + "[avgpool]\n[softmax]\n", datacfg=spec).task
    training, evaluation = task.training(), task.evaluation()
    assert [d.list_file.name for d in (training, evaluation)] == ["train.txt", "valid.txt"]
    assert training.read(np.zeros(1, np.int64), None).labels.tolist() == [0]


def test_data_that_is_a_data_file_goes_first(make_files, tmp_path: Path) -> None:
    spec, text = str(data_file(tmp_path)), CONV + "[avgpool]\n[softmax]\n"
    task = network(make_files, text, datacfg="other.data", data=spec).task
    assert [d().list_file.name for d in (task.training, task.evaluation)] == [
        "train.txt",
        "valid.txt",
    ]
    assert network(make_files, text, data="samples.npz").task.training is None
    assert network(make_files, text, datacfg=spec, data="samples.npz").task.training is not None


def test_datacfg_that_is_no_data_file(make_files) -> None:
    task = network(make_files, CONV, datacfg="samples.npz").task
    with pytest.raises(DataError) as caught:
        task.training()
    assert str(caught.value) == "samples.npz: datacfg names a Darknet .data file"


def test_map_needs_boxes(make_files) -> None:
    with pytest.raises(UsageError) as caught:
        mean_average_precision(network(make_files, CONV), VOC)
    assert (
        str(caught.value)
        == "metric map needs boxes; this network has no [yolo], [region] or [detection] layer"
    )


def test_class_tree_is_not_decoded(make_files) -> None:
    region = "[region]\nanchors=1,1, 2,2\nnum=2\nclasses=2\nsoftmax=1\ntree=9k.tree\n"
    net = network(make_files, CONV + region)
    assert net.task.metric.name == "fidelity"
    with pytest.raises(UsageError) as caught:
        mean_average_precision(net, VOC)
    assert str(caught.value) == (
        "metric map: region layer 1 has a class tree, whose scores are not decoded; "
        "use --metric fidelity"
    )


def test_how_images_are_shown_is_said(make_files) -> None:
    def shown(net: str) -> list[str]:
        notes = network(make_files, CONV + YOLO, net).notes
        return [note for note in notes if "images are" in note]

    assert shown("") == []
    assert shown("mosaic=0\n") == [
        "net.cfg: images are resized without letterbox, as AlexeyAB's Darknet does"
    ]
    assert shown("letter_box=1\n") == [
        "net.cfg: images are letterboxed, as AlexeyAB's Darknet does"
    ]


def test_a_head_without_anchors_can_still_be_pruned(make_files, tmp_path: Path) -> None:
    spec = str(data_file(tmp_path))
    net = network(make_files, CONV + YOLO.replace("mask=0,1", "mask=0,2"), datacfg=spec)
    said = (
        f"{tmp_path}/net.cfg:14: mask names anchor 2, there are 2; "
        "mask counts the pairs of anchors from 0"
    )
    assert f"{said}; until then this network can only be pruned" in net.notes
    assert net.task.recipe is None
    with pytest.raises(ModelError) as caught:
        net.task.training()
    assert str(caught.value) == said


def test_the_recipe_is_of_the_solver_that_is_named(make_files, tmp_path: Path) -> None:
    model, weights = make_files(CONV + "[avgpool]\n[softmax]\n")
    solver = tmp_path / "solver.cfg"
    solver.write_text("[net]\nlearning_rate=0.125\n" + CONV)
    assert prunus.load(model, weights).task.recipe.learning_rate.base != 0.125
    assert prunus.load(model, weights, solver=solver).task.recipe.learning_rate.base == 0.125
