"""Small transformers as people write them: one of every way to make queries, keys and values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, HEADS, PLACES = 24, 3, 5
"""Channels of the residual stream, heads of attention, positions of a sample."""

_OF_HEAD = WIDTH // HEADS

Shapes = tuple[int, ...]


def split(x: Tensor, heads: int = HEADS) -> Tensor:
    """``(N, T, C)`` as ``(N, H, T, C/H)``."""
    batch, places, width = x.shape
    return x.view(batch, places, heads, width // heads).transpose(1, 2)


def join(x: Tensor) -> Tensor:
    """``(N, H, T, D)`` as ``(N, T, H·D)``."""
    batch, _, places, _ = x.shape
    return x.transpose(1, 2).reshape(batch, places, -1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention written out, scaled by the root of the width it finds."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    return scores.softmax(-1) @ value


class Separate(nn.Module):
    """Three linear layers (BERT, DistilBERT)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.value, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        query, key, value = (split(layer(x)) for layer in (self.query, self.key, self.value))
        return self.out(join(self.mixed(query, key, value)))

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What the heads make, ``(N, H, T, D)``."""
        return attend(query, key, value)


class Fused(nn.Module):
    """One linear layer makes all three, unbound along an axis of its own (timm's ViT)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        batch, places, width = x.shape
        three = self.qkv(x).reshape(batch, places, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        return self.out(join(attend(*three.unbind(0))))


class Chunked(Fused):
    """One linear layer, cut into three along its channels (nanoGPT)."""

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return self.out(join(attend(*(split(part) for part in self.qkv(x).chunk(3, -1)))))


class Library(nn.Module):
    """PyTorch's own module."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return self.inner(x, x, x, need_weights=False)[0]


class Scaled(Separate):
    """PyTorch's own product of the three."""

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: D102
        return functional.scaled_dot_product_attention(query, key, value)


class Causal(Separate):
    """Each position sees those before it."""

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: D102
        return functional.scaled_dot_product_attention(query, key, value, is_causal=True)


class Biased(Separate):
    """A learned bias for each head and pair of positions (Swin, T5)."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(1, HEADS, PLACES, PLACES))

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: D102
        scores = query @ key.transpose(-2, -1) * _OF_HEAD**-0.5 + self.bias
        return torch.matmul(scores.softmax(-1), value)


class Rotary(Separate):
    """Queries and keys turned by their positions (Su et al., RoFormer, 2021)."""

    sine: Tensor
    cosine: Tensor

    def __init__(self) -> None:
        super().__init__()
        angles = torch.outer(torch.arange(PLACES), 0.5 ** torch.arange(_OF_HEAD // 2))
        angles = torch.cat([angles, angles], -1)
        self.register_buffer("sine", angles.sin())
        self.register_buffer("cosine", angles.cos())

    def turned(self, x: Tensor) -> Tensor:
        """A query or key at its position."""
        first, second = x.chunk(2, -1)
        return x * self.cosine + torch.cat([-second, first], -1) * self.sine

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: D102
        return attend(self.turned(query), self.turned(key), value)


class Normalised(Separate):
    """Queries and keys of each head are normalised (Dehghani et al., ViT-22B, 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.query_norm, self.key_norm = nn.LayerNorm(_OF_HEAD), nn.LayerNorm(_OF_HEAD)

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: D102
        return attend(self.query_norm(query), self.key_norm(key), value)


class Positive(Separate):
    """Products of positive numbers instead of a softmax (Katharopoulos et al., ICML 2020).

    A removed channel of a query is one there, not zero: the width has to stay.
    """

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: D102
        query, key = functional.elu(query) + 1, functional.elu(key) + 1
        return query @ key.transpose(-2, -1) @ value / PLACES


class Shared(nn.Module):
    """Pairs of query heads share a key and a value (Ainslie et al., GQA, EMNLP 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.out = nn.Linear(WIDTH, 4 * 6), nn.Linear(4 * 6, WIDTH)
        self.key, self.value = nn.Linear(WIDTH, 2 * 6), nn.Linear(WIDTH, 2 * 6)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        query = split(self.query(x), 4)
        key, value = (self.repeated(split(layer(x), 2)) for layer in (self.key, self.value))
        return self.out(join(attend(query, key, value)))

    @staticmethod
    def repeated(x: Tensor) -> Tensor:
        """``(N, 2, T, D)`` as ``(N, 4, T, D)``."""
        batch, heads, places, width = x.shape
        twice = x[:, :, None].expand(batch, heads, 2, places, width)
        return twice.reshape(batch, 2 * heads, places, width)


class Crossed(nn.Module):
    """Queries that are learned read the positions (Jaegle et al., Perceiver, ICML 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.randn(1, PLACES, WIDTH))
        self.inner = Separate()

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        latent = self.latent + x.mean(1, keepdim=True)
        inner = self.inner
        query, key, value = inner.query(latent), inner.key(x), inner.value(x)
        return inner.out(join(attend(split(query), split(key), split(value))))


class Summed(Separate):
    """Written as sums over named axes."""

    def mixed(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # noqa: D102
        scores = torch.einsum("bhqd,bhkd->bhqk", query, key) * _OF_HEAD**-0.5
        return torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), value)


class RootMeanSquare(nn.Module):
    """RMS normalisation (Zhang and Sennrich, NeurIPS 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(WIDTH) + 0.5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return self.scale * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


class Swish(nn.Module):
    """Two layers multiplied (Shazeer, GLU variants, 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(WIDTH, 40, bias=False), nn.Linear(WIDTH, 40, bias=False)
        self.down = nn.Linear(40, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return self.down(functional.silu(self.gate(x)) * self.up(x))


def perceptron(activation: nn.Module) -> nn.Module:
    """Two layers."""
    return nn.Sequential(nn.Linear(WIDTH, 40), activation, nn.Linear(40, WIDTH))


class Block(nn.Module):
    """Attention and two layers behind it, each added to what comes in."""

    def __init__(
        self,
        attention: nn.Module,
        inner: nn.Module,
        norm: Callable[[], nn.Module] = lambda: nn.LayerNorm(WIDTH),
        *,
        before: bool = True,
    ) -> None:
        """``before``: normalised is what is read, and not the sum."""
        super().__init__()
        self.attention, self.inner, self.before = attention, inner, before
        self.first, self.second = norm(), norm()

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        if self.before:
            x = x + self.attention(self.first(x))
            return x + self.inner(self.second(x))
        x = self.first(x + self.attention(x))
        return self.second(x + self.inner(x))


class Sequence(nn.Module):
    """Blocks over ``(N, 5, 24)``, and a head over the mean of the positions."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return self.head(self.norm(self.blocks(x)).mean(1))


def transformers() -> dict[str, nn.Module]:
    """Name -> network over ``(N, 5, 24)`` with random weights, ready to be exported."""
    torch.manual_seed(0)
    found: dict[str, nn.Module] = {
        "separate": Sequence(
            Block(Separate(), perceptron(nn.GELU()), before=False),
            Block(Separate(), perceptron(nn.GELU())),
        ),
        "fused": Sequence(Block(Fused(), perceptron(nn.GELU(approximate="tanh")))),
        "chunked": Sequence(Block(Chunked(), perceptron(nn.ReLU()))),
        "library": Sequence(Block(Library(), perceptron(nn.GELU()))),
        "scaled": Sequence(Block(Scaled(), perceptron(nn.SiLU()))),
        "causal": Sequence(Block(Causal(), perceptron(nn.GELU()))),
        "biased": Sequence(Block(Biased(), perceptron(nn.GELU()))),
        "rotary": Sequence(Block(Rotary(), Swish(), RootMeanSquare)),
        "normalised": Sequence(Block(Normalised(), perceptron(nn.GELU()))),
        "positive": Sequence(Block(Positive(), perceptron(nn.GELU()))),
        "shared": Sequence(Block(Shared(), Swish(), RootMeanSquare)),
        "crossed": Sequence(Block(Crossed(), perceptron(nn.GELU()))),
        "summed": Sequence(Block(Summed(), perceptron(nn.GELU()))),
    }
    for network in found.values():
        for module in network.modules():
            if isinstance(module, nn.LayerNorm):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)
            if isinstance(module, nn.MultiheadAttention):
                assert module.in_proj_bias is not None
                nn.init.normal_(module.in_proj_bias, 0, 0.3)
        network.eval()
    return found
