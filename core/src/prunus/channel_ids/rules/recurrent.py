"""LSTM, GRU, RNN: they keep what they read and what they make.

A number of the hidden state goes with rows of all gates, with columns of the recurrent weight and
with what reads the output; every number takes part in all gates of the next step. It could be
followed; the neutral graph counts no MACs of these layers yet, so that no plan would be true.
"""

from __future__ import annotations

import onnx_ir as ir

from prunus.channel_ids.domain import Domain
from prunus.channel_ids.rules.passing import block


def recurrent(node: ir.Node, domain: Domain) -> None:
    """All inputs and outputs stay whole."""
    block(node, domain, f"feeds recurrent layer '{domain.name(node)}' ({node.op_type})")


RULES = dict.fromkeys(("LSTM", "GRU", "RNN"), recurrent)
