"""Thirty PyTorch modules by name, for `torch_modules.py`: torchvision, timm, and own ones.

Small pictures and random weights: what is asked is whether a module can be pruned in place.
Running statistics of normalisation are drawn, so that no channel is dead or scaled away.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

CLASSES = 10


class Bottleneck(nn.Module):
    """Two convolutions of YOLOv8 and the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = conv(channels, channels), conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Both, added."""
        return x + self.cv2(self.cv1(x))


class C2f(nn.Module):
    """Halves of a convolution, one of them passed on by bottlenecks, all joined (YOLOv8)."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1, self.cv2 = conv(inputs, outputs, 1), conv((2 + blocks) * half, outputs, 1)
        self.m = nn.ModuleList(Bottleneck(half) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, outputs, H, W)``."""
        parts = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, normalisation and SiLU."""
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.SiLU())


class Sppf(nn.Module):
    """Poolings of poolings, joined."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = conv(channels, channels // 2, 1), conv(channels * 2, channels, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)``."""
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class Yolo(nn.Module):
    """A detector of YOLOv8's form, two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3, 2), C2f(32, 32, 1))
        self.middle = nn.Sequential(conv(32, 64, 3, 2), C2f(64, 64, 2))
        self.deep = nn.Sequential(conv(64, 128, 3, 2), C2f(128, 128, 1), Sppf(128))
        self.up = nn.Upsample(scale_factor=2)
        self.join = C2f(192, 64, 1)
        self.boxes = nn.ModuleList(nn.Conv2d(width, 64 + CLASSES, 1) for width in (64, 128))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Boxes and classes of two scales."""
        middle = self.middle(self.stem(x))
        deep = self.deep(middle)
        joined = self.join(torch.cat([self.up(deep), middle], 1))
        return [self.boxes[0](joined), self.boxes[1](deep)]


class Unet(nn.Module):
    """Ronneberger et al. 2015, three levels."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64)
        self.down = nn.ModuleList(
            nn.Sequential(conv(inputs, outputs), conv(outputs, outputs))
            for inputs, outputs in zip((3, *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in (32, 16))
        self.back = nn.ModuleList(nn.Sequential(conv(2 * w, w), conv(w, w)) for w in (32, 16))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(16, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """A score for each pixel and class."""
        first = self.down[0](x)
        second = self.down[1](self.pool(first))
        x = self.down[2](self.pool(second))
        x = self.back[0](torch.cat([second, self.up[0](x)], 1))
        return self.head(self.back[1](torch.cat([first, self.up[1](x)], 1)))


def vision(name: str, **options: object) -> Callable[[], nn.Module]:
    """A model of torchvision without trained weights."""

    def make() -> nn.Module:
        import torchvision.models as models

        return models.get_model(name, weights=None, num_classes=CLASSES, **options)

    return make


def timm(name: str, **options: object) -> Callable[[], nn.Module]:
    """A model of timm without trained weights."""

    def make() -> nn.Module:
        from timm import create_model

        return create_model(name, pretrained=False, num_classes=CLASSES, **options)

    return make


def vit() -> nn.Module:
    """A small VisionTransformer of torchvision."""
    from torchvision.models import VisionTransformer

    return VisionTransformer(64, 16, 4, 4, 128, 512, num_classes=CLASSES)


MODULES: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (vision("resnet18"), 64),
    "resnet50": (vision("resnet50"), 64),
    "resnext50_32x4d": (vision("resnext50_32x4d"), 64),
    "regnet_x_400mf": (vision("regnet_x_400mf"), 64),
    "regnet_y_400mf": (vision("regnet_y_400mf"), 64),
    "mobilenet_v2": (vision("mobilenet_v2"), 64),
    "mobilenet_v3_small": (vision("mobilenet_v3_small"), 64),
    "efficientnet_b0": (vision("efficientnet_b0"), 64),
    "efficientnet_v2_s": (vision("efficientnet_v2_s"), 64),
    "convnext_tiny": (vision("convnext_tiny"), 64),
    "densenet121": (vision("densenet121"), 64),
    "vgg11_bn": (vision("vgg11_bn"), 64),
    "alexnet": (vision("alexnet"), 64),
    "squeezenet1_1": (vision("squeezenet1_1"), 64),
    "shufflenet_v2_x1_0": (vision("shufflenet_v2_x1_0"), 64),
    "mnasnet0_5": (vision("mnasnet0_5"), 64),
    "googlenet": (vision("googlenet", aux_logits=False, init_weights=False), 64),
    "inception_v3": (vision("inception_v3", aux_logits=False, init_weights=False), 96),
    "vit (torchvision)": (vit, 64),
    "swin_t": (vision("swin_t"), 64),
    "lraspp_mobilenet_v3_large": (
        vision("lraspp_mobilenet_v3_large", weights_backbone=None), 64,
    ),
    "ghostnet_100 (timm)": (timm("ghostnet_100"), 64),
    "res2net50_26w_4s (timm)": (timm("res2net50_26w_4s"), 64),
    "hrnet_w18_small (timm)": (timm("hrnet_w18_small"), 64),
    "skresnet18 (timm)": (timm("skresnet18"), 64),
    "vit_tiny_patch16 (timm)": (timm("vit_tiny_patch16_224", img_size=64), 64),
    "mixer_s32 (timm)": (timm("mixer_s32_224", img_size=64), 64),
    "dla34 (timm)": (timm("dla34"), 64),
    "U-Net": (Unet, 64),
    "YOLOv8-like": (Yolo, 64),
}  # fmt: skip
"""Name -> maker, and height and width of its pictures."""


def module_of(name: str) -> tuple[nn.Module, Tensor]:
    """A module in evaluation mode, its numbers drawn, and two pictures for it."""
    torch.manual_seed(0)
    make, size = MODULES[name]
    module = make().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.get_buffer("running_mean"), std=0.1)
            nn.init.uniform_(part.get_buffer("running_var"), 0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.1)
        elif isinstance(part, nn.Linear) and not part.weight.any():  # heads that begin at zero
            nn.init.normal_(part.weight, std=0.1)
        for name, vector in part.named_parameters(recurse=False):
            if name in ("layer_scale", "gamma"):  # they begin at a millionth: nothing would show
                nn.init.constant_(vector, 0.5)
    return module, torch.randn(2, 3, size, size)
