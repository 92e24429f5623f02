"""Thirty PyTorch modules pruned in place, by prunus and by Torch-Pruning.

    python benchmarks/torch_modules.py [--only WORD] [--packages FOLDER] [--keep FOLDER]

A module counts where half of its MACs went (Torch-Pruning: 0.3 of the channels, about as much), the
smaller module runs, gives what the masked one gives (largest relative error in PyTorch, at most
1e-3), takes a step of training, and is exported again by torch.export. `--packages` holds
packages that do not fit this torch otherwise: of torchvision only its Python models are used. With
`--keep`, measurements are kept there, and those that are there are not made again.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import write_section
from torch import Tensor, nn
from torch_zoo import MODULES, module_of

import prunus

RATE = 0.5
CHANNELS = 0.3
LIMIT = 1e-3
LEAST = 0.25
"""Share of MACs that must be gone: less means that most of the module stayed whole."""
SECONDS = 300
TITLE = "PyTorch modules pruned in place (torch_modules.py)"
TURNS = 5
SPEED_TITLE = "Time to prune ResNet-50 as a PyTorch module (torch_modules.py --speed)"
SPEED = """\
`OMP_NUM_THREADS=1 python benchmarks/torch_modules.py --speed`: the five lines of either, as the
page on PyTorch modules shows them, at 224 x 224; {turns} runs of each in turn, processes of their
own, on a machine that others use. prunus over Torch-Pruning, medians: {ratio:.1f}. prunus exports
the module, tries what its code holds, and proves the smaller module in PyTorch."""
LINES = "five lines"
HEADER = [
    "module", "MACs gone", "masked – smaller", "prunus",
    "MACs gone", "masked – smaller", "Torch-Pruning",
]  # fmt: skip
TEXT = """\
`python benchmarks/torch_modules.py`: prunus {ours} of {all}, Torch-Pruning {version}
{theirs} of {all}. Random weights, pictures of 64 x 64 (inception 96). ok: the smaller module runs,
equals the masked one in PyTorch (largest difference over the largest number, at most 1e-3), learns
a step, is exported by torch.export, and at least a quarter of the MACs is gone. prunus:
`plan(rate=0.5, allocation="uniform")`, without samples. Torch-Pruning:
`MagnitudePruner(pruning_ratio=0.3)`, its last layer ignored, `num_heads` given for transformers. It
promises no equality with a masked module (behind layer normalisation, which divides by another
width, there is none), so none is asked of it."""


def main() -> None:
    """Measure all, each in a process of its own, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--packages", default="")
    parser.add_argument("--keep", default="")
    parser.add_argument("--who", choices=("ours", "theirs"), nargs="*", default=("ours", "theirs"))
    parser.add_argument("--speed", action="store_true", help="time ResNet-50 both ways, only")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.packages:
        use_packages(given.packages)
    if given.speed:
        compare_speed(given.packages)
        return
    if given.one:
        print(json.dumps(measured(*given.one)))
        return
    rows, counts = [], dict.fromkeys(given.who, 0)
    names = [name for name in MODULES if given.only in name]
    for name in names:
        row = [name]
        for who in counts:
            found = kept(given.keep, who, name) or in_a_process(who, name, given.packages)
            keep(given.keep, who, name, found)
            counts[who] += found["said"] == "ok"
            row += [found["macs"], found["error"], found["said"]]
        print(" | ".join(row), flush=True)
        rows.append(row)
    if not given.only and len(counts) == 2:
        text = TEXT.format(**counts, all=len(names), version=version("torch-pruning"))
        write_section(TITLE, HEADER, rows, text)


def compare_speed(packages: str) -> None:
    """Seconds from ResNet-50 to the smaller one, in turn."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(TURNS):
        for who in seconds:
            seconds[who].append(float(in_a_process(who, LINES, packages)["seconds"]))
    medians = {who: statistics.median(found) for who, found in seconds.items()}
    ratio = medians["ours"] / medians["theirs"]
    names = {"ours": "prunus", "theirs": "Torch-Pruning"}
    rows = [
        [names[who], f"{medians[who]:.1f}", ", ".join(f"{one:.1f}" for one in found)]
        for who, found in seconds.items()
    ]
    text = SPEED.format(turns=TURNS, ratio=ratio)
    write_section(SPEED_TITLE, ["", "median seconds", "all"], rows, text)


def kept(folder: str, who: str, name: str) -> dict[str, str] | None:
    """A measurement that was made before."""
    path = Path(folder) / f"{who} {name}.json"
    return dict(json.loads(path.read_text())) if folder and path.exists() else None


def keep(folder: str, who: str, name: str, found: dict[str, str]) -> None:
    """Keep a measurement."""
    if folder:
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / f"{who} {name}.json").write_text(json.dumps(found))


def use_packages(folder: str) -> None:
    """Import from a folder; torchvision's operators, compiled for another torch, are left out."""
    sys.path.insert(0, folder)
    register = torch.library.register_fake

    def without(name: Any, *rest: Any, **options: Any) -> Any:
        if isinstance(name, str) and name.startswith("torchvision::"):
            return lambda function: function
        return register(name, *rest, **options)

    torch.library.register_fake = without


