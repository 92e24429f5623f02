"""``prunus explain``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import click

from prunus.cli.options import network_options, settings_from
from prunus.cli.terminal import say
from prunus.counted import counted
from prunus.host import start

if TYPE_CHECKING:
    from prunus.grouping.explain import Explanation

_MANY = 8
"""Chains that are printed; JSON has all of them."""


@click.command()
@click.argument("layer")
@network_options
def command(layer: str, as_json: bool, verbose: bool, **given: Any) -> None:
    """Say why a layer is protected or tied, through which layers, and what would free it.

    LAYER is a name that 'prunus stat' lists. Without --model the network is the one that the
    workspace started from.
    """
    from prunus.grouping.explain import explain
    from prunus.steps.continued import unpruned
    from prunus.steps.loaded import load

    host = start()
    found = explain(load(host, unpruned(settings_from(host, **given))), layer)
    if as_json:
        click.echo(json.dumps([attrs.asdict(one) for one in found], indent=1))
        return
    for one in found:
        for line in lines(one):
            say(line)


def lines(one: Explanation) -> list[str]:
    """An explanation for people."""
    head = f"{one.layer}: {counted(one.channels, 'channel')}"
    if one.state == "free":
        return [f"{head} can go one by one, tied to no other layer"]
    shown = [f"- {chain}" for chain in one.chains[:_MANY]]
    if len(one.chains) > _MANY:
        shown.append(f"- and {counted(len(one.chains) - _MANY, 'more layer')}")
    if one.state == "tied":
        others = counted(len(one.chains), "other layer")
        head = f"{head} can go, each together with those of {others}:"
    else:
        head = f"{head} stay: {one.reason}"
    return [head, *shown, *([f"to free them: {one.mend}"] if one.mend else [])]
