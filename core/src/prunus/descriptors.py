"""Descriptors: names that a plugin declares as its own. Hooks do the work for a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from prunus.granularity import CHANNEL, WEIGHT
from prunus.network import Network, Source
from prunus.settings import Settings
from prunus.task import Dataset, Metric

POLICIES = {"analyze": "analysis", "mask": "allocation"}
"""Verb of a `Policy` -> the word of users for it."""


def _lower_case(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if value != value.strip().lower() or not value:
        raise ValueError(f"{type(instance).__name__} name {value!r} is not lower case")


def _one_of(*words: str) -> Callable[[object, attrs.Attribute[str], str], None]:
    """Refuse any other word in a line that users can read in ``prunus plugins``."""

    def check(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
        if value not in words:
            kind, name = type(instance).__name__, getattr(instance, "name", None)
            raise ValueError(f"{kind} {name!r}: {attribute.name} {value!r}: {' or '.join(words)}")

    return check


@attrs.frozen(eq=False)
class Format:
    """One native model format.

    Attributes:
        name: As shown to users and given to the hooks, in lower case: ``onnx``.
        summary: One line for ``prunus plugins``.
        detect: True for a model path of this format; looks at the name and the
            first bytes only, imports nothing heavy, never raises.
        settings: Reads a configuration file of the framework's own pruning tools, where there
            are any, and gives ``None`` for any other file.
        data: Opens a data specification in the format's own terms (a
            database of its framework) for a network, ``None`` if it is not one.
            Arguments: specification, network, training.
        metrics: Metric name -> maker, for metrics only this format has (``map``); a metric for all
            formats is a `NamedMetric`.
        round_prefix: Put before ``rate_<r>`` in the name of a round's directory, where
            the format's users expect one.
        in_memory: True for a live model object of this framework, which ``prunus_lower`` reads
            and ``prunus_rebuild`` gives back; imports nothing heavy, never raises.
        takes_inputs: Whether ``prunus_lower`` has to call a live model, and so needs what the user
            calls it with; without, such inputs are refused.
        options: Name of a format option (``--option name=value``) -> its help; others are
            refused. ``None`` takes any.
        names_code: Whether an option, or ``data``, makes this format run Python, by its name and
            value. Where a file says it, the user's word is asked for.
        files: All files of a network, where there are more than the two that are named: weights
            in several parts, or weights outside of the structure file. Their sizes are counted.
    """

    name: str = attrs.field(validator=_lower_case)
    summary: str
    detect: Callable[[Path], bool]
    settings: Callable[[Path], Settings | None] | None = None
    data: Callable[[str, Network, bool], Dataset | None] | None = None
    metrics: Mapping[str, Callable[[Network], Metric]] = attrs.field(factory=dict)
    round_prefix: str = ""
    in_memory: Callable[[object], bool] | None = None
    takes_inputs: bool = attrs.field(default=False, kw_only=True)
    options: Mapping[str, str] | None = None
    names_code: Callable[[str, str], bool] = lambda name, value: False
    files: Callable[[Source], tuple[Path, ...]] = lambda source: ()


@attrs.frozen
class Criterion:
    """One way to score channels or single weights; higher scores are kept.

    Attributes:
        name: As given to ``--criterion``.
        summary: One line for ``prunus methods``.
        needs_samples: True if ``prunus_rank`` or ``prunus_rank_all`` must be given inputs of the
            network; without any the user is asked for ``--data``.
        unit: ``channel`` or ``weight``: the units it scores.
        comparable: Scores of all groups are in one unit, so that allocation ``global`` compares
            them as they are.
        together: Whether all groups are scored in one call, of ``prunus_rank_all``: cheaper where
            each of them asks for the same pass over the samples.
        needs_gradients: True if ``prunus_rank`` must be given derivatives of the loss, which a
            trainer computes (``Trainer.differentiates``).
    """

    name: str = attrs.field(validator=_lower_case)
    summary: str
    needs_samples: bool = False
    unit: str = attrs.field(default=CHANNEL, validator=_one_of(CHANNEL, WEIGHT))
    comparable: bool = False
    together: bool = False
    needs_gradients: bool = False


def _no_other_metric(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if ":" in value:
        raise ValueError(f"metric name {value!r} has a colon, which marks a user's module:function")
    if value.startswith("top-") and value[4:].isdigit():
        raise ValueError(f"metric name {value!r} means accuracy among the best {value[4:]} classes")


@attrs.frozen(eq=False)
class NamedMetric:
    """One number to measure networks with, for every format.

    Attributes:
        name: As given to ``--metric``; without a colon, and not ``top-`` and a number.
        summary: One line for ``prunus methods``.
        make: Makes the metric for a network; called once a measurement, before any sample is read.
    """

    name: str = attrs.field(validator=[_lower_case, _no_other_metric])
    summary: str
    make: Callable[[Network], Metric]


@attrs.frozen
class Policy:
    """One way to analyse or to allocate.

    Attributes:
        name: As given to ``--allocation`` (``mask``) or ``--analysis`` (``analyze``).
        summary: One line for ``prunus methods``.
        verb: ``analyze`` or ``mask``: the hook it answers.
    """

    name: str = attrs.field(validator=_lower_case)
    summary: str
    verb: str = attrs.field(validator=_one_of(*POLICIES))


@attrs.frozen
class Sharing:
    """One way to choose the few values that the weights of a layer share.

    Attributes:
        name: As given to ``--sharing``.
        summary: One line for ``prunus methods``.
    """

    name: str = attrs.field(validator=_lower_case)
    summary: str


@attrs.frozen
class Trainer:
    """One way to train: by a library of its own, or by a framework itself.

    Attributes:
        name: As given to ``--trainer``.
        summary: One line for ``prunus methods``.
        formats: Formats it can train; empty for all.
        options: Option name -> its help. ``prunus finetune`` and ``run`` take each as
            ``--<name>``; ``TrainingJob.options`` holds the given ones as strings.
        holds_weights: Keeps masked single weights at zero (``TrainingJob.masks``); a trainer that
            does not is refused for them.
        regrows_weights: Lets masked weights come back where they grew large
            (``TrainingJob.splicing``).
        shares_weights: Keeps weights that share a value equal (``TrainingJob.shared``); a trainer
            that does not is refused for them.
        differentiates: Answers ``prunus_differentiate``, for criteria that need derivatives.
        assists: Whether this process only helps another one that trains the same job, as a
            launcher of the trainer's library starts it: ``prunus finetune`` then trains, and writes
            and prints nothing. It is asked without an argument and imports nothing heavy.
    """

    name: str = attrs.field(validator=_lower_case)
    summary: str
    formats: tuple[str, ...] = ()
    options: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    holds_weights: bool = False
    regrows_weights: bool = False
    shares_weights: bool = False
    differentiates: bool = False
    assists: Callable[[], bool] = attrs.field(default=lambda: False, eq=False)


@attrs.frozen
class Engine:
    """One program that runs networks, to measure them in and to hand them to.

    Attributes:
        name: As given to ``--engine``, ``--measure`` and ``export --to``.
        summary: One line for ``prunus methods``.
        version: Version of the engine on this machine. Where it is missing, raises
            ``importlib.metadata.PackageNotFoundError`` for a distribution of pip's, or a
            `UsageError` that says how to get it. Imports nothing heavy.
        formats: Formats whose files it reads or converts, the one it reads best first; ``onnx`` is
            any network, as an ONNX file of one sample.
        quantizes: Answers ``prunus_quantize``.
    """

    name: str = attrs.field(validator=_lower_case)
    summary: str
    version: Callable[[], str] = attrs.field(eq=False)
    formats: tuple[str, ...] = ("onnx",)
    quantizes: bool = False


Descriptor = Format | Criterion | NamedMetric | Policy | Sharing | Trainer | Engine
"""Everything that ``prunus_register`` may declare."""


def kind_of(descriptor: Descriptor) -> str:
    """The word of users for a descriptor: ``allocation``, ``metric``."""
    if isinstance(descriptor, Policy):
        return POLICIES[descriptor.verb]
    return "metric" if isinstance(descriptor, NamedMetric) else type(descriptor).__name__.lower()
