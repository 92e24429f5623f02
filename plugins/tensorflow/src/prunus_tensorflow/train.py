"""Trainer ``tensorflow``: the compact network trained by TensorFlow itself.

What is trained is built from the compact network, so a run that trains the unpruned model
cannot happen: there is no call to forget.
"""

from __future__ import annotations

import attrs

from prunus.plugin import Network, TrainingJob, UsageError, Weights
from prunus_tensorflow.graphdef.origin import GraphOrigin
from prunus_tensorflow.keras_model.origin import KerasOrigin
from prunus_tensorflow.saved_model.origin import SavedModelOrigin
from prunus_tensorflow.training.graph_run import run
from prunus_tensorflow.training.keras_fit import fit


def finetune(job: TrainingJob) -> Weights:
    """Train the compact network of a job: Keras' ``fit``, or a session on the low-level graph.

    Returns:
        Every weight the network binds, after the last update.

    Raises:
        DataError: samples or labels do not fit.
        UsageError: an option cannot be used, or training diverged.
        PluginError: the user's own code failed.
        KeyboardInterrupt: Ctrl-C, after a snapshot was saved.
    """
    origin = job.network.origin
    if isinstance(origin, KerasOrigin):
        return fit(job, origin)
    if isinstance(origin, GraphOrigin):
        return run(job, origin)
    if isinstance(origin, SavedModelOrigin):
        teacher = None if job.teacher is None else _inner(job.teacher)
        return run(attrs.evolve(job, network=_inner(job.network), teacher=teacher), origin.graph)
    raise UsageError("trainer tensorflow trains networks that were read from TensorFlow's files")


def _inner(network: Network) -> Network:
    """A SavedModel as the graph in it."""
    assert isinstance(network.origin, SavedModelOrigin)
    return attrs.evolve(network, origin=network.origin.graph)
