"""A format under test: loaded and written through the hooks, as the core does it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs

from prunus.compaction import compact
from prunus.descriptors import Format
from prunus.fields import own_descriptor
from prunus.grouping import find_groups
from prunus.host import Host, start
from prunus.masking import mask
from prunus.network import Compact, Destination, Network, Source, Written
from prunus.proof.batches import Inputs
from prunus.testing.cut import Cut, random_plan


@attrs.frozen
class Subject:
    """The format under test.

    Attributes:
        name: Its name.
        host: Where to look it up; the host of everything installed without it.
        directory: Where to write.
    """

    name: str
    host: Host | None
    directory: Path = Path()

    def descriptor(self) -> Format:
        """Its descriptor, as the plugin declares it."""
        found = (self.host or start()).find(Format, self.name).descriptor
        assert isinstance(found, Format)
        return own_descriptor(found)

    def others(self) -> list[Format]:
        """All other formats."""
        return [one for one in (self.host or start()).all(Format) if one.name != self.name]

    def implements(self, hook: str) -> bool:
        """Whether its plugin has a hook."""
        return hasattr((self.host or start()).find(Format, self.name).plugin, hook)

    def lower(self, model: object, example_inputs: object = None) -> Network:
        """``prunus_lower``."""
        host = self.host or start()
        network: Network = host.call(
            Format,
            self.name,
            "prunus_lower",
            model=model,
            options={},
            example_inputs=example_inputs,
        )
        return network

    def rebuild(self, network: Network, smaller: Compact) -> object:
        """``prunus_rebuild``."""
        host = self.host or start()
        model: object = host.call(
            Format, self.name, "prunus_rebuild", network=network, compact=smaller
        )
        return model

    def infer(self, network: Network, model: object, inputs: Inputs) -> Inputs:
        """``prunus_infer``."""
        host = self.host or start()
        found: Inputs = host.call(
            Format, self.name, "prunus_infer", network=network, model=model, inputs=inputs
        )
        return found

    def load(self, source: Source) -> Network:
        """``prunus_load``."""
        host = self.host or start()
        network: Network = host.call(Format, self.name, "prunus_load", source=source)
        return network

    def write(self, network: Network, smaller: Compact, stage: str, directory: Path) -> Written:
        """``prunus_compact``; every file it names must be there."""
        destination = Destination(directory, stage)
        written: Written = (self.host or start()).call(
            Format,
            self.name,
            "prunus_compact",
            network=network,
            compact=smaller,
            destination=destination,
        )
        for path in (written.model, written.weights, *written.others):
            if path is not None:
                # weights may be named by what their files begin with
                found = path.exists() or list(path.parent.glob(f"{path.name}*"))
                assert found, f"{self.name} says it wrote {path.name}, which is not there"
        return written

    def rewritten(self, source: Source, network: Network, smaller: Compact, stage: str) -> Network:
        """Write into a fresh directory and load what came out.

        A masked network has the structure of the original: its files may be the new weights beside
        the structure file that was read.
        """
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        written = self.write(network, smaller, stage, directory)
        for path in (written.model, written.weights, *written.others):
            read = stage == "masked" and path == source.model
            inside = path is None or path.resolve().is_relative_to(directory.resolve())
            assert inside or read, f"{self.name} wrote {path}, outside of the destination"
        return self.load(attrs.evolve(source, model=written.model, weights=written.weights))


def pruned(network: Network, said: str, ratio: float, seed: int) -> Cut:
    """A random ``ratio`` of every group removed, of groups whose removal is exact."""
    grouping = find_groups(network)
    keep = random_plan((group for group in grouping.groups if group.exact), ratio, seed)
    assert keep, f"{said} has no group to prune; give another sample"
    masked = mask(network, grouping, keep)
    return Cut(network, masked, compact(masked, grouping, keep), grouping)
