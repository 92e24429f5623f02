"""Conformance of formats."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs
import numpy as np

from prunus.compaction.compact import identity
from prunus.descriptors import Format
from prunus.evaluation.random_inputs import random_inputs
from prunus.evaluation.session import Session
from prunus.graph.digest import structure_digest
from prunus.host import Host
from prunus.network import Source
from prunus.proof import TOLERANCE, compare, relative_error
from prunus.testing.check import Check, ExpectedFailures, named_checks
from prunus.testing.checks_data import check_data, check_data_of_others, check_metrics_measure
from prunus.testing.checks_fields import (
    check_code_names,
    check_files,
    check_metric_names,
    check_metrics,
    check_options,
    check_round_prefix,
    check_settings,
    check_settings_of_others,
)
from prunus.testing.checks_memory import Live, check_model, check_other_objects, check_rebuilt
from prunus.testing.checks_network import check_facts, same_weights, stored_numbers
from prunus.testing.checks_plugin import plugin_checks
from prunus.testing.checks_refusal import (
    Unknown,
    check_damage,
    check_missing,
    check_not_finite,
    check_unknown,
)
from prunus.testing.checks_text import check_text
from prunus.testing.examples import NONE, Examples
from prunus.testing.strangers import write_strangers
from prunus.testing.subject import Subject, pruned

RATIOS = (0.3, 0.5, 0.7)

Bodies = list[tuple[str, Callable[[], None]]]


def format_checks(
    name: str,
    samples: Sequence[Source],
    unknown: Unknown | None = None,
    host: Host | None = None,
    expected_failures: ExpectedFailures | None = None,
    examples: Examples = NONE,
) -> list[Check]:
    """Everything a format promises (`prunus_load`, `prunus_compact`, the fields of `Format`).

    Args:
        name: Name of the format.
        samples: Small models of it with weights.
        unknown: A model with layers it does not know, if that can be.
        host: Where to look it up; the host of everything installed without it.
        expected_failures: Short name of a check -> its `ExpectedFailure`.
        examples: Configurations, data, live models and options that run code, where the format has
            such things; without them its answers to files of others are checked alone.
    """
    subject = Subject(name, host)
    bodies: Bodies = plugin_checks(Format, name, ("prunus_load", "prunus_compact"), host)
    bodies += [(short, partial(body, subject)) for short, body in FORMAT_CHECKS]
    bodies.append(("says-what-runs-code", lambda: check_code_names(subject, examples.code)))
    for source in samples:
        bodies += [
            (f"{short}[{source.model.name}]", _bound(body, subject, source))
            for short, body in SAMPLE_CHECKS
        ]
    if unknown is not None:
        bodies.append(("names-unknown-layers", lambda: check_unknown(subject, unknown)))
    bodies += [
        (f"reads-settings[{path.name}]", partial(check_settings, subject, path))
        for path in examples.settings
    ]
    for source, spec in examples.data:
        said = f"[{Path(spec).name}]"
        bodies.append((f"opens-its-data{said}", partial(check_data, subject, source, spec)))
        bodies.append(
            (f"measures-its-data{said}", partial(check_metrics_measure, subject, source, spec))
        )
    called = dict(enumerate(examples.example_inputs))
    for number, make in enumerate(examples.models):
        live = Live(make, called.get(number))
        bodies.append((f"lowers-a-model[{number}]", partial(check_model, subject, live)))
        bodies.append((f"rebuilds-a-model[{number}]", partial(check_rebuilt, subject, live)))
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
        for path in (directory / "missing", *write_strangers(directory)):
            assert detect(path) is False, f"{subject.name} takes {path.name} for its own"
        assert detect(directory) is False, f"{subject.name} takes a folder of notes for its own"


def check_detects(subject: Subject, source: Source) -> None:
    """Its sample is its own and no other format's."""
    assert subject.descriptor().detect(source.model) is True, f"{source.model} is not detected"
    for other in subject.others():
        assert not other.detect(source.model), f"{other.name} takes {source.model.name} too"


def check_network(subject: Subject, source: Source) -> None:
    """Names fit together, the batch is free, every node belongs to a layer, shapes are true."""
    check_facts(subject.name, subject.load(source))


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
    same_weights(first, second)
    assert _content(source) == before, "loading changed the files"


