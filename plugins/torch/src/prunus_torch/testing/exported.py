"""Networks as people export them from PyTorch: one of every idea that moves channels oddly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv(inside: int, outside: int, kernel: int = 3, stride: int = 1, group: int = 1) -> nn.Module:
    """Convolution, BatchNorm, SiLU."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=group, bias=False),
        nn.BatchNorm2d(outside),
        nn.SiLU(),
    )


class Classifier(nn.Module):
    """Some layers, pooled and classified."""

    def __init__(self, width: int, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return self.head(self.layers(x).mean((2, 3)))


class Ghost(nn.Module):
    """Half of the channels are cheap copies (Han et al., GhostNet, CVPR 2020)."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.own = conv(inside, outside // 2, 1)
        self.cheap = conv(outside // 2, outside // 2, 3, 1, outside // 2)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        own = self.own(x)
        return torch.cat([own, self.cheap(own)], 1)


class Cascade(nn.Module):
    """Four chunks, each adding the one before (Gao et al., Res2Net, TPAMI 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(conv(width // 4, width // 4) for _ in range(3))
        self.join = conv(width, width, 1)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        first, *others = x.chunk(4, 1)
        found = [first]
        for part, chunk in zip(self.parts, others, strict=True):
            found.append(part(chunk if len(found) == 1 else chunk + found[-1]))
        return x + self.join(torch.cat(found, 1))


class Partial(nn.Module):
    """Two chunks, one goes deeper, all are joined (the C2f of YOLOv8)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = conv(width, width, 1)
        self.inner = nn.ModuleList(
            nn.Sequential(conv(width // 2, width // 2), conv(width // 2, width // 2))
            for _ in range(2)
        )
        self.join = conv(2 * width, width, 1)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        parts = list(self.enter(x).chunk(2, 1))
        for inner in self.inner:
            parts.append(parts[-1] + inner(parts[-1]))
        return self.join(torch.cat(parts, 1))


class Gated(nn.Module):
    """One half opens the other (Dauphin et al., GLU, ICML 2017)."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.both = nn.Conv2d(inside, 2 * outside, 3, padding=1)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return functional.glu(self.both(x), 1)


class Focus(nn.Module):
    """Every second pixel becomes channels (YOLOv5's stem)."""

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        corners = [x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return torch.cat(corners, 1)


class Positions(nn.Module):
    """Coordinates as further channels (Liu et al., CoordConv, NeurIPS 2018)."""

    grid: Tensor

    def __init__(self, side: int = 16) -> None:
        super().__init__()
        line = torch.linspace(-1, 1, side)
        self.register_buffer("grid", torch.stack(torch.meshgrid(line, line, indexing="ij"))[None])

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        return torch.cat([x, self.grid.expand(x.shape[0], -1, -1, -1)], 1)


class Resolutions(nn.Module):
    """Two resolutions exchange by addition (Sun et al., HRNet, CVPR 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.high, self.low = conv(3, 8), nn.Sequential(conv(3, 12, 3, 2), conv(12, 12))
        self.up, self.down = nn.Conv2d(12, 8, 1), nn.Conv2d(8, 12, 3, 2, 1)
        self.head = nn.Conv2d(20, 4, 1)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        high, low = self.high(x), self.low(x)
        size = high.shape[2:]
        risen = functional.interpolate(self.up(low), size=size, mode="bilinear")
        fallen = functional.relu(low + self.down(high))
        again = functional.interpolate(fallen, size=size, mode="nearest")
        return self.head(torch.cat([functional.relu(high + risen), again], 1))


class Pyramid(nn.Module):
    """One head reads all scales (Lin et al., FPN, CVPR 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(conv(i, o, 3, 2) for i, o in ((3, 8), (8, 12), (12, 16)))
        self.sides = nn.ModuleList(nn.Conv2d(width, 10, 1) for width in (8, 12, 16))
        self.head = nn.Sequential(conv(10, 10), nn.Conv2d(10, 6, 1))

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        found: list[Tensor] = []
        for step, side in zip(self.steps, self.sides, strict=True):
            x = step(x)
            found.append(side(x))
        for position in (1, 0):
            larger = functional.interpolate(found[position + 1], scale_factor=2.0, mode="nearest")
            found[position] = found[position] + larger
        flat = [self.head(level).permute(0, 2, 3, 1).flatten(1, 2) for level in found]
        return torch.cat(flat, 1).sigmoid()


class Windows(nn.Module):
    """Attention within windows, folded into the batch (Liu et al., Swin, ICCV 2021)."""

    def __init__(self, width: int = 16, heads: int = 4, side: int = 4) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        self.patches = nn.Conv2d(3, width, 2, 2)
        self.three, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 24), nn.GELU(), nn.Linear(24, width))
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        x = self.patches(x).permute(0, 2, 3, 1)
        batch, height, width, depth = x.shape
        grid = (batch, height // self.side, self.side, width // self.side, self.side, depth)
        rows = self.norm(x).view(grid).permute(0, 1, 3, 2, 4, 5).reshape(-1, self.side**2, depth)
        split = self.three(rows).view(-1, self.side**2, 3, self.heads, depth // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        shares = (query @ key.transpose(-2, -1)).softmax(-1)
        rows = self.out((shares @ value).transpose(1, 2).reshape(-1, self.side**2, depth))
        whole = (batch, height // self.side, width // self.side, self.side, self.side, depth)
        x = x + rows.view(whole).permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, depth)
        return self.head((x + self.mlp(self.norm(x))).mean((1, 2)))


class Tokens(nn.Module):
    """A class token before the patches (Dosovitskiy et al., ViT, ICLR 2021)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 17, width))
        self.layer = nn.TransformerEncoderLayer(width, 4, 24, activation="gelu", batch_first=True)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Any:  # noqa: D102
        rows = self.patches(x).flatten(2).transpose(1, 2)
        rows = torch.cat([self.token.expand(x.shape[0], -1, -1), rows], 1) + self.positions
        return self.head(self.layer(rows)[:, 0])


def networks() -> dict[str, nn.Module]:
    """Name -> network with random weights and statistics, ready to be exported."""
    torch.manual_seed(0)
    found: dict[str, nn.Module] = {
        "ghost": Classifier(16, conv(3, 8), Ghost(8, 12), Ghost(12, 16)),
        "cascade": Classifier(16, conv(3, 16), Cascade(16)),
        "partial": Classifier(12, conv(3, 12), Partial(12)),
        "gated": Classifier(6, Gated(3, 8), Gated(8, 6)),
        "focus": Classifier(8, Focus(), conv(12, 6), Focus(), conv(24, 8)),
        "positions": Classifier(8, conv(3, 6), Positions(), conv(8, 8)),
        "shuffle": Classifier(6, conv(3, 16), nn.PixelShuffle(2), conv(4, 6)),
        "normalised": Classifier(
            8, nn.Conv2d(3, 12, 3), nn.GroupNorm(3, 12), nn.PReLU(), nn.Conv2d(12, 8, 3)
        ),
        "resolutions": Resolutions(),
        "pyramid": Pyramid(),
        "windows": Windows(),
        "tokens": Tokens(),
    }
    for network in found.values():
        _spread(list(network.modules()))
        network.eval()
    return found


def _spread(modules: Sequence[nn.Module]) -> None:
    """Statistics that are not zero and one, so that a mixed-up channel shows."""
    for module in modules:
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
