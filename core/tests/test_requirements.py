"""Names in what distributions require."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from prunus import requirements
from prunus.requirements import required_by


def test_names_without_versions_extras_and_markers(monkeypatch):
    stated = ["attrs>=26", "absent[x] >= 2, <3", "absent-too; extra == 'x'", "numpy"]
    monkeypatch.setattr(requirements, "requires", lambda name: stated)
    assert list(required_by("acme")) == ["attrs", "absent", "numpy"]


def test_a_distribution_without_requirements(monkeypatch):
    monkeypatch.setattr(requirements, "requires", lambda name: None)
    assert list(required_by("acme")) == []


def test_a_distribution_that_is_not_installed():
    with pytest.raises(PackageNotFoundError):
        list(required_by("prunus-of-nobody"))
