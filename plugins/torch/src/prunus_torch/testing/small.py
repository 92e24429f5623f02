"""A small module of many kinds of layers, for files and the kit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PICTURES = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Small(nn.Module):
    """A classifier of pictures ``(N, 3, 6, 6)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.hidden = nn.Linear(8 * 16, 12)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``(N, 5)``."""
        x = self.depthwise(torch.relu(self.bn(self.conv(x))))
        scores: Tensor = self.head(torch.relu(self.hidden(x.flatten(1))))
        return scores
