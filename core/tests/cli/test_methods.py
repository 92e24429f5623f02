from __future__ import annotations

import json

import pytest

from prunus import cli
from prunus.cli import methods, plugin_commands, plugins
from prunus.descriptors import Criterion, Format
from prunus.hookspecs import hookimpl
from prunus.host import Broken, Host


class Offers:
    """A format with an option, and a criterion."""

    @hookimpl
    def prunus_register(self):
        return (
            Format(
                "clay",
                "baked",
                lambda path: False,
                metrics={"colour": lambda network: None},
                options={"heat": "degrees [900]"},
            ),
            Criterion("weight", "[bold] heavy ones stay"),
        )


@pytest.fixture(autouse=True)
def host(monkeypatch):
    found = Host([(Offers(), "kiln 1.0")], (Broken("pot", "kiln 2.0", "ImportError: [x]"),))
    for module in (methods, plugins):
        monkeypatch.setattr(module, "start", lambda: found)
    monkeypatch.setattr(plugin_commands, "entry_points", lambda group: [])


def test_methods_and_options(capsys):
    """Square brackets are text, not markup."""
    assert cli.run(["methods"]) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        "criterion summary",
        "weight [bold] heavy ones stay [kiln]",
        "format summary",
        "clay baked [kiln]",
        "metric summary",
        "colour of clay networks only [kiln]",
        "option summary",
        "clay: heat degrees [900] [kiln]",
    ]
    assert cli.run(["methods", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1] == {
        "kind": "option", "name": "clay: heat", "summary": "degrees [900]", "from": "kiln 1.0"
    }  # fmt: skip


def test_plugins(capsys):
    assert cli.run(["plugins"]) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        "distribution offers",
        "kiln 1.0 format clay, criterion weight",
        "kiln 2.0 'pot' failed to load: ImportError: [x]",
    ]
    assert cli.run(["plugins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "plugins": {"kiln 1.0": ["format clay", "criterion weight"]},
        "broken": [{"name": "pot", "distribution": "kiln 2.0", "error": "ImportError: [x]"}],
    }
