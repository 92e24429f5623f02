"""Where the network begins and ends in a graph that may hold training, input queues and copies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from prunus.errors import ModelError
from prunus_tensorflow.graphdef.attributes import attr
from prunus_tensorflow.graphdef.constants import EVALUATORS
from prunus_tensorflow.graphdef.names import is_control, split
from prunus_tensorflow.graphdef.rules import RULES
from prunus_tensorflow.graphdef.steps import DEAD, Step, Steps, needed
from prunus_tensorflow.graphdef.view import PLACEHOLDERS, VARIABLES

# Position of the data among the inputs of ops that hold weights.
_WEIGHTED = {
    "Conv2D": 0,
    "Conv3D": 0,
    "DepthwiseConv2dNative": 0,
    "MatMul": 0,
    "BatchMatMulV2": 0,
    "Conv2DBackpropInput": 2,
}
# tf.gradients opens the scope `gradients` (tensorflow/python/ops/gradients_util.py).
_GRADIENTS = re.compile(r"(^|/)gradients(_\d+)?/")
_LOSS = re.compile(r"CrossEntropy|L2Loss|SigmoidCrossEntropy|CTCLoss")
_METRIC = re.compile(rf"{_LOSS.pattern}|ArgMax|TopK|InTopK|Equal|Summary|Print|Assert|Gather")
_SHAPES = ("Shape", "ShapeN", "Rank", "Size")


@attrs.frozen
class Ends:
    """Chosen ends of the network.

    Attributes:
        inputs: Input tensors.
        outputs: Output tensors.
        notes: What was left aside.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()


def choose_ends(
    steps: Steps, inputs: Sequence[str] = (), outputs: Sequence[str] = ()
) -> Ends:
    """Ends of the network: what the user names, else what the graph shows.

    Inputs are what the first weighted layers read after walking back over known ops:
    placeholders, or outputs of ops that are no network layers (queues, audio front ends).
    Outputs are the last tensors computed from them alone.

    Raises:
        ModelError: a given node does not exist, or the graph has no layer.
    """
    finder = _Finder(steps)
    for name in (*inputs, *outputs):
        _exists(steps, name)
    weighted = finder.layers(outputs)
    if not weighted:
        raise ModelError("the graph has no convolution or fully connected layer with weights")
    chosen = tuple(inputs) or finder.entries(weighted)
    if not chosen:
        raise ModelError("no input was found in the graph: give --input_nodes")
    if outputs:
        return Ends(chosen, tuple(outputs))
    found, notes = finder.terminals(chosen, weighted)
    if not found:
        raise ModelError("no output was found in the graph: give --output_nodes")
    return Ends(chosen, found, notes)


