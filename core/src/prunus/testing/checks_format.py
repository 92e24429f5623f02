"""Conformance of formats."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from prunus.compaction import compact
from prunus.compaction.compact import identity
from prunus.descriptors import Format
from prunus.evaluation.session import Session, random_inputs
from prunus.graph.digest import structure_digest
from prunus.grouping import find_groups
from prunus.host import Host, start
from prunus.masking import mask
from prunus.network import Compact, Network, Source
from prunus.proof import TOLERANCE, compare, relative_error
from prunus.selection import choose_units
from prunus.testing.check import Check, named_checks
from prunus.testing.checks_plugin import plugin_checks
from prunus.testing.checks_refusal import Unknown, check_damage, check_missing, check_unknown
from prunus.testing.subject import Subject

RATIOS = (0.3, 0.5, 0.7)

Bodies = list[tuple[str, Callable[[], None]]]


def format_checks(
    name: str,
    samples: Sequence[Source],
    unknown: Unknown | None = None,
    host: Host | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Everything a format promises (`prunus_load`, `prunus_compact`, `Format.detect`).

    Args:
        name: Name of the format.
        samples: Small models of it with weights.
        unknown: A model with layers it does not know, if that can be.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> why it fails.
    """
    subject = Subject(name, host)
    bodies: Bodies = plugin_checks(Format, name, ("prunus_load", "prunus_compact"), host)
    bodies.append(("detects-nothing-else", lambda: check_detects_nothing_else(subject)))
    for source in samples:
        bodies += [
            (f"{short}[{source.model.name}]", _bound(body, subject, source))
            for short, body in SAMPLE_CHECKS
        ]
    if unknown is not None:
        bodies.append(("names-unknown-layers", lambda: check_unknown(subject, unknown)))
    return named_checks(name, bodies, expected_failures)


def _bound(
    body: Callable[[Subject, Source], None], subject: Subject, source: Source
) -> Callable[[], None]:
    def run() -> None:
        with tempfile.TemporaryDirectory(prefix="prunus-check-") as directory:
            body(attrs.evolve(subject, directory=Path(directory)), source)

    return run


def check_detects_nothing_else(subject: Subject) -> None:
    """Files of no format are refused without an exception."""
    detect = subject.descriptor().detect
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        strangers = {
            "missing": None,
            "empty": b"",
            "noise.bin": np.random.default_rng(0).bytes(512),
            "notes.txt": b"Dear reader,\nthis is not a network.\n",
            "table.csv": b"a,b\n1,2\n",
        }
        for name, content in strangers.items():
            path = directory / name
            if content is not None:
                path.write_bytes(content)
            assert detect(path) is False, f"{subject.name} takes {name} for its own"
        assert detect(directory) is False, f"{subject.name} takes a folder of notes for its own"


def check_detects(subject: Subject, source: Source) -> None:
    """Its sample is its own and no other format's."""
    assert subject.descriptor().detect(source.model) is True, f"{source.model} is not detected"
    for other in (subject.host or start()).all(Format):
        if other.name != subject.name:
            assert not other.detect(source.model), f"{other.name} takes {source.model.name} too"


def check_network(subject: Subject, source: Source) -> None:
    """Names fit together, the batch is free, every node belongs to a layer."""
    network = subject.load(source)
    graph = network.model.graph
    nodes = [node.name for node in graph]
    assert network.format == subject.name
    assert len(set(nodes)) == len(nodes), "node names are not unique"
    assert set(network.bindings) <= set(graph.initializers), "a binding names no initializer"
    listed = [node for layer in network.layers.values() for node in layer]
    assert set(listed) == set(nodes), f"nodes without a layer: {set(nodes) ^ set(listed)}"
    values = {value.name for node in graph for value in node.outputs}
    values |= {value.name for value in graph.inputs}
    assert set(network.frozen) <= values, "frozen names a value that is not in the graph"
    for value in graph.inputs:
        assert value.shape is not None, f"input '{value.name}' has no shape"
        assert not isinstance(value.shape[0], int), f"input '{value.name}' fixes the batch"
        assert all(isinstance(size, int) for size in value.shape[1:]), f"{value.name}: {value}"


