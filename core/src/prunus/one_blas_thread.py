"""Linear algebra in one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from threadpoolctl import threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy and SciPy compute matrix products and factorizations in one thread.

    The matrices of compensation have some hundred rows. OpenBLAS's threads wait for each other by
    spinning: where another process wants the processors, a Cholesky factorization of 500 rows took
    80 to 240 ms in two threads and 2 ms in one; on idle processors one thread loses nothing there.
    """
    import_module("scipy.linalg")  # limits hold for libraries that are loaded already
    with threadpool_limits(limits=1, user_api="blas"):
        yield
