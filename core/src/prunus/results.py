"""Networks that a plan was carried out on: masked, and compact."""

from __future__ import annotations

from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import attrs

from prunus.counted import counted
from prunus.descriptors import Format
from prunus.errors import PluginError
from prunus.granularity import granularity_of
from prunus.graph.parameters import parameters
from prunus.host import Host, start
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.planning.choose import Keep
from prunus.plans import Plan
from prunus.proof import Proof, prove_live
from prunus.proof.batches import Inputs
from prunus.proof.plan import prove_plan
from prunus.prunable import Prunable, prunable
from prunus.storage.files import make_directory, moved
from prunus.storage.native import write_into
from prunus.storage.staging import staged


@cache
def host() -> Host:
    """The plugins of this process."""
    return start()


def format_named(name: str) -> Format:
    """The descriptor of a network's format."""
    descriptor = host().find(Format, name).descriptor
    assert isinstance(descriptor, Format)
    return descriptor


@attrs.frozen(eq=False, repr=False)
class MaskedNetwork:
    """A network of full structure in which removed channels contribute nothing.

    Attributes:
        network: The masked network.
        original: The network it was pruned from.
        plan: The channels or weights that stay.
        proof: How well its compact form agrees with it.
    """

    network: Network
    original: Network
    plan: Plan
    proof: Proof

    def __repr__(self) -> str:
        share, proven = _share(self.plan), _proven(self.proof)
        return f"MaskedNetwork({self.network.format}, {share} masked, {proven})"

    @property
    def subject(self) -> Prunable:
        """The masked network with its groups."""
        granularity = granularity_of(self.plan.granularity)
        return prunable(self.network, self.plan.exclude, granularity)

    @property
    def native(self) -> Any:
        """A live model of full structure with the masked weights, as `CompactNetwork.native`."""
        return _native(self.network, Compact(self.network.model, {}))

    def save(self, directory: str | PathLike[str]) -> Written:
        """Write native files of full structure; all or none."""
        compact = Compact(self.network.model, {})
        folder = Path(directory)
        make_directory(folder)
        with staged(folder) as stage:
            destination = Destination(stage, "masked", options=self.network.options)
            written = write_into(host(), self.network, compact, destination)
        return moved(written, stage, folder)


@attrs.frozen(eq=False, repr=False)
class CompactNetwork:
    """A network without the removed channels, proven equal to the masked one.

    Attributes:
        masked: The masked network it was made from.
        compact: Its graph, and the original position of everything kept.
        proof: How well it agrees with the masked network.
    """

    masked: MaskedNetwork
    compact: Compact
    proof: Proof

    def __repr__(self) -> str:
        masked = self.masked
        before = parameters(masked.original, masked.original.model)
        after = parameters(masked.network, self.compact.model)
        return (
            f"CompactNetwork({masked.network.format}, {_share(masked.plan)} removed, params "
            f"{before:,} → {after:,}, {_proven(self.proof)})"
        )

    @property
    def network(self) -> Network:
        """The compact graph as a network, to evaluate or to export."""
        return attrs.evolve(self.masked.network, model=self.compact.model)

    @property
    def native(self) -> Any:
        """A live model of the network's framework, where it was loaded from one.

        It is proven equal to the compact graph where its format can run it.

        Raises:
            PluginError: the network's format has no models in memory.
            ProofError: the framework's own run of the model gives other numbers.
        """
        return _native(self.masked.network, self.compact)

    def save(self, directory: str | PathLike[str]) -> Written:
        """Write native files, load them back and prove them equal; all or none.

        Raises:
            ModelError: the format cannot express the compact network.
            ProofError: the files do not give the same numbers.
        """
        folder = Path(directory)
        make_directory(folder)
        with staged(folder) as stage:
            network = self.masked.network
            destination = Destination(stage, "compact", options=network.options)
            written = write_into(host(), network, self.compact, destination)
            source = Source(written.model, written.weights, network.options)
            again = host().call(Format, network.format, "prunus_load", source=source)
            subject = self.masked.subject
            keep: Keep = self.masked.plan.keep(subject)
            prove_plan(subject, keep, network, self.compact, None, again=again)
        return moved(written, stage, folder)


def _native(network: Network, compact: Compact) -> Any:
    """A live model, proven in its framework where its format can run it."""
    name = network.format
    if format_named(name).in_memory is None:
        raise PluginError(f"format {name} has no models in memory; save the network instead")
    model = host().call(Format, name, "prunus_rebuild", network=network, compact=compact)
    if host().implements(Format, name, "prunus_infer"):

        def run(inputs: Inputs) -> Inputs:
            found: Inputs = host().call(
                Format, name, "prunus_infer", network=network, model=model, inputs=inputs
            )
            return found

        prove_live(compact.model, run, f"the rebuilt {type(model).__name__}")
    return model


def _share(plan: Plan) -> str:
    return f"{plan.rate:.2%} of the {granularity_of(plan.granularity).counted}"


def _proven(proof: Proof) -> str:
    return f"proof: error {proof.error:.1e} on {counted(proof.samples, 'input')}"