def _exists(steps: Steps, name: str) -> None:
    if split(name)[0] not in steps:
        from difflib import get_close_matches

        near = get_close_matches(split(name)[0], steps, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ModelError(f"the graph has no node '{split(name)[0]}'{hint}")


@attrs.frozen(eq=False)
class _Finder:
    steps: Steps

    def layers(self, outputs: Iterable[str]) -> dict[str, str]:
        """Weighted node -> its data input, the gradient part left out."""
        names = needed(self.steps, outputs, ()) if outputs else list(self.steps)
        found = {}
        for name in names:
            step = self.steps[name]
            place = _WEIGHTED.get(step.op)
            if place is None or _GRADIENTS.search(name) or len(step.inputs) <= place:
                continue
            weight = step.inputs[0 if place == 2 and len(step.inputs) < 3 else 1]
            if self._is_static(weight):
                found[name] = step.inputs[place]
        return found

    def _is_static(self, reference: str) -> bool:
        """True if the tensor comes from variables and constants alone."""
        for name in needed(self.steps, [reference], ()):
            step = self.steps[name]
            if step.op in VARIABLES or step.op == "Const":
                continue
            if step.op not in EVALUATORS or not step.inputs:
                return False
        return True

    def _known(self, step: Step) -> bool:
        return step.op in RULES or step.op in EVALUATORS or step.op in _SHAPES

    def entries(self, weighted: Mapping[str, str]) -> tuple[str, ...]:
        """Tensors the first layers read in the end."""
        found: dict[str, None] = {}
        stack, seen = list(weighted.values()), set()
        below: dict[str, bool] = {}
        while stack:
            reference = stack.pop()
            if reference in seen:
                continue
            seen.add(reference)
            step = self.steps[split(reference)[0]]
            if step.op in VARIABLES or step.op == "Const" or step.op.startswith("Random"):
                continue
            if step.op in PLACEHOLDERS and not step.inputs:
                if not _is_setting(step):
                    found[reference] = None
            elif not self._known(step):
                if not self._after_layer(step.name, weighted, below):
                    found[reference] = None
            else:
                stack.extend(one for one in step.inputs if one)
        order = {name: place for place, name in enumerate(self.steps)}
        return tuple(sorted(found, key=lambda name: order[split(name)[0]]))

    def _after_layer(self, name: str, weighted: Mapping[str, str], memo: dict[str, bool]) -> bool:
        """True if a node depends on a weighted layer."""
        if name not in memo:
            memo[name] = any(one in weighted for one in needed(self.steps, [name], ()))
        return memo[name]

    def terminals(
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
            name
            for name in trimmed
            if name in behind or name in weighted or not readers.get(name)
        ]
        outputs, notes = self._without_copies(tuple(kept), readers)
        copies = tuple(
            f"'{name}' is a copy that nothing reads: it is no output; --output_nodes makes it one"
            for name in taps
            if name not in trimmed
        )
        return outputs, (*notes, *copies, *self._behind_outputs(outputs, readers))

    def _is_tap(
        self, name: str, readers: Mapping[str, Sequence[str]], inner: set[str]
    ) -> bool:
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
                plain = self._known(self.steps[name]) or _METRIC.search(op)
                if not plain and not _GRADIENTS.search(name):
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
        """Nodes computed from the inputs alone; unknown ops only in front of further layers."""
        computed = {split(name)[0] for name in inputs}
        static: dict[str, bool] = {}
        for name in needed(self.steps, self.steps, ()):
            step = self.steps[name]
            if name in computed:
                continue
            parts = [split(reference)[0] for reference in step.inputs if reference]
            free = step.op in VARIABLES or step.op == "Const" or step.op.startswith("Random")
            setting = step.op in PLACEHOLDERS and not step.inputs and _is_setting(step)
            known = self._known(step) or step.op == "_Dropout"
            plain = known and bool(parts) and all(static.get(one, False) for one in parts)
            static[name] = free or setting or plain
            opaque = not known and name in ahead and any(one in computed for one in parts)
            if opaque:
                computed.add(name)
                continue
            if static[name] or not known or _GRADIENTS.search(name) or step.op in _SHAPES:
                # What follows from a shape is a number, not a tensor of the network.
                static[name] = static[name] or (step.op in _SHAPES and parts[0] in computed)
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
        training = any(_GRADIENTS.search(name) for name in self.steps)
        read = [name for name in ends if readers.get(name)]
        if not training or not read or len(read) == len(ends):
            return ends, ()
        used = self._variables(read)
        kept = tuple(
            name for name in ends if name in read or used & self._variables([name])
        )
        return kept, tuple(
            f"'{name}' and what leads to it is left untouched: the training does not use it"
            for name in ends
            if name not in kept
        )

    def _variables(self, names: Sequence[str]) -> set[str]:
        return {
            name for name in needed(self.steps, names, ()) if self.steps[name].op in VARIABLES
        }


def _is_setting(step: Step) -> bool:
    """True for a placeholder that is a number (keep_prob) or a switch, not a tensor."""
    if attr(step.node, "dtype").type == 10:  # DT_BOOL
        return True
    shape = attr(step.node, "shape").shape
    # Old exporters write `shape { }` for an unknown shape: a number is told by its readers then.
    scalar = "shape" in step.node.attr and not shape.dim and not shape.unknown_rank
    return scalar and _named_number(step.name)


def _named_number(name: str) -> bool:
    return bool(re.search(r"(keep|drop|prob|rate|phase|train|lr)", name.rpartition("/")[2], re.I))
