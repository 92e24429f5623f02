"""Errors that the removal of single weights causes, with the other weights of a row making good."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from prunus.errors import UsageError
from prunus.groups import Group
from prunus.network import Network
from prunus.recovery.moments import held_by_ridge
from prunus.recovery.positions import draw_positions, points, window_of, windows

_ROWS = 8192
"""Positions of the inputs that the Hessian is the sum of."""

_DAMPING = 0.01
"""Share of the mean diagonal added to the Hessian, as in the authors' code."""

_WORK = 1e11
"""Multiplications for one layer, at most: some ten seconds."""

_HELD = 1 << 27
"""Bytes of inverse Hessians held at once."""

_TOGETHER, _BLOCK = 16, 64
"""Rows whose weights are removed at once, and removals between two changes of what is held: the
fastest of some on 64 rows of 576 weights."""

Matrix = NDArray[np.float64]


def weight_errors(
    network: Network, group: Group, samples: Mapping[str, NDArray[np.float32]], seed: int
) -> NDArray[np.float64]:
    """Errors at each weight's turn, in the order of the group's units.

    Args:
        network: The network.
        group: The weights of one layer.
        samples: Graph input name -> ``(N, ...)``.
        seed: Chooses positions of the activations.

    Raises:
        UsageError: rows of its weight are not those of a matrix product.
    """
    (member,) = group.members
    node = _reader(network, group)
    weight = member.array(network)
    rows = _rows(node, weight.astype(np.float64))
    blocks = node.attributes.get_int("group", 1) if node.op_type == "Conv" else 1
    inputs = _inputs(network, node, weight.shape, samples, seed)
    found = [
        _errors(part, _inverse(given))
        for part, given in zip(
            np.split(rows, blocks), np.split(inputs, blocks, axis=1), strict=True
        )
    ]
    scores = _stored(node, np.concatenate(found), weight.shape)
    return np.asarray(scores.ravel()[member.positions[:, 0]])


def _reader(network: Network, group: Group) -> ir.Node:
    """The node that reads the group's weight.

    Raises:
        UsageError: rows of its weight are not those of a matrix product.
    """
    name = group.members[0].initializer
    for node in network.model.graph:
        weight = node.inputs[1] if len(node.inputs) > 1 else None
        if weight is not None and weight.name == name:
            kernel = tuple(int(str(size)) for size in (weight.shape or ())[2:])
            plain = node.op_type != "Conv" or window_of(node, kernel) is not None
            if node.op_type in ("Conv", "Gemm", "MatMul") and plain and weight.shape is not None:
                return node
    raise UsageError(
        f"criterion 'obs' cannot score group '{group.name}': it reads convolutions and matrix "
        "products; leave the layer out (--exclude) or take another criterion"
    )


def _is_transposed(node: ir.Node) -> bool:
    """Whether inputs are the first axis of the weight."""
    return node.op_type != "Conv" and node.attributes.get_int("transB", 0) == 0


def _rows(node: ir.Node, weight: Matrix) -> Matrix:
    """``(O, K)`` of a weight."""
    return weight.T if _is_transposed(node) else weight.reshape(len(weight), -1)


def _stored(node: ir.Node, rows: Matrix, shape: tuple[int, ...]) -> Matrix:
    return np.asarray(rows.T if _is_transposed(node) else rows.reshape(shape))


def _inputs(
    network: Network,
    node: ir.Node,
    shape: tuple[int, ...],
    samples: Mapping[str, NDArray[np.float32]],
    seed: int,
) -> NDArray[np.float32]:
    """``(n, K)`` inputs of an output, at random positions."""
    from prunus.evaluation.session import Session  # slow to import

    assert node.inputs[0] is not None
    data, output = node.inputs[0].name or "", node.outputs[0].name or ""
    values = Session(network.model, [data, output]).run(samples)
    draw = np.random.default_rng(seed)
    if node.op_type == "Conv":
        window = window_of(node, shape[2:])
        assert window is not None
        return windows(values[data], draw_positions(values[output], _ROWS, draw), window)
    flat = np.moveaxis(values[data], -1, 1)
    return points(flat, draw_positions(flat, _ROWS, draw))


