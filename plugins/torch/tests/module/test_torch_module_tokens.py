"""Modules that take token numbers: an embedding, attention, class scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import prunus

pytest.importorskip("onnxscript", reason="onnxscript is not installed (prunus-torch[modules])")

TOKENS, LENGTH, WIDTH, DEPTH = 50, 12, 32, 8


class Classifier(nn.Module):
    """One block of a BERT-like network (Devlin et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(TOKENS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.norm, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.joined, self.scores = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Token numbers ``(N, T)`` -> class scores ``(N, 3)``."""
        x = self.norm(self.tokens(tokens) + self.places(torch.arange(tokens.shape[1])))
        x = x + self.joined(self._attended(x))
        x = self.after(x + self.narrow(nn.functional.gelu(self.wide(x))))
        return self.scores(x[:, 0])

    def _attended(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(2, (-1, DEPTH)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        return found.transpose(1, 2).flatten(2)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_module_that_takes_token_numbers_comes_back_smaller(sampled: bool) -> None:
    torch.manual_seed(0)
    module = Classifier().eval()
    tokens = torch.randint(TOKENS, (64, LENGTH))
    network = prunus.load(module, example_inputs=(tokens[:2],))
    data = tokens.numpy() if sampled else None
    plan = prunus.plan(network, rate=0.4, data=data, criterion="l1", allocation="uniform")
    compact = prunus.compact(prunus.prune(network, plan, data=data))
    smaller = compact.native
    assert type(smaller) is Classifier
    assert smaller.tokens.weight.shape == (TOKENS, WIDTH)
    # whole heads went: the code divides by the root of their width
    assert smaller.query.out_features in (DEPTH, 2 * DEPTH, 3 * DEPTH)
    assert smaller.wide.out_features < 4 * WIDTH
    with torch.no_grad():
        found = smaller(tokens).numpy()
    (name,) = (value.name for value in compact.network.model.graph.inputs)
    wanted = prunus.plugin.Session(compact.network.model).run({name: tokens.numpy()})
    assert np.allclose(found, next(iter(wanted.values())), rtol=1e-4, atol=1e-5)