def in_a_process(who: str, name: str, packages: str) -> dict[str, str]:
    """A measurement alone; a crash is a result too."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", who, name]
    command += ["--packages", packages] if packages else []
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
        return dict(json.loads(ran.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        said = f"more than {SECONDS} s"
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["crashed"])[-1]
    return {"macs": "", "error": "", "seconds": "", "said": said[:160]}


def measured(who: str, name: str) -> dict[str, str]:
    """Prune a module, and try what its user would do next."""
    if name == LINES:
        return {"seconds": str(five_lines(who))}
    module, pictures = module_of(name)
    prune: Callable[..., tuple[nn.Module, nn.Module, float]] = {"ours": ours, "theirs": theirs}[who]
    start = time.perf_counter()
    masked, small, gone = prune(module, pictures, name)
    seconds = time.perf_counter() - start
    assert type(small) is type(module)
    error = max(
        difference(one, other)
        for one, other in zip(outputs(masked, pictures), outputs(small, pictures), strict=True)
    )
    said = "ok" if error <= LIMIT or who == "theirs" else "computes something else"
    said = "most of it stays" if gone < LEAST else said
    step(small, pictures)
    torch.export.export(small.eval(), (pictures,))
    return {
        "macs": f"{gone:.2f}",
        "error": f"{error:.0e}",
        "seconds": f"{seconds:.1f}",
        "said": said,
    }


def ours(module: nn.Module, pictures: Tensor, name: str) -> tuple[nn.Module, nn.Module, float]:
    """Masked module, smaller module, share of MACs gone."""
    network = prunus.load(module, example_inputs=pictures)
    plan = prunus.plan(network, rate=RATE, allocation="uniform", best_effort=True)
    masked = prunus.prune(network, plan)
    return masked.native, prunus.compact(masked).native, plan.rate


def five_lines(who: str) -> float:
    """Seconds from ResNet-50 to a smaller one."""
    import torch_pruning as tp
    from torchvision.models import resnet50

    module, x = resnet50().eval(), torch.randn(1, 3, 224, 224)
    start = time.perf_counter()
    if who == "ours":
        network = prunus.load(module, example_inputs=x)
        plan = prunus.plan(network, rate=RATE, criterion="l2", allocation="uniform")
        masked = prunus.prune(network, plan)
        module = prunus.compact(masked).native
    else:
        importance = tp.importance.GroupMagnitudeImportance(p=2)
        pruner = tp.pruner.MagnitudePruner(
            module, x, importance, pruning_ratio=CHANNELS, ignored_layers=[module.fc]
        )
        pruner.step()
    seconds = time.perf_counter() - start
    assert sum(p.numel() for p in module.parameters()) < 20e6
    return seconds


def theirs(module: nn.Module, pictures: Tensor, name: str) -> tuple[nn.Module, nn.Module, float]:
    """The same; the masked module is the whole one with zeros for what Torch-Pruning removes."""
    import torch_pruning as tp

    masked, small = copy.deepcopy(module), copy.deepcopy(module)
    whole = tp.utils.count_ops_and_params(small, pictures)[0]
    heads = {
        part: part.num_heads
        for part in small.modules()
        if isinstance(getattr(part, "num_heads", None), int)
    }
    last = [part for part in small.modules() if outputs_of(part) == last_width(small, pictures)]
    pruner = tp.pruner.MagnitudePruner(
        small,
        pictures,
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=CHANNELS,
        ignored_layers=last[-1:] if not name.startswith("YOLO") else list(small.boxes),
        num_heads={qkv: heads[part] for part in heads for qkv in [getattr(part, "qkv", part)]},
    )
    parts = dict(masked.named_modules())
    names = {part: place for place, part in small.named_modules()}
    alive: dict[str, np.ndarray] = {}  # name -> original numbers of the channels that are left
    for group in pruner.step(interactive=True):
        for dependency, indices in group:
            made = names.get(dependency.target.module)
            if made is not None and "out_channels" in dependency.handler.__name__:
                left = alive.setdefault(made, np.arange(width(parts[made])))
                silence(parts[made], left[indices].tolist())
                alive[made] = np.delete(left, indices)
        group.prune()
    for part in heads:  # as its README does for timm
        if hasattr(part, "head_dim") and hasattr(part, "qkv"):
            part.num_heads = pruner.num_heads[part.qkv]
            part.head_dim = part.qkv.out_features // (3 * part.num_heads)
            part.attn_dim = part.num_heads * part.head_dim  # newer than the README
    gone = 1 - tp.utils.count_ops_and_params(small, pictures)[0] / whole
    return masked, small, gone


def silence(part: nn.Module, indices: list[int]) -> None:
    """Zeros for channels of a layer."""
    with torch.no_grad():
        for tensor in (getattr(part, "weight", None), getattr(part, "bias", None)):
            if tensor is not None and isinstance(part, nn.ConvTranspose2d) and tensor.ndim > 1:
                tensor[:, indices] = 0
            elif tensor is not None:
                tensor[indices] = 0


def width(part: nn.Module) -> int:
    """Channels that a layer makes, or normalises."""
    return outputs_of(part) or int(part.weight.shape[0])


def outputs_of(part: nn.Module) -> int:
    """Channels that a layer makes; 0 where it is none."""
    return int(getattr(part, "out_features", getattr(part, "out_channels", 0)) or 0)


def last_width(module: nn.Module, pictures: Tensor) -> int:
    """Channels of the last output."""
    return outputs(module, pictures)[-1].shape[1]


def outputs(module: nn.Module, pictures: Tensor) -> list[Tensor]:
    """Every tensor that a module gives in evaluation mode."""
    with torch.no_grad():
        given = module.eval()(pictures)
    return [leaf for leaf in torch.utils._pytree.tree_leaves(given) if isinstance(leaf, Tensor)]


def difference(one: Tensor, other: Tensor) -> float:
    """Largest difference over the largest number."""
    if one.shape != other.shape:
        return float(np.inf)
    return float((one - other).abs().max() / one.abs().max())


def step(module: nn.Module, pictures: Tensor) -> None:
    """A step of training."""
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    module.train()
    leaves = torch.utils._pytree.tree_leaves(module(pictures))
    sum(leaf.square().mean() for leaf in leaves).backward()
    optimizer.step()


if __name__ == "__main__":
    main()
