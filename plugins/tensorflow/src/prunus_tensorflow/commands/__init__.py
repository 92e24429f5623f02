"""``prunus tensorflow``: the options of vai_p_tensorflow on the steps of prunus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from prunus_tensorflow.commands.options import read_options

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
    from prunus_tensorflow.commands import actions

    options = read_options(given)
    {
        "ana": actions.ana,
        "prune": actions.prune,
        "transform": actions.transform,
        "flops": actions.flops,
    }[action](options)
