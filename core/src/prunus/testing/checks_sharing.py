"""Conformance of sharings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from prunus.descriptors import Sharing
from prunus.errors import UsageError
from prunus.host import Host, start
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_plugin import one_line, plugin_checks

Values = NDArray[np.floating]

COUNTS = (1, 2, 15, 32, 255)
"""Numbers of values that are asked for."""

WEIGHT = "conv1/weight"


@attrs.frozen
class _Subject:
    """The sharing under test."""

    name: str
    host: Host | None

    def share(self, values: Values, count: int) -> Values | None:
        """Values, or ``None`` where the sharing says that it cannot share these weights."""
        try:
            found: Values = (self.host or start()).call(
                Sharing, self.name, "prunus_share", weight=WEIGHT, values=values, count=count
            )
        except UsageError as error:
            one_line(error, WEIGHT)
            return None
        return found

    def shared(self) -> Iterator[tuple[str, Values, int, Values]]:
        """Everything that it shares: what it is, weights, count, values."""
        for form, weights in _forms().items():
            for count in COUNTS:
                if np.unique(weights).size > count:
                    found = self.share(weights, count)
                    if found is not None:
                        yield f"{self.name}, {form}, count={count}", weights, count, found


def sharing_checks(
    name: str, host: Host | None = None, expected_failures: ExpectedFailures | None = None
) -> list[Check]:
    """Everything a sharing promises (hook ``prunus_share``).

    Args:
        name: As given to ``--sharing``.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
    """
    subject = _Subject(name, host)
    bodies: list[tuple[str, Callable[[], None]]] = [
        *plugin_checks(Sharing, name, ("prunus_share",), host),
        ("shares-something", lambda: check_shares_something(subject)),
        ("gives-finite-values-without-zero", lambda: check_values(subject)),
        ("repeats-itself", lambda: check_deterministic(subject)),
        ("takes-weights-in-any-order", lambda: check_order(subject)),
        ("leaves-its-input-alone", lambda: check_pure(subject)),
        ("errs-less-with-more-values", lambda: check_error(subject)),
    ]
    return named_checks(name, bodies, expected_failures)


def check_shares_something(subject: _Subject) -> None:
    """There are weights that it can share; elsewhere it gives a `UsageError` that names them."""
    assert any(True for _ in subject.shared()), f"{subject.name} shares none of {list(_forms())}"


def check_values(subject: _Subject) -> None:
    """Numbers ``(1..count,)``, finite, none of them zero."""
    for said, _, count, found in subject.shared():
        assert isinstance(found, np.ndarray), f"{said}: gave a {type(found).__name__}"
        assert found.dtype.kind == "f", f"{said}: gave {found.dtype}"
        assert found.ndim == 1, f"{said}: shape {found.shape}"
        assert 1 <= found.size <= count, f"{said}: gave {found.size} values"
        assert np.isfinite(found).all(), f"{said}: not finite: {found}"
        assert found.all(), f"{said}: zero among the values"


def check_deterministic(subject: _Subject) -> None:
    """The same weights give the same values, bit by bit."""
    for said, weights, count, found in subject.shared():
        again = subject.share(weights, count)
        assert again is not None, f"{said}: refuses the second time"
        assert np.array_equal(found, again), f"{said}: differs: {again}"


def check_order(subject: _Subject) -> None:
    """Weights in another order share the same values."""
    for said, weights, count, found in subject.shared():
        mixed = subject.share(np.random.default_rng(1).permutation(weights), count)
        assert mixed is not None, f"{said}: refuses them in another order"
        same = mixed.size == found.size and np.allclose(np.sort(mixed), np.sort(found), rtol=1e-5)
        assert same, f"{said}: in another order {mixed}"


def check_pure(subject: _Subject) -> None:
    """The weights are the same afterwards."""
    before = {form: weights.tobytes() for form, weights in _forms().items()}
    for form, weights in _forms().items():
        for count in COUNTS:
            if np.unique(weights).size > count:
                subject.share(weights, count)
        assert weights.tobytes() == before[form], f"{subject.name} modified '{form}'"


def check_error(subject: _Subject) -> None:
    """255 values are nearer to the weights than two."""
    errors: dict[tuple[str, int], float] = {}
    for form, weights in _forms().items():
        for count in (2, 255):
            found = subject.share(weights, count) if np.unique(weights).size > 255 else None
            if found is not None:
                errors[form, count] = _error(weights, found)
    for form in _forms():
        few, many = errors.get((form, 2)), errors.get((form, 255))
        assert few is None or many is None or many < few, f"{subject.name}, {form}: {many} >= {few}"


def _error(weights: Values, values: Values) -> float:
    ordered = np.sort(values.astype(np.float64))
    nearest = np.searchsorted((ordered[1:] + ordered[:-1]) / 2, weights)
    return float(np.square(ordered[nearest] - weights).mean())


def _forms() -> dict[str, Values]:
    """Weights as networks have them: of one bulk, of two (pruned), few, far apart, of half size."""
    draw = np.random.default_rng(0)
    bulk = draw.standard_normal(5000).astype(np.float32)
    return {
        "one bulk": bulk,
        "the small ones pruned": bulk[np.abs(bulk) > 1],
        "few": bulk[:3],
        "one of them large": np.append(bulk[:500], np.float32(1e4)),
        "all positive": np.abs(bulk) + np.float32(1e-3),
        "as many above zero as below": np.concatenate((bulk, -bulk)),
        "half precision": (bulk * np.float32(0.1)).astype(np.float16),
    }