def check_batch(subject: Subject, source: Source) -> None:
    """A batch of three gives what three batches of one give."""
    network = subject.load(source)
    session = Session(network.model)
    inputs = random_inputs(network.model, 3, 0)
    whole = session.run(inputs)
    for row in range(3):
        single = session.run({name: array[row : row + 1] for name, array in inputs.items()})
        for name, array in single.items():
            part = whole[name][row : row + 1]
            assert relative_error(array, part) <= 1e-4, f"output '{name}' depends on the batch"


def check_repeated_load(subject: Subject, source: Source) -> None:
    """Loading twice gives the same structure and weights; the files stay as they are."""
    before = _content(source)
    first, second = subject.load(source), subject.load(source)
    assert structure_digest(first) == structure_digest(second)
    _same_weights(first, second)
    assert _content(source) == before, "loading changed the files"


def check_identity(subject: Subject, source: Source) -> None:
    """Writing what was read, in both stages, loads as the same network."""
    before = _content(source)
    network = subject.load(source)
    for stage in ("masked", "compact"):
        again = subject.rewritten(source, network, identity(network), stage)
        assert structure_digest(again) == structure_digest(network), f"{stage}: other structure"
        _same_weights(network, again)
    assert _content(source) == before, "writing changed the files that were read"


def check_masked(subject: Subject, source: Source) -> None:
    """Masked weights are written and read back bit by bit, in the original structure."""
    network, masked, smaller = _pruned(subject, source, 0.5, 0)
    again = subject.rewritten(source, masked, smaller, "masked")
    assert structure_digest(again) == structure_digest(network)
    _same_weights(masked, again)


def check_compact(subject: Subject, source: Source) -> None:
    """Random legal plans: the written smaller model equals the masked one, and is smaller."""
    for seed, ratio in enumerate(RATIOS):
        network, masked, smaller = _pruned(subject, source, ratio, seed)
        again = subject.rewritten(source, masked, smaller, "compact")
        proof = compare(masked.model, again.model)
        assert proof.error <= TOLERANCE, f"at ratio {ratio}: {proof}"
        assert _count(again) < _count(network), f"at ratio {ratio} nothing became smaller"


SAMPLE_CHECKS: tuple[tuple[str, Callable[[Subject, Source], None]], ...] = (
    ("detects-its-own", check_detects),
    ("names-fit-together", check_network),
    ("batch-is-free", check_batch),
    ("loads-the-same-twice", check_repeated_load),
    ("identity-survives", check_identity),
    ("masked-survives", check_masked),
    ("compact-equals-masked", check_compact),
    ("names-missing-files", check_missing),
    ("refuses-damage-in-one-line", check_damage),
)


def _pruned(
    subject: Subject, source: Source, ratio: float, seed: int
) -> tuple[Network, Network, Compact]:
    network = subject.load(source)
    grouping = find_groups(network)
    draw = np.random.default_rng(seed)
    keep = {
        group.name: choose_units(group, draw.random(group.size), round(group.size * (1 - ratio)))
        for group in grouping.groups
        if group.exact
    }
    assert keep, f"{source.model.name} has no group to prune; give another sample"
    masked = mask(network, grouping, keep)
    return network, masked, compact(masked, grouping, keep)


def _same_weights(first: Network, second: Network) -> None:
    one, other = first.weights(), second.weights()
    assert set(one) == set(other), f"other initializers: {set(one) ^ set(other)}"
    for name, array in one.items():
        assert np.array_equal(array, other[name]), f"'{name}' differs after writing and loading"


def _content(source: Source) -> dict[str, str]:
    """File -> digest, of the model and the weights; weights may be the prefix of several files."""
    digests = {}
    for given in (source.model, source.weights):
        for path in () if given is None else given.parent.glob(f"{given.name}*"):
            for file in path.rglob("*") if path.is_dir() else (path,):
                if file.is_file():
                    digests[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return digests


def _count(network: Network) -> int:
    return sum(array.size for name, array in network.weights().items() if name in network.bindings)