def check_identity(subject: Subject, source: Source) -> None:
    """Writing what was read, in both stages, loads as the same network."""
    before = _content(source)
    network = subject.load(source)
    for stage in ("masked", "compact"):
        again = subject.rewritten(source, network, identity(network), stage)
        assert structure_digest(again) == structure_digest(network), f"{stage}: other structure"
        same_weights(network, again)
    assert _content(source) == before, "writing changed the files that were read"


def check_masked(subject: Subject, source: Source) -> None:
    """Masked weights are written and read back bit by bit, in the original structure."""
    cut = pruned(subject.load(source), source.model.name, 0.5, 0)
    again = subject.rewritten(source, cut.masked, cut.compact, "masked")
    assert structure_digest(again) == structure_digest(cut.network)
    same_weights(cut.masked, again)


def check_new_weights(subject: Subject, source: Source) -> None:
    """Weights as compensation and training make them are written, and read back the same.

    A file of a narrower type than the graph's rounds them: the network says so
    (``Network.stored``), and they are rounded before anything is proven.
    """
    network = subject.load(source)
    draw = np.random.default_rng(0)
    changed = network.with_weights(
        {
            name: (array.astype(np.float32) * draw.uniform(0.99, 1.01, array.shape)).astype(
                array.dtype
            )
            for name, array in network.weights().items()
            if name in network.bindings and array.dtype.kind == "f"
        }
    )
    again = subject.rewritten(source, changed, identity(changed), "masked").weights()
    for name, array in changed.weights().items():
        error = relative_error(again[name].astype(np.float32), array.astype(np.float32))
        assert error <= 1e-6, (
            f"'{name}' is read back with a relative error of {error:.1e}; say in which type "
            "the file holds it (GraphBuilder.weight, stored)"
        )


def check_compact(subject: Subject, source: Source) -> None:
    """Random legal plans: the written smaller model equals the masked one, and is smaller."""
    for seed, ratio in enumerate(RATIOS):
        cut = pruned(subject.load(source), source.model.name, ratio, seed)
        again = subject.rewritten(source, cut.masked, cut.compact, "compact")
        proof = compare(cut.masked.model, again.model)
        assert proof.error <= TOLERANCE, f"at ratio {ratio}: {proof}"
        less = stored_numbers(again) < stored_numbers(cut.network)
        assert less, f"at ratio {ratio} nothing became smaller"


FORMAT_CHECKS: tuple[tuple[str, Callable[[Subject], None]], ...] = (
    ("detects-nothing-else", check_detects_nothing_else),
    ("describes-its-options", check_options),
    ("prefixes-rounds-with-a-name", check_round_prefix),
    ("names-its-metrics", check_metric_names),
    ("settings-leave-others-alone", check_settings_of_others),
    ("in-memory-leaves-others-alone", check_other_objects),
)

SAMPLE_CHECKS: tuple[tuple[str, Callable[[Subject, Source], None]], ...] = (
    ("detects-its-own", check_detects),
    ("names-fit-together", check_network),
    ("batch-is-free", check_batch),
    ("loads-the-same-twice", check_repeated_load),
    ("identity-survives", check_identity),
    ("masked-survives", check_masked),
    ("new-weights-survive", check_new_weights),
    ("compact-equals-masked", check_compact),
    ("keeps-what-it-does-not-know", check_text),
    ("names-missing-files", check_missing),
    ("refuses-damage-in-one-line", check_damage),
    ("refuses-weights-that-are-not-finite", check_not_finite),
    ("files-are-all-of-it", check_files),
    ("data-leaves-others-alone", check_data_of_others),
    ("makes-its-metrics", check_metrics),
)


def _content(source: Source) -> dict[str, str]:
    """File -> digest, of the model and the weights; weights may be the prefix of several files."""
    digests = {}
    for given in (source.model, source.weights):
        for path in () if given is None else given.parent.glob(f"{given.name}*"):
            for file in path.rglob("*") if path.is_dir() else (path,):
                if file.is_file():
                    digests[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return digests
