"""Texts of ONNX Runtime 1.32, and what a user reads of them."""

from __future__ import annotations

import pytest

from prunus.evaluation.refusal import refusal

AGAIN = "; see --verbose"

OPERATORS = {"lstm": "LSTM", "fc": "Gemm", "c1": "Conv", "cut": "Trilu", "d1": "Gemm"}
OPERATORS |= {"d1/mul": "MatMul", "d": "Relu"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: p for "
            "the following indices\n index: 0 Got: 3 Expected: 1\n Please fix either the inputs",
            "input 'p' has size 3 on axis 0, the network takes 1",
        ),
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Invalid rank for input: x Got: 3 "
            "Expected: 4 Please fix either the inputs/outputs or the model.",
            "input 'x' has 3 axes, the network takes 4",
        ),
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Unexpected input data type. Actual: "
            "(tensor(int64)) , expected: (tensor(float))",
            "an input holds int64 numbers, the network takes float",
        ),
        ("Required inputs (['x']) are missing from input feed ([]).", "input 'x' has no samples"),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running LSTM "
            "node. Name:'lstm' Status Message: Input initial_h must have shape {1,2,6}.",
            f"layer 'lstm' (LSTM): sizes do not fit each other{AGAIN}",
        ),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Node (fc) Op (Gemm) [ShapeInferenceError] Dimension "
            "mismatch in unification between 5 and 64",
            f"layer 'fc' (Gemm): sizes do not fit each other{AGAIN}",
        ),
        (
            '[ONNXRuntimeError] : 10 : INVALID_GRAPH : This is an invalid model. In Node, ("c1", '
            'Conv, "", -1) : ("x": tensor(float)) -> ("a",) , Error Unrecognized attribute: zzz',
            f"layer 'c1' (Conv): an attribute is missing, unknown or out of range{AGAIN}",
        ),
        (
            "[ONNXRuntimeError] : 10 : INVALID_GRAPH : Type Error: Type 'tensor(int32)' of input "
            "parameter (w) of operator (Conv) in node (c1) is invalid.",
            f"layer 'c1' (Conv): it takes numbers of another type{AGAIN}",
        ),
        (
            "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for "
            "Trilu(14) node with name 'cut'",
            f"layer 'cut' (Trilu): ONNX Runtime has no such operator for these numbers{AGAIN}",
        ),
        (
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested "
            "buffer of size 80000000000",
            "there is not enough memory for its values",
        ),
        *(
            (
                "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running "
                f"{operator} node. Name:'{name}' Status Message: GEMM: Dimension mismatch",
                f"{subject}: sizes do not fit each other{AGAIN}",
            )
            for operator, name, subject in (
                ("FusedGemm", "fused d1", "layer 'd1' (Gemm)"),
                ("Gemm", "d1/mul/MatMulAddFusion", "layer 'd1/mul' (MatMul)"),
                ("FusedGemm", "fused", "an operator FusedGemm"),
                ("FusedGemm", "", "an operator FusedGemm"),
            )
        ),
        ("something nobody has seen", f"the graph: it cannot be run{AGAIN}"),
    ],
)
def test_refusals(theirs, ours):
    assert refusal(RuntimeError(theirs), OPERATORS) == ours
