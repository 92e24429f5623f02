"""The options of vai_p_tensorflow as settings of the steps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs

from prunus.plugin import Settings


@attrs.frozen
class Options:
    """The options of vai_p_tensorflow, read.

    Attributes:
        settings: What the steps of the core take.
        script: Evaluation script, if any.
        target: Metric of the script.
        batches: Batches of an evaluation.
        output_graph, output_ckpt: What to write.
        as_json: Print JSON.
    """

    settings: Settings
    script: Path | None
    target: str | None
    batches: int | None
    output_graph: Path | None
    output_ckpt: Path | None
    as_json: bool


def read_options(given: dict[str, Any]) -> Options:
    """Options as settings of the core."""
    select_gpu(given["gpu"])
    exclude = tuple(
        name.strip() for text in given["exclude"] for name in text.split(",") if name.strip()
    )
    names = ("input_nodes", "input_node_shapes", "output_nodes")
    settings = Settings(
        model=given["input_graph"],
        weights=given["input_ckpt"],
        data=given["data"],
        train_data=given["train_data"],
        workspace=given["workspace"],
        rate=given["sparsity"],
        metric=given["target"] if given["eval_fn_path"] is None else None,
        multiple=given["channel_batch"],
        seed=given["seed"],
        best_effort=True,  # the legacy tool took the nearest plan, however far it was
        exclude=exclude,
        options={name: given[name] for name in names if given[name]},
    )
    return Options(
        settings,
        given["eval_fn_path"],
        given["target"],
        given["max_num_batches"],
        given["output_graph"],
        given["output_ckpt"],
        given["as_json"],
    )


def select_gpu(gpu: str | None) -> None:
    """Let TensorFlow see the devices asked for; must happen before it is imported."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
