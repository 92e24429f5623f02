"""Every operator of the neutral graph, with odd attributes, against ONNX Runtime."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import numpy as np
import pytest
from onnx import helper

from prunus.errors import ModelError
from prunus_torch.executor import evaluate
from prunus_torch.operators import TABLE
from prunus_torch.testing.graphs import Array, model_of, onnxruntime_outputs


@attrs.frozen(eq=False)
class Case:
    """One node: attributes, shape of its data input, further operands."""

    op: str
    attributes: dict[str, Any] = attrs.field(factory=dict)
    shape: tuple[int, ...] = (2, 6, 9, 11)
    operands: tuple[Any, ...] = ()
    outputs: int = 1
    opset: int = 17
    positive: bool = False

    def __str__(self) -> str:
        given = ",".join(f"{k}={v}" for k, v in self.attributes.items())
        more = ",".join(
            str(np.shape(o)) if np.size(o) > 8 else str(np.ravel(o)) for o in self.operands
        )
        return f"{self.op}({given})[{self.shape}]({more})"


def draw(*shape: int) -> Array:
    return np.random.default_rng(sum(shape) + 7).standard_normal(shape).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


BIAS = draw(4)


def convolutions() -> list[Case]:
    cases = [
        Case(
            "Conv",
            {"pads": p, "strides": s, "dilations": d, "group": g},
            operands=(draw(6, 6 // g, 3, 2), draw(6)),
        )
        for p, s, d, g in itertools.product(
            [(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 1, 3)],
            [(1, 1), (2, 3)],
            [(1, 1), (2, 2)],
            [1, 2, 6],
        )
    ]
    cases += [
        Case("Conv", {"auto_pad": a, "strides": s}, operands=(draw(4, 6, 4, 3),))
        for a, s in itertools.product(
            ["SAME_UPPER", "SAME_LOWER", "VALID"], [(1, 1), (2, 2), (3, 2)]
        )
    ]
    cases += [
        Case("Conv", {"pads": (2, 1)}, (2, 6, 13), (draw(4, 6, 3), BIAS)),
        Case("Conv", {"pads": (1, 0, 2, 1, 1, 0)}, (2, 2, 5, 6, 7), (draw(4, 2, 2, 3, 2), BIAS)),
    ]
    cases += [
        Case(
            "ConvTranspose",
            {"pads": p, "strides": s, "dilations": d, "group": g, "output_padding": e},
            operands=(draw(6, 4 // g, 4, 3), BIAS),
        )
        for p, s, d, g, e in itertools.product(
            [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0)],
            [(2, 2), (1, 3)],
            [(1, 1), (2, 1)],
            [1, 2],
            [(0, 0), (0, 1)],
        )
        if all(
            extra < max(stride, dilation) for extra, stride, dilation in zip(e, s, d, strict=True)
        )
    ]
    cases += [
        Case("ConvTranspose", {"auto_pad": a, "strides": (2, 2)}, operands=(draw(6, 4, 3, 4),))
        for a in ("SAME_UPPER", "SAME_LOWER", "VALID")
    ]
    cases.append(
        Case(
            "ConvTranspose",
            {"output_shape": (19, 22), "strides": (2, 2)},
            operands=(draw(6, 4, 4, 3),),
        )
    )
    cases.append(Case("ConvTranspose", {"pads": (1, 0)}, (2, 6, 13), (draw(6, 4, 3), BIAS)))
    cases += [
        Case(
            "Conv", {"strides": s, "pads": p, "group": g}, operands=(draw(6, 6 // g, 1, 1), draw(6))
        )
        for s, p, g in itertools.product(
            [(2, 2), (1, 3)], [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0)], [1, 3]
        )
    ]
    cases += [
        Case(
            "ConvTranspose",
            {"strides": (2, 3), "pads": p, "group": g, "output_padding": e},
            operands=(draw(6, 4 // g, 1, 1), BIAS),
        )
        for p, g, e in itertools.product(
            [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0)], [1, 2], [(0, 0), (1, 2)]
        )
    ]
    cases += [
        Case("Conv", {"strides": (2,)}, (2, 6, 13), (draw(4, 6, 1),)),
        Case("Conv", {"strides": (1, 2, 3)}, (2, 2, 5, 6, 7), (draw(4, 2, 1, 1, 1), BIAS)),
        Case("Conv", {"strides": (2, 2), "auto_pad": "SAME_UPPER"}, operands=(draw(4, 6, 1, 1),)),
        Case("ConvTranspose", {"strides": (3,)}, (2, 6, 13), (draw(6, 4, 1), BIAS)),
        Case(
            "ConvTranspose",
            {"strides": (2, 2), "auto_pad": "SAME_UPPER"},
            operands=(draw(6, 4, 1, 1),),
        ),
    ]
    return cases


def windows() -> list[dict[str, Any]]:
    pads = [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), (1, 0, 0, 1), (0, 1, 0, 2)]
    return [
        {"kernel_shape": k, "strides": s, "pads": p, "ceil_mode": c}
        for k, s, p, c in itertools.product(
            [(2, 2), (3, 3), (3, 4)], [(1, 1), (2, 2), (3, 2)], pads, [0, 1]
        )
        if all(a < k[i % 2] for i, a in enumerate(p))
    ]


def poolings() -> list[Case]:
    cases = [Case("MaxPool", given) for given in windows()]
    cases += [
        Case("AveragePool", {**given, "count_include_pad": n})
        for given in windows()
        for n in (0, 1)
        if not (given["ceil_mode"] and n)  # see test_averages_of_windows_beyond_the_padding
    ]
    cases += [Case("MaxPool", {"kernel_shape": (3, 3), "dilations": (2, 2), "pads": (1, 2, 1, 0)})]
    cases += [
        Case(op, {"kernel_shape": (3, 2), "strides": (2, 2), "auto_pad": a})
        for op, a in itertools.product(
            ["MaxPool", "AveragePool"], ["SAME_UPPER", "SAME_LOWER", "VALID"]
        )
    ]
    cases += [
        Case(op, {"kernel_shape": (3,), "pads": (1, 0), "strides": (2,)}, (2, 3, 12))
        for op in ("MaxPool", "AveragePool")
    ]
    return [
        *cases,
        Case("GlobalAveragePool"),
        Case("GlobalMaxPool"),
        Case("GlobalAveragePool", shape=(2, 3, 7)),
    ]


def normalizations() -> list[Case]:
    vectors = (draw(6), draw(6) + 1)
    return [
        Case(
            "BatchNormalization",
            {"epsilon": 1e-3},
            operands=(*vectors, draw(6), np.abs(draw(6)) + 0.1),
        ),
        Case("BatchNormalization", {}, (3, 6), (*vectors, draw(6), np.abs(draw(6)) + 0.1)),
        *(Case("LRN", {"size": n, "alpha": 0.1, "beta": 0.6, "bias": 1.5}) for n in (1, 3, 5)),
        *(Case("LpNormalization", {"axis": a, "p": p}) for a in (1, -1) for p in (1, 2)),
        Case("MeanVarianceNormalization"),
        Case("MeanVarianceNormalization", {"axes": (2, 3)}),
        Case("LayerNormalization", {"axis": -1}, operands=(draw(11), draw(11))),
        Case("LayerNormalization", {"axis": 2, "epsilon": 0.01}, operands=(draw(9, 11),)),
        Case("InstanceNormalization", {"epsilon": 0.01}, operands=vectors),
    ]


def activations() -> list[Case]:
    plain = [
        "Relu",
        "Sigmoid",
        "Tanh",
        "HardSwish",
        "Softplus",
        "Softsign",
        "Abs",
        "Neg",
        "Exp",
        "Identity",
        "Erf",
    ]
    return [
        *(Case(op) for op in plain),
        *(Case(op, positive=True) for op in ("Log", "Sqrt", "Reciprocal")),
        Case("LeakyRelu", {"alpha": 0.3}),
        Case("Elu", {"alpha": 0.7}),
        Case("Selu"),
        Case("Selu", {"alpha": 1.2, "gamma": 0.8}),
        Case("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
        Case("HardSigmoid"),
        Case("Mish", opset=18),
        Case("Gelu", opset=20),
        Case("Gelu", {"approximate": "tanh"}, opset=20),
        *(Case("PRelu", operands=(draw(*s),)) for s in ((6, 1, 1), (1,), (6, 9, 11), (11,))),
        Case("Clip", operands=(np.float32(-0.5), np.float32(0.7))),
        Case("Clip", operands=(None, np.float32(0.7))),
        Case("Clip"),
        *(Case(op, {"axis": a}) for op in ("Softmax", "LogSoftmax") for a in (1, -1, 2)),
    ]


def arithmetic() -> list[Case]:
    binary = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"]
    shapes = [(6, 1, 1), (2, 6, 9, 11), (1,), (1, 6, 9, 1)]
    return [
        *(Case(op, operands=(draw(*s),)) for op in binary for s in shapes),
        *(Case(op, operands=(draw(6, 1, 1), draw(11))) for op in ("Sum", "Mean", "Max", "Min")),
        *(Case(op) for op in ("Ceil", "Cos", "Floor", "Sign", "Sin")),
        *(
            Case(op, operands=(draw(11),))
            for op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
        ),
        Case("Pow", operands=(np.float32(2),)),
        Case("Pow", operands=(np.float32(-0.5),), positive=True),
        Case("Pow", operands=(draw(11),), positive=True),
        Case("Cast", {"to": 6}),
        Case("Cast", {"to": 7}),
        Case("CastLike", operands=(np.array([1], np.int32),)),
    ]


def dense() -> list[Case]:
    return [
        *(
            Case(
                "Gemm",
                {"transB": t, "alpha": a, "beta": b},
                (3, 7),
                (draw(5, 7) if t else draw(7, 5), c),
            )
            for t in (0, 1)
            for a, b in ((1.0, 1.0), (0.5, 2.0))
            for c in (draw(5), draw(1, 5), np.float32(2.0))
        ),
        Case("Gemm", {"transA": 1}, (3, 7), (draw(3, 4),)),
        Case("MatMul", shape=(3, 7), operands=(draw(7, 5),)),
        Case("MatMul", shape=(3, 2, 4, 7), operands=(draw(2, 7, 5),)),
    ]


def movements() -> list[Case]:
    far = np.iinfo(np.int64).max
    pads = ints(0, 1, 2, 0, 0, 0, 1, 3)
    return [
        *(Case("Concat", {"axis": a}, operands=(draw(2, 6, 9, 11),)) for a in (1, -1)),
        Case("Split", {"axis": 1}, operands=(ints(1, 2, 3),), outputs=3),
        Case("Split", {"axis": -3}, outputs=3),
        Case("Slice", operands=(ints(1, 2), ints(5, -1), ints(1, -1))),
        Case("Slice", operands=(ints(0, 1), ints(far, far), ints(2, 3), ints(2, 3))),
        Case("Slice", operands=(ints(-1), ints(-far), ints(1), ints(-1))),
        Case("Slice", operands=(ints(7, -2), ints(1, -8), ints(2, 3), ints(-2, -3))),
        Case("Slice", operands=(ints(0, 1), ints(2, 4))),
        Case("Slice", operands=(ints(5), ints(2), ints(2))),
        *(
            Case("Gather", {"axis": 1}, operands=(i,))
            for i in (ints(5, 0, -2), ints(3).reshape(()), ints(1, 2, 3, 0).reshape(2, 2))
        ),
        *(Case("Transpose", {"perm": p}) for p in ((0, 2, 3, 1), (0, 3, 1, 2))),
        Case("Transpose"),
        Case("Pad", operands=(pads, np.float32(1.5))),
        Case("Pad", operands=(pads,)),
        Case("Pad", operands=(ints(0, 0, -1, 2, 0, 0, 3, -2),)),
        Case("Pad", operands=(ints(1, 2, 3, 0), np.float32(-1), ints(1, -1)), opset=18),
        *(Case("Pad", {"mode": m}, operands=(pads,)) for m in ("reflect", "edge")),
        Case("Pad", {"mode": "wrap"}, operands=(pads,), opset=19),
        Case("Tile", operands=(ints(1, 2, 1, 3),)),
        Case("Expand", shape=(2, 1, 9, 1), operands=(ints(1, 6, 1, 11),)),
        Case("Expand", shape=(2, 1), operands=(ints(3, 1, 4),)),
    ]


def reshapes() -> list[Case]:
    return [
        Case("Reshape", operands=(ints(0, -1),)),
        Case("Reshape", operands=(ints(0, 2, 3, 9, 11),)),
        Case("Reshape", operands=(ints(-1, 11),)),
        *(Case("Flatten", {"axis": a}) for a in (0, 1, 2, -1, 4)),
        Case("Flatten"),
        *(Case("Shape", a) for a in ({}, {"start": 1}, {"start": -3, "end": -1}, {"end": 2})),
        Case("Squeeze", shape=(2, 1, 9, 1), operands=(ints(1, -1),)),
        Case("Squeeze", shape=(2, 1, 9, 1)),
        Case("Unsqueeze", operands=(ints(1, -1),)),
        *(Case("DepthToSpace", {"blocksize": 2, "mode": m}, (2, 12, 3, 5)) for m in ("DCR", "CRD")),
        Case("SpaceToDepth", {"blocksize": 3}, (2, 2, 6, 9)),
    ]


def resizes() -> list[Case]:
    def scaled(*numbers: float) -> tuple[Any, ...]:
        return (None, np.array(numbers, np.float32))

    def sized(*numbers: int) -> tuple[Any, ...]:
        return (None, None, ints(*numbers))

    grids = [scaled(1, 1, 2, 2), scaled(1, 1, 1.7, 0.6), sized(2, 6, 14, 5), sized(2, 6, 1, 22)]
    modes = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
    cases = [
        Case("Resize", {"mode": m, "coordinate_transformation_mode": c}, operands=g)
        for m, c, g in itertools.product(["linear", "cubic"], modes, grids)
    ]
    cases += [
        Case(
            "Resize",
            {"mode": "nearest", "coordinate_transformation_mode": c, "nearest_mode": n},
            operands=g,
        )
        for c, n, g in itertools.product(
            modes, ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"], grids
        )
    ]
    cases.append(
        Case(
            "Resize",
            {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
            operands=grids[1],
        )
    )
    cases.append(Case("Resize", operands=grids[0]))
    return cases


def reductions() -> list[Case]:
    cases = [
        Case(op, {"axes": a, "keepdims": k})
        for op, a, k in itertools.product(
            ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"], [(2, 3), (1,), (-1, 1)], [0, 1]
        )
    ]
    cases += [Case("ReduceMean", {"keepdims": 0}), Case("ReduceSum", operands=(ints(1, -1),))]
    cases += [Case("ReduceSum", {"keepdims": 0})]
    cases += [Case("ReduceMax", operands=(ints(1),), opset=18)]
    cases += [
        Case("ArgMax", {"axis": a, "keepdims": k, "select_last_index": s})
        for a, k, s in itertools.product([1, -1], [0, 1], [0, 1])
    ]
    return cases


CASES = [
    *convolutions(),
    *poolings(),
    *normalizations(),
    *activations(),
    *arithmetic(),
    *dense(),
    *movements(),
    *reshapes(),
    *resizes(),
    *reductions(),
]

LISTED = """
Conv ConvTranspose Gemm MatMul BatchNormalization Relu LeakyRelu PRelu Clip Elu Selu Sigmoid Tanh
HardSigmoid HardSwish Softplus Softsign Softmax LogSoftmax Mish Erf Gelu Add Sub Mul Div Max Min
Sum Mean Pow Abs Exp Log Sqrt Neg Reciprocal MaxPool AveragePool GlobalAveragePool GlobalMaxPool
LpNormalization LRN MeanVarianceNormalization LayerNormalization InstanceNormalization Concat
Split Slice Gather Transpose Reshape Flatten Squeeze Unsqueeze DepthToSpace SpaceToDepth Pad
Resize Tile Expand ReduceMean ReduceSum ReduceMax ReduceMin ReduceL2 Identity ArgMax Cast
""".split()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_onnxruntime(case: Case) -> None:
    x = draw(*case.shape)
    x = np.abs(x) + np.float32(0.1) if case.positive else x
    constants = {f"c{i}": o for i, o in enumerate(case.operands) if o is not None}
    names = ["x", *("" if o is None else f"c{i}" for i, o in enumerate(case.operands))]
    outputs = [f"y{i}" for i in range(case.outputs)]
    node = helper.make_node(case.op, names, outputs, **_attributes(case, x, constants))
    model = model_of([node], {"x": case.shape}, outputs, constants, case.opset)
    wanted = onnxruntime_outputs(model, {"x": x}, outputs)
    found = evaluate(model, {"x": x})
    for name in outputs:
        assert found[name].shape == wanted[name].shape
        assert found[name].dtype == wanted[name].dtype
        error = np.abs(found[name].astype(np.float64) - wanted[name]).max(initial=0)
        assert error <= 1e-5 * max(1, np.abs(wanted[name]).max(initial=0))


def averages(size: int, kernel: int, stride: int, begin: int, end: int) -> Array:
    """``(windows, size)`` weights of the numbers of one axis: each window counts the padding it
    covers, and nothing beyond it."""
    rows = []
    for start in range(-begin, size, stride):
        covered = range(start, min(start + kernel, size + end))
        rows.append([1 / len(covered) if n in covered else 0 for n in range(size)])
        if start + kernel >= size + end:
            break
    return np.array(rows, np.float32)


@pytest.mark.parametrize("given", [g for g in windows() if g["ceil_mode"]], ids=str)
def test_averages_of_windows_beyond_the_padding(given: dict[str, Any]) -> None:
    """As ONNX defines them: ONNX Runtime up to 1.28 counts what lies beyond the padding."""
    x, pads = draw(2, 6, 9, 11), given["pads"]
    across, along = (
        averages(x.shape[2 + i], given["kernel_shape"][i], given["strides"][i], *pads[i::2])
        for i in (0, 1)
    )
    node = helper.make_node("AveragePool", ["x"], ["y"], count_include_pad=1, **given)
    model = model_of([node], {"x": x.shape}, ["y"], {}, 17)
    found, wanted = evaluate(model, {"x": x})["y"], across @ x @ along.T
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-5


def test_a_sum_over_no_axes_is_its_input() -> None:
    """As ONNX defines it; ONNX Runtime 1.23 cannot run it."""
    x = draw(2, 6, 9, 11)
    node = helper.make_node("ReduceSum", ["x"], ["y"], noop_with_empty_axes=1)
    model = model_of([node], {"x": x.shape}, ["y"], {}, 17)
    assert np.array_equal(evaluate(model, {"x": x})["y"], x)


def test_a_choice_by_comparison() -> None:
    x, other = draw(2, 6, 9), draw(9)
    nodes = [
        helper.make_node("Equal", ["x", "same"], ["e"]),
        helper.make_node("Not", ["e"], ["n"]),
        helper.make_node("Where", ["n", "x", "other"], ["y"]),
    ]
    constants = {"same": x[:1] * (np.arange(9) < 4), "other": other}
    model = model_of(nodes, {"x": x.shape}, ["y"], constants)
    wanted = onnxruntime_outputs(model, {"x": x}, ["y"])["y"]
    assert np.array_equal(evaluate(model, {"x": x})["y"], wanted)
    assert (wanted != x).any()


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("IsNaN", ["m"], ["b"]),
        helper.make_node("IsInf", ["m"], ["b"]),
        helper.make_node("IsInf", ["m"], ["b"], detect_negative=0),
    ],
)
def test_what_is_no_number(node: Any) -> None:
    x = draw(2, 6)
    nodes = [
        helper.make_node("Log", ["x"], ["l"]),  # of negative numbers: no number
        helper.make_node("Where", ["known", "l", "endless"], ["m"]),
        node,
        helper.make_node("Where", ["b", "one", "x"], ["y"]),
    ]
    constants = {
        "known": np.arange(6) % 2 == 0,
        "endless": np.array([0, np.inf, 0, -np.inf, 0, np.inf], np.float32),
        "one": np.float32(9),
    }
    model = model_of(nodes, {"x": x.shape}, ["y"], constants)
    wanted = onnxruntime_outputs(model, {"x": x}, ["y"])["y"]
    assert np.array_equal(evaluate(model, {"x": x})["y"], wanted)
    assert (wanted == 9).any()


def _attributes(case: Case, x: Array, constants: dict[str, Array]) -> dict[str, Any]:
    given = dict(case.attributes)
    if case.op in ("Conv", "ConvTranspose"):
        given["kernel_shape"] = constants["c0"].shape[2:]
    return given


def test_every_listed_operator_has_a_case() -> None:
    tested = {case.op for case in CASES}
    assert set(LISTED) <= tested
    assert set(LISTED) <= set(TABLE)


@pytest.mark.parametrize(
    ("op", "attributes", "what"),
    [
        ("Frobnicate", {}, "node 'n': the torch trainer has no operator 'Frobnicate'"),
        ("Resize", {"mode": "sinc"}, "node 'n' (Resize): the torch trainer has no mode 'sinc'"),
        ("Cast", {"to": 8}, "node 'n' (Cast): the torch trainer has no element type 8"),
        (
            "AveragePool",
            {"kernel_shape": (2, 2), "dilations": (2, 2)},
            "node 'n' (AveragePool): the torch trainer has no dilated average pooling",
        ),
    ],
)
def test_refuses_by_name(op: str, attributes: dict[str, Any], what: str) -> None:
    node = helper.make_node(op, ["x"], ["y"], name="n", **attributes)
    model = model_of([node], {"x": (2, 3, 4, 4)}, ["y"], {})
    with pytest.raises(ModelError) as caught:
        evaluate(model, {"x": draw(2, 3, 4, 4)})
    advice = "; use the trainer of the model's own framework (prunus methods lists them)"
    assert str(caught.value) == what + advice
