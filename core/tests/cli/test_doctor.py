from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError

import pytest

from prunus import cli
from prunus.cli import doctor
from prunus.cli.doctor import Finding, examine, lacks
from prunus.host import Broken, Host


class Dist:
    name = "prunus-acme"


class Point:
    dist = Dist()


@pytest.fixture
def acme(monkeypatch):
    """One plugin is installed, of ours none."""

    def version(name):
        if name == "absent":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(doctor, "installed", lambda: [Point(), Point()])
    monkeypatch.setattr(doctor, "start", lambda: Host([]))
    monkeypatch.setattr(doctor, "required_by", lambda name: [])
    return monkeypatch


def test_distributions_that_are_not_installed(acme):
    assert lacks(["attrs", "absent", "numpy"]) == ["absent"]


def test_what_works_and_what_would_be_added(acme):
    own, plugin, *missing = examine()
    assert (own, plugin) == (
        Finding("prunus", "works", "1.0"),
        Finding("prunus-acme", "works", "1.0"),
    )
    assert missing == [
        Finding(name, "missing", "", f"adds {adds}", f"pip install {name}")
        for name, adds in doctor.offered().items()
    ]
    assert "finetuning for every format" in missing[-1].remark


def test_parts_that_are_missing_or_broken(acme):
    acme.setattr(doctor, "required_by", lambda name: ["absent"] if name == "prunus-acme" else [])
    assert list(examine())[1] == Finding(
        "prunus-acme", "incomplete", "1.0", "needs absent", "pip install absent"
    )
    broken = (Broken("acme", "prunus-acme 1.0", "ImportError: no module"),)
    acme.setattr(doctor, "start", lambda: Host([], broken))
    assert list(examine())[1] == Finding(
        "prunus-acme",
        "broken",
        "1.0",
        "ImportError: no module",
        "pip install --upgrade prunus-acme",
    )


def test_the_command(capsys):
    assert cli.run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("prunus ")
    assert lines[1].split() == ["distribution", "state", "version", "remark"]
    assert cli.run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["distribution"] == "prunus"
