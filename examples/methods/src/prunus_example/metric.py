"""Metric ``worst-class``: the accuracy of the class that is recognised worst."""

import attrs
import numpy as np

from prunus.plugin import Measurement, NamedMetric, hookimpl


@hookimpl
def prunus_register():
    return (
        NamedMetric("worst-class", "accuracy of the worst class", lambda network: WorstClass()),
    )


@attrs.frozen
class WorstClass:
    """A `prunus.plugin.Metric`: observed batch by batch."""

    name: str = "worst-class"
    higher_is_better: bool = True
    needs_labels: bool = True

    def observe(self, outputs, reference, labels):
        """One row a sample: its class, and 1 where the network says so."""
        scores = list(outputs.values())[-1]
        said = scores.reshape(len(scores), -1).argmax(axis=1)
        return np.stack([labels, said == labels], axis=1).astype(np.int64)

    def result(self, observations):
        """The least share of hits of any class that has samples, and its standard error."""
        classes, hits = np.concatenate(observations).T
        found = []
        for number in np.unique(classes):
            own = hits[classes == number]
            share = float(own.mean())
            found.append((share, float(np.sqrt(share * (1 - share) / len(own)))))
        return Measurement(*min(found))
