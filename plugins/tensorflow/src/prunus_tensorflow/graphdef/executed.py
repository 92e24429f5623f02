"""Operations of a file that may be run: those that compute, and touch nothing but tensors.

A graph is a program: it may read and write files, open connections, call Python and stop the
process. TensorFlow marks an operation with effects as stateful (``is_stateful`` in
tensorflow/core/framework/op_def.proto); of those only the ones below may run. Some unmarked ones
touch files, memory or the process too; they may not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any

from prunus.plugin import ModelError
from prunus_tensorflow.graphdef.names import tensor
from prunus_tensorflow.graphdef.view import GraphView

# State that lives and dies with the session: variables, random numbers, arrays, control flow.
_STATE = re.compile(
    r"""
    Variable|VariableV2|VarHandleOp|ReadVariableOp|Assign(Add|Sub)?VariableOp|VariableShape
  | VarIsInitializedOp|TemporaryVariable|GuaranteeConst|Empty
  | Resource(SparseApply|Apply|Gather|Scatter|StridedSliceAssign|CountUpTo)\w*
  | (Stateful)?(Random|ParameterizedTruncated|Truncated|Standard|Uniform)(?!Dataset|ShuffleQueue)\w*
  | Stateful(Uniform|StandardNormal|TruncatedNormal|RandomBinomial)\w*|StatelessRandomGetAlg
  | NonDeterministicInts|RngSkip|RngReadAndSkip|Multinomial|SampleDistortedBoundingBox(V2)?
  | TensorArray\w*|Stack(Push|Pop|Close)?V2|CheckNumerics(V2)?|Assert|IsTensorFloat32Enabled
  | StatefulPartitionedCall|If|While|Case|_If|_While|_Arg|_Retval
  """,
    re.VERBOSE,
)
# Unmarked, and still more than a computation.
_OUTSIDE = re.compile(
    r"""
    ReadFile|MatchingFiles|ImmutableConst|GenerateVocabRemapping|PyFuncStateless|Abort
  | Debug\w*|Copy(Host|Op)?|CustomAggregator|TensorSummary\w*|Test\w*|KernelLabel\w*
  | InitializeTable\w*|Reader\w*|Queue\w*|Barrier\w*|LookupTable\w*|BatchFunction
  | \w*(Dataset|DatasetV\d|Iterator|Tpu|DTensor)\w*|Get(Deadline|Options|TpuTaskId)
  """,
    re.VERBOSE,
)


def refuse_effects(view: GraphView, results: Collection[str], fed: Collection[str] = ()) -> None:
    """Check what TensorFlow would run for some results.

    Args:
        view: The graph.
        results: Tensors or nodes that are asked for.
        fed: Tensors that are given, so that what leads to them does not run.

    Raises:
        ModelError: an operation among it does more than compute; names its node.
    """
    for node in _running(view, results, fed):
        if not computes(node.op):
            raise ModelError(
                f"node '{node.name}' of type '{node.op}' does more than compute (files, network, "
                "Python or the process), so it is not run: leave it out of the graph"
            )


@cache
def computes(op: str) -> bool:
    """True for an operation without effects outside of its session."""
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(op)
    if known is None or _OUTSIDE.fullmatch(op):
        return False
    return not known.is_stateful or _STATE.fullmatch(op) is not None


def _running(view: GraphView, results: Collection[str], fed: Collection[str]) -> Iterator[Any]:
    """Nodes that run for the results: with control inputs, and those of functions they call."""
    cut = frozenset(tensor(one) for one in fed)
    names = view.sorted_from([one for one in results if tensor(one) not in cut], cut, control=True)
    return called([view.nodes[name] for name in names], view.graph.library)


def called(nodes: Iterable[Any], library: Any) -> Iterator[Any]:
    """Nodes with those of all functions they call, at any depth.

    Args:
        nodes: NodeDefs; one that is a call of a function counts by the function's nodes.
        library: FunctionDefLibrary.
    """
    functions = {one.signature.name: one for one in library.function}
    pending, seen = [*nodes], set[str]()
    while pending:
        node = pending.pop()
        names = {node.op}
        for value in node.attr.values():
            given = [value.func] if value.HasField("func") else value.list.func
            names |= {one.name for one in given}
        if node.op not in functions:
            yield node
        for name in (names & functions.keys()) - seen:
            seen.add(name)
            pending += functions[name].node_def
