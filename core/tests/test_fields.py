from __future__ import annotations

import types
from pathlib import Path

import attrs
import pytest

from prunus.api.load import load
from prunus.cli.options import read_config
from prunus.descriptors import Format
from prunus.errors import ModelError, PluginError
from prunus.evaluation.choice import open_samples
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.registered import registered_metrics
from prunus.fields import own_descriptor
from prunus.hookspecs import hookimpl
from prunus.host import OWN, Host
from prunus.loading import format_of, read_as
from prunus.network import Source, Written
from prunus.samples import dataset_of
from prunus.settings import Settings
from prunus.storage.native import native_files
from prunus.task import Task
from prunus.trust import check_code


def clay(network=None, distribution="acme 1.0", **fields):
    """A host with one format of a third party."""
    made = Format(**{"name": "clay", "summary": "baked", "detect": lambda path: True, **fields})
    plugin = types.ModuleType("clay")
    plugin.prunus_register = hookimpl(lambda: (made,))
    plugin.prunus_load = hookimpl(lambda source: network)
    return Host([(plugin, distribution)])


def descriptor_of(host):
    return host.find(Format, "clay").descriptor


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.clay"
    path.write_text("clay")
    return path


def detect(host, file, network, monkeypatch):
    format_of(host, file)


def in_memory(host, file, network, monkeypatch):
    monkeypatch.setattr("prunus.api.load.host", lambda: host)
    load(object())


def names_code(host, file, network, monkeypatch):
    check_code(Settings(data="samples", options={}), descriptor_of(host))


def settings(host, file, network, monkeypatch):
    read_config(host, file)


def data(host, file, network, monkeypatch):
    open_samples(descriptor_of(host), network, "samples", training=False)


def files(host, file, network, monkeypatch):
    native_files(Written(file, None), descriptor_of(host))


USES = {use.__name__: use for use in (detect, in_memory, names_code, settings, data, files)}
EVER_ASKED = ("detect", "in_memory", "names_code")
EXPECTED = {
    "detect": "True or False",
    "in_memory": "True or False",
    "names_code": "True or False",
    "settings": "Settings or None",
    "data": "a Dataset, which has __len__, read and digest, or None",
    "files": "a tuple of Paths",
}


def raising(error):
    def function(*arguments):
        raise error

    return function


@pytest.mark.parametrize("field", USES)
def test_a_defect_in_a_field_of_a_format_names_plugin_and_field(field, file, lenet, monkeypatch):
    error = ZeroDivisionError("division\n by zero")
    with pytest.raises(PluginError) as caught:
        USES[field](clay(**{field: raising(error)}), file, lenet, monkeypatch)
    assert str(caught.value) == (
        f"format 'clay' of acme 1.0 failed in {field}: ZeroDivisionError: division by zero; see "
        "--verbose, and report it to its authors"
    )
    assert caught.value.exit_code == 5
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("field", USES)
@pytest.mark.parametrize("error", [ModelError("on purpose"), MemoryError(), KeyboardInterrupt()])
def test_errors_for_users_pass(field, error, file, lenet, monkeypatch):
    with pytest.raises(type(error)) as caught:
        USES[field](clay(**{field: raising(error)}), file, lenet, monkeypatch)
    assert caught.value is error


@pytest.mark.parametrize("field", USES)
@pytest.mark.parametrize("error", [IsADirectoryError(21, "Is a directory"), EOFError("cut")])
def test_fields_that_read_files_of_the_user_may_meet_damage(field, error, file, lenet, monkeypatch):
    """Those that must bear any file, or any object, may not."""
    with pytest.raises(PluginError if field in EVER_ASKED else type(error)):
        USES[field](clay(**{field: raising(error)}), file, lenet, monkeypatch)


@pytest.mark.parametrize(
    ("field", "answer", "said"),
    [
        ("detect", None, "it returned None"),
        ("detect", "yes", "str 'yes'"),
        ("in_memory", 1, "int 1"),
        ("names_code", None, "it returned None"),
        ("settings", {"rate": 0.5}, "dict {'rate': 0.5}"),
        ("data", [1, 2], "list [1, 2]"),
        ("files", None, "it returned None"),
        ("files", ("a.clay",), "tuple ('a.clay',)"),
    ],
)
def test_an_answer_of_a_field_that_cannot_be_used(field, answer, said, file, lenet, monkeypatch):
    with pytest.raises(PluginError) as caught:
        USES[field](clay(**{field: lambda *_: answer}), file, lenet, monkeypatch)
    assert str(caught.value) == (
        f"format 'clay' of acme 1.0 gave no usable answer to {field}: {said} instead of "
        f"{EXPECTED[field]}"
    )


def test_answers_that_can_be_used_come_unchanged(file, lenet, draw):
    samples = ArrayDataset("data", draw.standard_normal((2, 1, 12, 12)))
    host = clay(
        data=lambda spec, network, training: samples,
        files=lambda source: (Path("more.clay"),),
        settings=lambda path: None,
    )
    found = descriptor_of(host)
    assert found.data("samples", lenet, False) is samples
    assert found.files(Source(file)) == (Path("more.clay"),)
    assert found.settings(file) is None
    assert found.in_memory is None
    assert found.detect(file) is True


def test_the_kit_gets_the_plugin_s_own_callables():
    fields = {field: raising(KeyError(field)) for field in USES}
    found = own_descriptor(descriptor_of(clay(**fields)))
    assert {field: getattr(found, field) for field in USES} == fields


def test_a_field_of_the_core_s_own_format_is_none_of_a_plugin(file):
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError) as caught:
        format_of(clay(distribution=OWN, detect=raising(error)), file)
    assert caught.value is error


def opened(network, field):
    if field == "preprocessing":
        return network.task.preprocessing()
    found = descriptor_of(clay())
    return dataset_of(found, network, None, training=field == "training")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("evaluation", "a Dataset, which has __len__, read and digest"),
        ("training", "a Dataset, which has __len__, read and digest"),
        ("preprocessing", "a Preprocessing"),
    ],
)
def test_openers_of_a_network_s_task(field, expected, file, lenet):
    def loaded(opener):
        host = clay(attrs.evolve(lenet, task=Task(**{field: opener})))
        return read_as(host, descriptor_of(host), Source(file))

    error = KeyError("db")
    with pytest.raises(PluginError) as caught:
        opened(loaded(raising(error)), field)
    assert str(caught.value) == (
        f"format 'clay' of acme 1.0 failed in task.{field}: KeyError: 'db'; see --verbose, and "
        "report it to its authors"
    )
    with pytest.raises(PluginError) as caught:
        opened(loaded(lambda: None), field)
    assert str(caught.value) == (
        f"format 'clay' of acme 1.0 gave no usable answer to task.{field}: it returned None "
        f"instead of {expected}"
    )
    damage = EOFError("cut")
    with pytest.raises(EOFError) as passed:
        opened(loaded(raising(damage)), field)
    assert passed.value is damage


def test_a_task_without_openers_has_none(file, lenet):
    host = clay(lenet)
    network = read_as(host, descriptor_of(host), Source(file))
    assert network.task.evaluation is None
    assert network.task.preprocessing is None


def test_the_maker_of_a_format_s_own_metric(lenet):
    host = clay(metrics={"heat": raising(IndexError("no output"))})
    with pytest.raises(PluginError) as caught:
        registered_metrics(host).make("heat", descriptor_of(host), lenet)
    assert str(caught.value) == (
        "metric 'heat' of acme 1.0 failed in make: IndexError: no output; see --verbose, and report "
        "it to its authors"
    )
