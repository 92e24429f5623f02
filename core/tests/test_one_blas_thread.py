"""Linear algebra in one thread, and as before afterwards."""

from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from prunus.one_blas_thread import one_blas_thread


def threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_the_number_of_threads_is_put_back():
    with one_blas_thread():  # loads what is limited
        assert threads() == {1}
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == before
