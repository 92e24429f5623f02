"""Where the network ends: the last tensors computed from its inputs alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import attrs

from prunus_tensorflow.graphdef.entries import GRADIENTS, SHAPES, is_known, is_setting
from prunus_tensorflow.graphdef.names import is_control, split
from prunus_tensorflow.graphdef.steps import DEAD, Steps, needed
from prunus_tensorflow.graphdef.view import PLACEHOLDERS, VARIABLES

_LOSS = re.compile(r"CrossEntropy|L2Loss|SigmoidCrossEntropy|CTCLoss")
_METRIC = re.compile(rf"{_LOSS.pattern}|ArgMax|TopK|InTopK|Equal|Summary|Print|Assert|Gather")


@attrs.frozen(eq=False)
class Terminals:
    """Finds the ends of a graph.

    Attributes:
        steps: The native graph at inference.
    """

    steps: Steps

    def find(
        self, inputs: Sequence[str], weighted: Mapping[str, str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Last tensors computed from the inputs alone, and notes on what is left aside."""
        computed = self._computed(inputs, self._ahead(weighted))
        readers = self._readers()
        behind = self._behind(computed, weighted)
        inner = computed | {name for name, step in self.steps.items() if step.op == DEAD}
        ends = [
            name
            for name in self.steps
            if name in behind and not any(one in inner for one in readers.get(name, ()))
        ]
        taps = [name for name in ends if self._is_tap(name, readers, inner)]
        ends = [name for name in ends if name not in taps] or ends
        trimmed = dict.fromkeys(self._trim(name, readers) for name in ends)
        kept = [
            name for name in trimmed if name in behind or name in weighted or not readers.get(name)
        ]
        outputs, notes = self._without_copies(tuple(kept), readers)
        copies = tuple(
            f"'{name}' is a copy that nothing reads: it is no output; --output_nodes makes it one"
            for name in taps
            if name not in trimmed
        )
        return outputs, (*notes, *copies, *self._behind_outputs(outputs, readers))

    def _is_tap(self, name: str, readers: Mapping[str, Sequence[str]], inner: set[str]) -> bool:
        """True for an unread Identity of a tensor that goes on elsewhere (custom gradients)."""
        step = self.steps[name]
        if step.op != "Identity" or readers.get(name):
            return False
        siblings = readers.get(split(step.inputs[0])[0], ())
        return any(one != name and one in inner for one in siblings)

    def _behind_outputs(
        self, outputs: Sequence[str], readers: Mapping[str, Sequence[str]]
    ) -> Iterator[str]:
        """Sentences on unknown ops that read an output (training and metrics left aside)."""
        for output in outputs:
            for name in readers.get(output, ()):
                op = self.steps[name].op
                plain = is_known(self.steps[name]) or _METRIC.search(op)
                if not plain and not GRADIENTS.search(name):
                    yield f"node '{name}' of type '{op}' reads output '{output}' and stays as it is"

    def _readers(self) -> dict[str, list[str]]:
        """Node -> who reads it, natively or as a pattern's input.

        The inner nodes of a pattern are read natively only; they are no ends of the network.
        """
        readers: dict[str, list[str]] = {}
        for name, step in self.steps.items():
            native = [one for one in step.node.input if not is_control(one)]
            for reference in dict.fromkeys([*step.inputs, *native]):
                if reference:
                    readers.setdefault(split(reference)[0], []).append(name)
        return readers

    def _ahead(self, weighted: Mapping[str, str]) -> set[str]:
        """Nodes that a weighted layer depends on."""
        return set(needed(self.steps, weighted.values(), ()))

    def _computed(self, inputs: Sequence[str], ahead: set[str]) -> set[str]:
        """Nodes computed from the inputs alone; unknown ops only before further layers."""
        computed = {split(name)[0] for name in inputs}
        static: dict[str, bool] = {}
        for name in needed(self.steps, self.steps, ()):
            step = self.steps[name]
            if name in computed:
                continue
            parts = [split(reference)[0] for reference in step.inputs if reference]
            free = step.op in VARIABLES or step.op == "Const" or step.op.startswith("Random")
            setting = step.op in PLACEHOLDERS and not step.inputs and is_setting(step)
            known = is_known(step) or step.op == "_Dropout"
            plain = known and bool(parts) and all(static.get(one, False) for one in parts)
            static[name] = free or setting or plain
            opaque = not known and name in ahead and any(one in computed for one in parts)
            if opaque:
                computed.add(name)
                continue
            if static[name] or not known or GRADIENTS.search(name) or step.op in SHAPES:
                # What follows from a shape is a number, not a tensor of the network.
                static[name] = static[name] or (step.op in SHAPES and parts[0] in computed)
                continue
            if parts and all(one in computed or static.get(one, False) for one in parts):
                computed.add(name)
        return computed

    def _behind(self, computed: set[str], weighted: Mapping[str, str]) -> set[str]:
        behind: set[str] = set()
        for name in needed(self.steps, self.steps, ()):
            if name not in computed:
                continue
            parts = (split(one)[0] for one in self.steps[name].inputs if one)
            if name in weighted or any(one in behind for one in parts):
                behind.add(name)
        return behind

    def _trim(self, name: str, readers: Mapping[str, Sequence[str]]) -> str:
        """Step back over a reshape that only serves a loss or a metric."""
        step = self.steps[name]
        while step.op in ("Reshape", "Cast", "Identity") and readers.get(step.name):
            if any(_LOSS.search(self.steps[one].op) for one in readers[step.name]) or (
                step.op == "Reshape"
            ):
                step = self.steps[split(step.inputs[0])[0]]
                continue
            break
        return step.name

    def _without_copies(
        self, ends: tuple[str, ...], readers: Mapping[str, Sequence[str]]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """In a training graph, leave out ends that nothing reads and that share no weight."""
        training = any(GRADIENTS.search(name) for name in self.steps)
        read = [name for name in ends if readers.get(name)]
        if not training or not read or len(read) == len(ends):
            return ends, ()
        used = self._variables(read)
        kept = tuple(name for name in ends if name in read or used & self._variables([name]))
        return kept, tuple(
            f"'{name}' and what leads to it is left untouched: the training does not use it"
            for name in ends
            if name not in kept
        )

    def _variables(self, names: Sequence[str]) -> set[str]:
        return {name for name in needed(self.steps, names, ()) if self.steps[name].op in VARIABLES}