def _inverse(inputs: NDArray[np.float32]) -> Matrix:
    """``(K, K)`` inverse of the damped Hessian."""
    exact = inputs.astype(np.float64)
    return np.asarray(np.linalg.inv(held_by_ridge(exact.T @ exact / len(exact), _DAMPING)))


def _errors(rows: Matrix, inverse: Matrix) -> Matrix:
    """``(O, K)`` error at each weight's turn."""
    outputs, inputs = rows.shape
    if outputs * inputs**3 > _WORK:
        return np.asarray(rows**2 / (2 * np.diag(inverse)))
    step = min(_TOGETHER, max(1, _HELD // (inputs * inputs * 8)))
    parts = [_turns(rows[start : start + step], inverse) for start in range(0, outputs, step)]
    return np.concatenate(parts)


def _turns(rows: Matrix, inverse: Matrix) -> Matrix:
    """Some rows, all at once: remove weight after weight, change the others.

    A removal takes a matrix of rank one from the row's inverse Hessian. As in a Cholesky
    decomposition, those of a block of removals are kept as columns and taken off together; what is
    left of the matrix is then made as small as the number of weights left.
    """
    count, inputs = rows.shape
    errors, worst = np.zeros(rows.shape), np.zeros(count)
    places = np.tile(np.arange(inputs), (count, 1))
    left, held = rows, np.broadcast_to(inverse, (count, inputs, inputs))
    each = np.arange(count)[:, None]
    while places.shape[1]:
        block = _removed(left, held, min(_BLOCK, places.shape[1]))
        worst = np.maximum(worst[:, None], np.maximum.accumulate(block.prices, 1))
        errors[each, np.take_along_axis(places, block.order, 1)] = worst
        worst = worst[:, -1]
        stays = np.ones(places.shape, bool)
        stays[each, block.order] = False
        kept = np.nonzero(stays)[1].reshape(count, -1)
        columns = np.take_along_axis(block.columns, kept[:, None], 2)
        held = held[each[..., None], kept[:, :, None], kept[:, None]]
        held -= columns.transpose(0, 2, 1) @ columns
        left = np.take_along_axis(block.left, kept, 1)
        places = np.take_along_axis(places, kept, 1)
    return errors


@attrs.frozen(eq=False)
class _Block:
    """Some removals of each of ``R`` rows of ``k`` weights.

    Attributes:
        order: ``(R, steps)`` positions of the removed weights.
        prices: ``(R, steps)`` error that each removal adds.
        columns: ``(R, steps, k)``; the sum of their outer products leaves the inverse Hessian.
        left: ``(R, k)`` weights after the removals.
    """

    order: NDArray[np.int64]
    prices: Matrix
    columns: Matrix
    left: Matrix


def _removed(rows: Matrix, held: Matrix, steps: int) -> _Block:
    """The next removals; ``held`` ``(R, k, k)`` is read, not changed."""
    count, size = rows.shape
    each, left = np.arange(count), rows.copy()
    diagonal = np.diagonal(held, axis1=1, axis2=2).copy()
    order = np.empty((count, steps), np.int64)
    prices, columns = np.empty((count, steps)), np.empty((count, steps, size))
    gone = np.zeros(rows.shape, bool)
    for step in range(steps):
        safe = np.maximum(diagonal, 1e-300)
        price = np.where(gone, np.inf, left**2 / (2 * safe))
        place = price.argmin(1)
        before = columns[:, :step]
        past = (before[each, :, place][:, None] @ before)[:, 0]
        root = np.sqrt(safe[each, place])[:, None]
        column = (held[each, place] - past) / root
        order[:, step], prices[:, step], columns[:, step] = place, price[each, place], column
        left -= column * (left[each, place][:, None] / root)
        diagonal -= column**2
        gone[each, place] = True
    return _Block(order, prices, columns, left)
