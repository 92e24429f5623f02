"""Well-known networks as ``.param`` text, in the layers that ncnn's own converters write.

They follow the published architectures that ncnn's benchmark folder measures (SqueezeNet 1.1,
MobileNet v1 to v3, ShuffleNet v1 and v2, ResNet, VGG, AlexNet, GoogLeNet, MnasNet, EfficientNet,
MobileNet-SSD, YOLOv4-tiny), with its inputs of 224 to 416 pixels, but end before the softmax,
which would hide differences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence


class Text:
    """Layers in order; blobs that several layers take are split as ncnn needs it."""

    def __init__(self, side: int) -> None:
        self.channels = {"data": 3}
        self.lines = [("Input", "data", (), ("data",), f"0={side} 1={side} 2=3")]

    def add(
        self,
        kind: str,
        bottoms: str | Sequence[str],
        params: str = "",
        channels: int = 0,
        tops: int = 1,
    ) -> str:
        """A layer; the name of its (first) blob."""
        bottoms = (bottoms,) if isinstance(bottoms, str) else tuple(bottoms)
        name = f"{kind.lower()}{len(self.lines)}"
        given = (name, *(f"{name}_{number}" for number in range(1, tops)))
        for top in given:
            self.channels[top] = channels or self.channels[bottoms[0]]
        self.lines.append((kind, name, bottoms, given, params))
        return name

    def conv(
        self, x: str, outputs: int, size: int = 1, stride: int = 1, act: str = "9=1",
        group: int = 1, pad: int | None = None, bias: int = 1,
    ) -> str:  # fmt: skip
        """A convolution with padding of half its window and a fused activation."""
        inputs = self.channels[x]
        params = f"0={outputs} 1={size} 3={stride} 4={size // 2 if pad is None else pad} 5={bias} "
        params += f"6={outputs * inputs * size**2 // group}"
        kind = "Convolution" if group == 1 else "ConvolutionDepthWise"
        params += (f" 7={group}" if group > 1 else "") + (f" {act}" if act else "")
        return self.add(kind, x, params, outputs)

    def depthwise(self, x: str, size: int = 3, stride: int = 1, act: str = "9=1") -> str:
        """A convolution of each channel alone."""
        return self.conv(x, self.channels[x], size, stride, act, self.channels[x])

    def dense(self, x: str, outputs: int, inputs: int = 0, act: str = "") -> str:
        """An inner product."""
        count = (inputs or self.channels[x]) * outputs
        return self.add("InnerProduct", x, f"0={outputs} 1=1 2={count} {act}".strip(), outputs)

    def join(self, kind: str, blobs: Sequence[str], params: str = "") -> str:
        """Concat adds up channels, the others keep them."""
        total = sum(self.channels[blob] for blob in blobs) if kind == "Concat" else 0
        return self.add(kind, blobs, params, total)

    def classify(self, x: str, classes: int = 1000) -> str:
        """Global mean and inner product."""
        self.dense(self.add("Pooling", x, "0=1 4=1"), classes)
        return self.text()

    def text(self) -> str:
        """The file."""
        uses = Counter(blob for _, _, bottoms, _, _ in self.lines for blob in bottoms)
        left: dict[str, list[str]] = {}
        lines: list[str] = []
        blobs = 0
        for kind, name, bottoms, tops, params in self.lines:
            taken = [left[blob].pop() if uses[blob] > 1 else blob for blob in bottoms]
            words = [kind, name, str(len(taken)), str(len(tops)), *taken, *tops, params]
            lines.append(" ".join(words).strip())
            blobs += len(tops)
            for top in tops:
                if uses[top] > 1:
                    left[top] = [f"{top}_split{number}" for number in range(uses[top])]
                    lines.append(f"Split split_{top} 1 {uses[top]} {top} {' '.join(left[top])}")
                    blobs += uses[top]
        return "\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""])


def squeezenet() -> str:
    """SqueezeNet 1.1."""
    net = Text(227)
    x = net.add("Pooling", net.conv("data", 64, 3, 2, pad=0), "1=3 2=2")
    for number, width in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        small = net.conv(x, width)
        x = net.join("Concat", [net.conv(small, 4 * width), net.conv(small, 4 * width, 3)])
        if number in (1, 3):
            x = net.add("Pooling", x, "1=3 2=2")
    net.add("Pooling", net.conv(net.add("Dropout", x), 1000), "0=1 4=1")
    return net.text()


def _mobilenet(net: Text) -> dict[int, str]:
    x = net.conv("data", 32, 3, 2)
    found = {}
    widths = (64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
    for number, width in enumerate(widths):
        x = net.conv(net.depthwise(x, stride=2 if number in (1, 3, 5, 11) else 1), width)
        found[number] = x
    return found


def mobilenet() -> str:
    """MobileNet."""
    net = Text(224)
    return net.classify(_mobilenet(net)[12])


def mobilenet_ssd() -> str:
    """MobileNet-SSD: six heads, priors of each, and the decoding at the end."""
    net = Text(300)
    base = _mobilenet(net)
    maps = [base[10], base[12]]
    x = base[12]
    for small, width in ((256, 512), (128, 256), (128, 256), (64, 128)):
        x = net.conv(net.conv(x, small), width, 3, 2)
        maps.append(x)
    heads: dict[str, list[str]] = {"place": [], "class": [], "prior": []}
    for number, one in enumerate(maps):
        count = 3 if number == 0 else 6
        for key, width in (("place", 4 * count), ("class", 21 * count)):
            head = net.add("Permute", net.conv(one, width, act=""), "0=3")
            heads[key].append(net.add("Flatten", head))
        larger = "-23301=0" if number == 0 else f"-23301=1,{100.0 + 45 * number}"
        ratios = "1,2.0" if number == 0 else "2,2.0,3.0"
        params = f"-23300=1,{60.0 + 45 * number} {larger} -23302={ratios}"
        params += " 3=0.1 4=0.1 5=0.2 6=0.2 7=1 8=0 9=-233 10=-233 11=-233.0 12=-233.0 13=0.5"
        heads["prior"].append(net.add("PriorBox", [one, "data"], params))
    place, kind = (net.join("Concat", heads[key], "0=0") for key in ("place", "class"))
    kind = net.add("Softmax", net.add("Reshape", kind, "0=21 1=-1"), "0=1 1=1")
    prior = net.join("Concat", heads["prior"], "0=1")
    net.add(
        "DetectionOutput",
        [place, net.add("Flatten", kind), prior],
        "0=21 1=0.45 2=100 3=100 4=0.25",
    )
    return net.text()


def _inverted(
    net: Text,
    x: str,
    width: int,
    grow: int,
    size: int,
    stride: int,
    act: str,
    gate: Callable | None,
) -> str:
    inputs = net.channels[x]
    y = net.conv(x, grow, act=act) if grow != inputs else x
    y = net.depthwise(y, size, stride, act)
    y = net.conv(gate(net, y, inputs) if gate else y, width, act="")
    return net.join("BinaryOp", [x, y], "0=0") if stride == 1 and inputs == width else y


def mobilenet_v2() -> str:
    """MobileNet v2, with clipping at 6."""
    net, act = Text(224), "9=3 -23310=2,0.0,6.0"
    x = net.conv("data", 32, 3, 2, act)
    for grow, width, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):  # fmt: skip
        for number in range(count):
            step = stride if number == 0 else 1
            x = _inverted(net, x, width, grow * net.channels[x], 3, step, act, None)
    return net.classify(net.conv(x, 1280, act=act))


def mobilenet_v3() -> str:
    """MobileNet v3 large: hard swish, and gates by inner products with reshapes around them."""
    net = Text(224)

    def gate(net: Text, x: str, inputs: int) -> str:
        width = net.channels[x]
        flat = net.add("Reshape", net.add("Pooling", x, "0=1 4=1"), f"0={width}")
        flat = net.dense(net.dense(flat, width // 4, act="9=1"), width)
        flat = net.add("Reshape", net.add("HardSigmoid", flat), f"0=1 1=1 2={width}")
        return net.join("BinaryOp", [x, flat], "0=2")

    swish = "9=6 -23310=2,0.16666667,0.5"
    x = net.add("HardSwish", net.conv("data", 16, 3, 2, ""))
    for size, grow, width, gated, act, stride in (
        (3, 16, 16, 0, "9=1", 1), (3, 64, 24, 0, "9=1", 2), (3, 72, 24, 0, "9=1", 1),
        (5, 72, 40, 1, "9=1", 2), (5, 120, 40, 1, "9=1", 1), (5, 120, 40, 1, "9=1", 1),
        (3, 240, 80, 0, swish, 2), (3, 200, 80, 0, swish, 1), (3, 184, 80, 0, swish, 1),
        (3, 184, 80, 0, swish, 1),
        (3, 480, 112, 1, swish, 1), (3, 672, 112, 1, swish, 1), (5, 672, 160, 1, swish, 2),
        (5, 960, 160, 1, swish, 1), (5, 960, 160, 1, swish, 1),
    ):  # fmt: skip
        x = _inverted(net, x, width, grow, size, stride, act, gate if gated else None)
    x = net.add("Pooling", net.add("HardSwish", net.conv(x, 960, act="")), "0=1 4=1")
    x = net.add("HardSwish", net.dense(net.add("Reshape", x, "0=-1"), 1280))
    net.dense(x, 1000)
    return net.text()


def mnasnet() -> str:
    """MnasNet A1 without gates."""
    net = Text(224)
    x = net.conv(net.depthwise(net.conv("data", 32, 3, 2)), 16, act="")
    for grow, width, count, stride, size in (
        (3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ):  # fmt: skip
        for number in range(count):
            step = stride if number == 0 else 1
            x = _inverted(net, x, width, grow * net.channels[x], size, step, "9=1", None)
    return net.classify(net.conv(x, 1280))


def efficientnet_b0() -> str:
    """EfficientNet B0: swish, and gates by convolutions of one pixel."""
    net = Text(224)

    def gate(net: Text, x: str, inputs: int) -> str:
        swished = net.add("Swish", x)
        flat = net.add("Pooling", swished, "0=1 4=1")
        flat = net.conv(
            net.add("Swish", net.conv(flat, inputs // 4, act="")), net.channels[x], act="9=4"
        )
        return net.join("BinaryOp", [swished, flat], "0=2")

    x = net.add("Swish", net.conv("data", 32, 3, 2, ""))
    for grow, width, count, stride, size in (
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
    ):  # fmt: skip
        for number in range(count):
            step = stride if number == 0 else 1
            x = _inverted(net, x, width, grow * net.channels[x], size, step, "", gate)
    return net.classify(net.add("Swish", net.conv(x, 1280, act="")))


def shufflenet_v2() -> str:
    """ShuffleNet v2: one half of the channels passes by."""
    net = Text(224)
    x = net.add("Pooling", net.conv("data", 24, 3, 2), "1=3 2=2")
    for width, count in ((58, 3), (116, 7), (232, 3)):
        left = net.conv(net.depthwise(x, stride=2, act=""), width)
        right = net.conv(net.depthwise(net.conv(x, width), stride=2, act=""), width)
        x = net.add("ShuffleChannel", net.join("Concat", [left, right]), "0=2")
        for _ in range(count):
            half = net.add("Slice", x, f"-23300=2,{width},-233", width, 2)
            other = net.conv(net.depthwise(net.conv(f"{half}_1", width), act=""), width)
            x = net.add("ShuffleChannel", net.join("Concat", [half, other]), "0=2")
    return net.classify(net.conv(x, 1024))


def shufflenet() -> str:
    """ShuffleNet v1 of three groups."""
    net = Text(224)
    x = net.add("Pooling", net.conv("data", 24, 3, 2), "1=3 2=2")
    for width, count in ((240, 3), (480, 7), (960, 3)):
        for number in range(count + 1):
            inputs = net.channels[x]
            small = net.conv(x, width // 4, group=1 if inputs == 24 else 3)
            small = net.add("ShuffleChannel", small, "0=3")
            if number:
                y = net.conv(net.depthwise(small, act=""), width, act="", group=3)
                x = net.add("ReLU", net.join("Eltwise", [x, y], "0=1"))
            else:
                y = net.conv(
                    net.depthwise(small, stride=2, act=""), width - inputs, act="", group=3
                )
                pooled = net.add("Pooling", x, "0=1 1=3 2=2")
                x = net.add("ReLU", net.join("Concat", [pooled, y]))
    return net.classify(x)


def _resnet(counts: Sequence[int], deep: bool) -> str:
    net = Text(224)
    x = net.add("Pooling", net.conv("data", 64, 7, 2), "1=3 2=2")
    for level, count in enumerate(counts):
        width = 64 << level
        outputs = 4 * width if deep else width
        for number in range(count):
            stride = 2 if number == 0 and level else 1
            if deep:
                y = net.conv(net.conv(net.conv(x, width, 1, stride), width, 3), outputs, act="")
            else:
                y = net.conv(net.conv(x, width, 3, stride), outputs, 3, act="")
            same = stride == 1 and net.channels[x] == outputs
            skip = x if same else net.conv(x, outputs, 1, stride, "")
            x = net.add("ReLU", net.join("Eltwise", [skip, y], "0=1"))
    return net.classify(x)


def resnet18() -> str:
    """ResNet-18."""
    return _resnet((2, 2, 2, 2), False)


def resnet50() -> str:
    """ResNet-50."""
    return _resnet((3, 4, 6, 3), True)


def vgg16() -> str:
    """VGG-16."""
    net, x = Text(224), "data"
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = net.conv(x, width, 3)
        x = net.add("Pooling", x, "1=2 2=2")
    x = net.add("Dropout", net.dense(x, 4096, 25088, "9=1"))
    net.dense(net.add("Dropout", net.dense(x, 4096, act="9=1")), 1000)
    return net.text()


def alexnet() -> str:
    """AlexNet with its groups and normalisation across channels."""
    net = Text(227)
    x = net.add("LRN", net.conv("data", 96, 11, 4, pad=0), "1=5 2=1e-4 3=0.75")
    x = net.add(
        "LRN", net.conv(net.add("Pooling", x, "1=3 2=2"), 256, 5, group=2), "1=5 2=1e-4 3=0.75"
    )
    x = net.conv(net.add("Pooling", x, "1=3 2=2"), 384, 3)
    x = net.conv(net.conv(x, 384, 3, group=2), 256, 3, group=2)
    x = net.add("Dropout", net.dense(net.add("Pooling", x, "1=3 2=2"), 4096, 9216, "9=1"))
    net.dense(net.dense(x, 4096, act="9=1"), 1000)
    return net.text()


def googlenet() -> str:
    """GoogLeNet without its two side exits."""
    net = Text(224)
    x = net.add("LRN", net.add("Pooling", net.conv("data", 64, 7, 2), "1=3 2=2"), "1=5 2=1e-4")
    x = net.add("LRN", net.conv(net.conv(x, 64), 192, 3), "1=5 2=1e-4")
    x = net.add("Pooling", x, "1=3 2=2")
    for number, (a, b, c, d, e, f) in enumerate((
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    )):  # fmt: skip
        pooled = net.add("Pooling", x, "1=3 3=1")
        parts = [
            net.conv(x, a),
            net.conv(net.conv(x, b), c, 3),
            net.conv(net.conv(x, d), e, 5),
            net.conv(pooled, f),
        ]
        x = net.join("Concat", parts)
        if number in (1, 6):
            x = net.add("Pooling", x, "1=3 2=2")
    return net.classify(x)


def yolov4_tiny() -> str:
    """YOLOv4-tiny: halves of channels, nearest upsampling, two heads and their decoding."""
    net, act = Text(416), "9=2 -23310=1,0.1"
    x = net.conv(net.conv("data", 32, 3, 2, act), 64, 3, 2, act)
    for width in (64, 128, 256):
        x = net.conv(x, width, 3, 1, act)
        half = net.add("Crop", x, f"-23309=1,{width // 2} -23310=1,{width} -23311=1,0", width // 2)
        a = net.conv(half, width // 2, 3, 1, act)
        b = net.conv(a, width // 2, 3, 1, act)
        route = net.conv(net.join("Concat", [b, a]), width, 1, 1, act)
        x = net.add("Pooling", net.join("Concat", [x, route]), "1=2 2=2")
    x = net.conv(net.conv(x, 512, 3, 1, act), 256, 1, 1, act)
    heads = [net.conv(net.conv(x, 512, 3, 1, act), 255, act="")]
    up = net.add("Interp", net.conv(x, 128, 1, 1, act), "0=1 1=2.0 2=2.0")
    x = net.conv(net.join("Concat", [up, route]), 256, 3, 1, act)
    heads.append(net.conv(x, 255, act=""))
    params = (
        "0=80 1=3 2=0.3 -23304=12,10.0,14.0,23.0,27.0,37.0,58.0,81.0,82.0,135.0,169.0,344.0,319.0 "
        "-23305=6,3.0,4.0,5.0,1.0,2.0,3.0 -23306=2,33.6,16.8"
    )
    net.add("Yolov3DetectionOutput", heads, params)
    return net.text()


NETS = {
    function.__name__: function
    for function in (
        squeezenet, mobilenet, mobilenet_v2, mobilenet_v3, mobilenet_ssd, shufflenet,
        shufflenet_v2, resnet18, resnet50, mnasnet, efficientnet_b0, googlenet, alexnet, vgg16,
        yolov4_tiny,
    )
}  # fmt: skip
"""Name -> its text."""
