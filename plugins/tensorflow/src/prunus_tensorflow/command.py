"""``prunus tensorflow``: the options of vai_p_tensorflow on the steps of prunus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from prunus.plugin import Settings

_PATH = click.Path(path_type=Path)


@click.command("tensorflow")
@click.option(
    "--action", type=click.Choice(["ana", "prune", "transform", "flops"]), required=True,
    help="what to do",
)  # fmt: skip
@click.option("--input_graph", type=_PATH, help="baseline graph: .pbtxt, .pb or .meta")
@click.option("--input_ckpt", type=_PATH, help="checkpoint; later rounds: the finetuned one")
@click.option("--output_graph", type=_PATH, help="smaller graph to write")
@click.option("--output_ckpt", type=_PATH, help="checkpoint to write")
@click.option("--eval_fn_path", type=_PATH, help="evaluation script, in one of its three forms")
@click.option("--target", help="metric of the script to read, such as accuracy")
@click.option("--max_num_batches", type=int, help="batches of an evaluation [all]")
@click.option("--workspace", type=_PATH, help="directory of the analysis and the rounds")
@click.option("--exclude", multiple=True, help="node that stays whole; repeatable, or a comma list")
@click.option("--input_nodes", default="", help="comma list")
@click.option("--input_node_shapes", default="", help="1,32,32,1; several separated by ':'")
@click.option("--output_nodes", default="", help="comma list")
@click.option("--sparsity", type=float, help="share of the baseline's operations to remove")
@click.option("--channel_batch", type=int, default=2, show_default=True, help="multiple kept")
@click.option("--gpu", help="device ids")
@click.option("--data", help="held-out samples, to measure without a script")
@click.option("--train_data", help="samples for compensated weights; labels are not read")
@click.option("--seed", type=int, default=0, show_default=True, help="seed of everything drawn")
@click.option("--json", "as_json", is_flag=True, help="machine-readable result on stdout")
@click.option("--verbose", is_flag=True, help="show tracebacks")
def tensorflow(action: str, **given: Any) -> None:
    """Prune a TensorFlow graph with the options of vai_p_tensorflow.

    ana and prune keep their state in --workspace; prune writes --output_graph (smaller) and
    --output_ckpt (masked, full size: finetune or evaluate it); transform turns a masked
    checkpoint into a small one that fits --output_graph; flops counts.
    """
    from prunus_tensorflow import actions

    options = read_options(given)
    {
        "ana": actions.ana,
        "prune": actions.prune,
        "transform": actions.transform,
        "flops": actions.flops,
    }[action](options)


@attrs.frozen
class Options:
    """The options of vai_p_tensorflow, read.

    Attributes:
        settings: What the steps of the core take.
        script: Evaluation script, if any.
        target: Metric of the script.
        batches: Batches of an evaluation.
        train_data: Samples for compensated weights.
        output_graph, output_ckpt: What to write.
        as_json: Print JSON.
    """

    settings: Settings
    script: Path | None
    target: str | None
    batches: int | None
    train_data: str | None
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
        given["train_data"],
        given["output_graph"],
        given["output_ckpt"],
        given["as_json"],
    )


def select_gpu(gpu: str | None) -> None:
    """Let TensorFlow see the devices asked for; must happen before it is imported."""
    if gpu is not None:
        import os

        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
