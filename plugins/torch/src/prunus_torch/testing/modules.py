"""Small random modules of the layers whose sizes prunus changes."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

CHANNELS = st.sampled_from([4, 8, 12])


class Residual(nn.Module):
    """A branch beside the identity."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Both, added."""
        return torch.add(x, self.branch(x))


class Dense(nn.Module):
    """A branch joined to what it reads."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Both, side by side."""
        return torch.cat([x, self.branch(x)], 1)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, 4)
        self.excite = nn.Linear(4, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Channels weighed by what all of them say."""
        weights = self.excite(torch.relu(self.squeeze(x.mean((2, 3)))))
        return x * torch.sigmoid(weights)[:, :, None, None]


@st.composite
def blocks(draw: st.DrawFn, inputs: int) -> tuple[nn.Module, int]:
    """A block for ``inputs`` channels, and the channels it makes."""
    outputs = draw(CHANNELS)
    kind = draw(
        st.sampled_from("conv bn depthwise grouped residual dense gate group prelu up".split())
    )
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=draw(st.booleans()))
    if kind == "bn":
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU()), outputs
    if kind == "depthwise":
        depthwise = nn.Conv2d(inputs, 2 * inputs, 3, padding=1, groups=inputs)
        return nn.Sequential(depthwise, nn.Conv2d(2 * inputs, outputs, 1)), outputs
    if kind == "grouped":
        return nn.Sequential(conv, nn.Conv2d(outputs, 2 * outputs, 1, groups=2)), 2 * outputs
    if kind == "residual":
        back = nn.Conv2d(outputs, inputs, 1)
        return Residual(nn.Sequential(conv, nn.ReLU(), back)), inputs
    if kind == "dense":
        return Dense(conv), inputs + outputs
    if kind == "gate":
        return nn.Sequential(conv, Gate(outputs)), outputs
    if kind == "group":
        return nn.Sequential(conv, nn.GroupNorm(outputs // 2, outputs)), outputs
    if kind == "prelu":
        return nn.Sequential(
            conv, nn.InstanceNorm2d(outputs, affine=True), nn.PReLU(outputs)
        ), outputs
    if kind == "up":
        up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        return nn.Sequential(up, nn.AvgPool2d(2)), outputs
    return nn.Sequential(conv, nn.ReLU()), outputs


@st.composite
def modules(draw: st.DrawFn) -> nn.Module:
    """A classifier of images ``(N, 3, 6, 6)``, its numbers drawn too."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    channels, parts = 3, []
    for _ in range(draw(st.integers(1, 3))):
        block, channels = draw(blocks(channels))
        parts.append(block)
    head: list[nn.Module] = [nn.Flatten(), nn.Linear(36 * channels, 5)]
    if draw(st.booleans()):
        head = [
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, 8),
            nn.ReLU(),
            nn.Linear(8, 5),
        ]
    module = nn.Sequential(*parts, *head)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.get_buffer("running_mean"))
            nn.init.uniform_(part.get_buffer("running_var"), 0.5, 2)
    return module.train(draw(st.booleans()))
