"""Transformers of Hugging Face with random weights, through both exporters of PyTorch, at rate 0.5.

What can go (groups of heads, of the width of heads, of the layers within), the MACs of the whole
network, the rate that the defaults reach without samples, the largest difference of the masked and
the compact network, relative to the largest number, and parameters and bytes of the file before and
after. All parameters are drawn anew, biases and scales too. BERT and DistilBERT start from
embeddings. Needs the package `transformers`. Rows are kept in build/transformers as they are found,
and the table holds all there are.

Usage: python benchmarks/transformers.py [ViT] [DeiT] [BERT] [DistilBERT] [Swin]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path = [entry for entry in sys.path if Path(entry).resolve() != HERE.resolve()]
import transformers as hub  # noqa: E402  not this file

sys.path.append(str(HERE))
import torch  # noqa: E402
from networks import ROOT  # noqa: E402
from results import write_section  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import prunus  # noqa: E402
from prunus.plugin import Network, find_groups  # noqa: E402

RATE = 0.5
BUILD = ROOT / "build/transformers"
EXPORTERS = {"TorchScript": False, "dynamo": True}
HEADER = [
    "network", "exporter", "groups: heads / width / within", "MACs", "rate", "of the file",
    "masked against compact", "parameters", "bytes",
]  # fmt: skip


class Scores(nn.Module):
    """The class scores of a model of images."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Any:
        """Scores alone."""
        return self.inner(x).logits


class Mean(nn.Module):
    """The mean of what a model of language makes of embeddings."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Any:
        """``(N, C)``."""
        return self.inner(inputs_embeds=x).last_hidden_state.mean(1)


def vit() -> tuple[nn.Module, Tensor]:
    """ViT-Ti/16, 224 pixels."""
    config = hub.ViTConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768)
    return Scores(hub.ViTForImageClassification(config)), torch.randn(2, 3, 224, 224)


def deit() -> tuple[nn.Module, Tensor]:
    """DeiT-S/16 of six blocks, 112 pixels, with its second token and head."""
    config = hub.DeiTConfig(
        hidden_size=384,
        num_attention_heads=6,
        intermediate_size=1536,
        num_hidden_layers=6,
        image_size=112,
    )
    return Scores(hub.DeiTForImageClassificationWithTeacher(config)), torch.randn(2, 3, 112, 112)


def bert() -> tuple[nn.Module, Tensor]:
    """BERT-small: four blocks of 512, 64 positions."""
    config = hub.BertConfig(
        hidden_size=512, num_hidden_layers=4, num_attention_heads=8, intermediate_size=2048
    )
    return Mean(hub.BertModel(config, add_pooling_layer=False)), torch.randn(2, 64, 512)


def distilbert() -> tuple[nn.Module, Tensor]:
    """DistilBERT of half its width."""
    config = hub.DistilBertConfig(dim=384, n_heads=6, hidden_dim=1536)
    return Mean(hub.DistilBertModel(config)), torch.randn(2, 64, 384)


def swin() -> tuple[nn.Module, Tensor]:
    """Swin of half the width of Swin-T, 112 pixels, windows of seven."""
    config = hub.SwinConfig(image_size=112, embed_dim=48, depths=[2, 2, 2], num_heads=[2, 4, 8])
    return Scores(hub.SwinForImageClassification(config)), torch.randn(2, 3, 112, 112)


FORMS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "ViT": vit, "DeiT": deit, "BERT": bert, "DistilBERT": distilbert, "Swin": swin,
}  # fmt: skip


def drawn(made: Callable[[], tuple[nn.Module, Tensor]]) -> tuple[nn.Module, Tensor]:
    """A network none of whose parameters are equal."""
    torch.manual_seed(0)
    network, x = made()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1:
                centre = 1.0 if name.endswith("weight") else 0.0
                parameter.copy_(centre + 0.1 * torch.randn_like(parameter))
    return network.eval(), x


def exported(network: nn.Module, x: Tensor, path: Path, *, newer: bool) -> str | None:
    """Write a file for any number of samples; why not, where it cannot be."""
    free: dict[str, Any] = (
        {"dynamic_shapes": ({0: torch.export.Dim("n")},), "external_data": False}
        if newer
        else {"dynamic_axes": {"x": {0: "n"}}}
    )
    try:
        torch.onnx.export(
            network, (x,), path, dynamo=newer, verbose=False, input_names=["x"], **free
        )
    except Exception as error:  # noqa: BLE001  whatever an exporter stumbles over
        return type(error).__name__
    return None


def kinds(network: Network) -> str:
    """Numbers of groups: heads, their width, layers within."""
    groups = find_groups(network).groups
    headed = {layer for group in groups if group.unit == "head" for layer in group.layers}
    channels = [group for group in groups if group.unit != "head"]
    width = sum(set(group.layers) <= headed for group in channels)
    return f"{len(groups) - len(channels)} / {width} / {len(channels) - width}"


def row(name: str, exporter: str, path: Path) -> list[str]:
    """One file, pruned by the defaults without samples."""
    network = prunus.load(path)
    before = prunus.stat(network)
    plan = prunus.plan(network, rate=RATE)
    small = prunus.compact(prunus.prune(network, plan))
    small.save(path.parent / "small")
    (smaller,) = (path.parent / "small").glob("*.onnx")
    after = prunus.stat(prunus.load(smaller))
    return [
        name,
        exporter,
        kinds(network),
        f"{before.macs / 1e6:,.1f} M",
        f"{plan.rate:.4f}",
        f"{1 - after.macs / before.macs:.4f}",
        f"{small.proof.error:.1e}",
        f"{before.params:,} → {after.params:,}",
        f"{path.stat().st_size / 1e6:.2f} → {smaller.stat().st_size / 1e6:.2f} MB",
    ]


def keep(found: list[str]) -> None:
    """Remember one row, and write the table anew."""
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / f"{found[0]} {found[1]}.json").write_text(json.dumps(found))
    print(found, flush=True)
    files = [BUILD / f"{name} {exporter}.json" for name in FORMS for exporter in EXPORTERS]
    rows = [json.loads(file.read_text()) for file in files if file.exists()]
    write_section("Transformers at rate 0.5 (transformers.py)", HEADER, rows)


def main() -> None:
    """All forms through both exporters, or those named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[[], *FORMS])
    names = parser.parse_args().names or list(FORMS)
    warnings.simplefilter("ignore")
    for name in names:
        network, x = drawn(FORMS[name])
        for exporter, newer in EXPORTERS.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "network.onnx"
                refused = exported(network, x, path, newer=newer)
                if refused is not None:
                    keep([name, exporter, f"not exported: {refused}", *[""] * 6])
                else:
                    keep(row(name, exporter, path))


if __name__ == "__main__":
    main()
