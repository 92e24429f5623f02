"""The proof of a live model: its own run against the run of its graph."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.evaluation.session import Session
from prunus.plugin import ProofError
from prunus.proof import TOLERANCE, prove_live


def test_equal_runs_are_proven_for_one_and_for_three(lenet):
    sizes = []

    def run(inputs):
        sizes.extend(len(array) for array in inputs.values())
        return Session(lenet.model).run(inputs)

    proof = prove_live(lenet.model, run, "the model")
    assert proof.error <= TOLERANCE
    assert sizes == [1, 3]


def test_other_numbers_are_refused_with_the_output(lenet):
    (output,) = (value.name for value in lenet.model.graph.outputs)

    def run(inputs):
        found = Session(lenet.model).run(inputs)
        return {name: np.flip(array, -1) for name, array in found.items()}

    with pytest.raises(ProofError) as caught:
        prove_live(lenet.model, run, "the model")
    assert str(caught.value).startswith(
        f"the model differs from the compact network at output '{output}': relative error "
    )
    assert str(caught.value).endswith(", allowed 1e-05; report it to the authors of the format")


def test_a_graph_that_gives_no_numbers_proves_nothing(lenet):
    broken = lenet.with_weights({"ip2/bias": np.full_like(lenet.weights()["ip2/bias"], np.nan)})
    with pytest.raises(ProofError) as caught:
        prove_live(broken.model, Session(broken.model).run, "the model")
    assert str(caught.value) == (
        "the model is not proven: its graph gives finite numbers for no random input; save the "
        "network instead, which proves its files"
    )
