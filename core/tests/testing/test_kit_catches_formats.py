"""The kit fails where a field of a format breaks its contract: one broken format for each check.

The formats are the built-in one for ONNX files under another name, with one field changed.
"""

from __future__ import annotations

import types
import unittest
from pathlib import Path

import attrs
import numpy as np
import onnx
import onnx_ir
import pytest

from prunus.compaction.compact import identity
from prunus.descriptors import Format
from prunus.errors import DataError, ModelError, ProofError, UsageError
from prunus.evaluation.data import ArrayDataset
from prunus.evaluation.metrics import Top
from prunus.evaluation.session import Session
from prunus.formats import onnx_file
from prunus.hookspecs import hookimpl
from prunus.host import Host
from prunus.network import Source, Written
from prunus.settings import Settings
from prunus.task import Measurement
from prunus.testing import Examples, Unknown, format_checks
from prunus.testing.nets import NETS

SPEC = "letters.mine"


def job(path):
    """Settings of ``<rate>`` in a file ``.job``."""
    if path.suffix != ".job":
        return None
    try:
        return Settings(rate=float(path.read_bytes()))
    except ValueError as error:
        raise UsageError(f"{path}: is no number") from error


def letters(spec, network, training):
    """Twenty samples for ``*.mine``."""
    if not spec.endswith(".mine"):
        return None
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(20, 1, 16, 16)).astype(np.float32)
    return ArrayDataset(network.model.graph.inputs[0].name, inputs, draw.integers(0, 10, 20))


@attrs.frozen
class Mine(Top):
    """Accuracy under another name."""

    name: str = "mine"


GOOD = Format(
    "mine",
    "ONNX under another name",
    detect=lambda path: path.suffix == ".mynet" and path.is_file(),
    settings=job,
    data=letters,
    metrics={"mine": lambda network: Mine(1)},
    round_prefix="mine_",
    in_memory=lambda model: isinstance(model, onnx.ModelProto) and model.producer_name == "mine",
    options={"script": "a file of Python"},
    names_code=lambda name, value: name == "script",
    files=lambda source: (),
)


def live():
    """A model in memory."""
    model = onnx_ir.to_proto(NETS["lenet"](0))
    model.producer_name = "mine"
    return model


def host_of(descriptor, without=(), **hooks):
    """A host with the one format; hooks that are not given are those of ONNX files."""

    @hookimpl
    def prunus_register():
        return (descriptor,)

    @hookimpl
    def prunus_load(format, source):
        return attrs.evolve(onnx_file.prunus_load(format, source), format="mine")

    @hookimpl
    def prunus_lower(format, model, options):
        return attrs.evolve(onnx_file.prunus_lower(format, model, options), format="mine")

    @hookimpl
    def prunus_rebuild(format, network, compact):
        model = onnx_file.prunus_rebuild(format, network, compact)
        model.producer_name = "mine"
        return model

    @hookimpl
    def prunus_compact(format, network, compact, destination):
        return onnx_file.prunus_compact(format, network, compact, destination)

    plugin = types.ModuleType("json")  # any module that imports cheaply
    for function in (prunus_register, prunus_load, prunus_lower, prunus_rebuild, prunus_compact):
        if function.__name__ not in without:
            setattr(plugin, function.__name__, hooks.get(function.__name__, function))
    for name in hooks.keys() - vars(plugin).keys():
        setattr(plugin, name, hooks[name])
    return Host([(plugin, "test 1.0")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network in two files: its weights lie outside of it."""
    folder = tmp_path_factory.mktemp("mine")
    onnx_ir.save(NETS["lenet"](0), folder / "net.mynet", external_data="net.data")
    (folder / "half.job").write_text("0.5")
    return folder


def checks_of(folder, host, **examples):
    given = {
        "settings": (folder / "half.job",),
        "data": ((Source(folder / "net.mynet"), SPEC),),
        "models": (live,),
        "code": (("script", "x.py"),),
        **examples,
    }
    found = format_checks(
        "mine", [Source(folder / "net.mynet")], host=host, examples=Examples(**given)
    )
    return {check.name.removeprefix("mine-"): check for check in found}


def beside(source):
    """The weights beside a model, which are not there when all is in one file."""
    path = source.model.with_name("net.data")
    return (path,) if path.exists() else ()


WHOLE = attrs.evolve(GOOD, files=beside)


def test_a_good_one_passes(folder):
    skipped = []
    for name, check in checks_of(folder, host_of(WHOLE)).items():
        try:
            check()
        except unittest.SkipTest as reason:
            skipped.append((name, str(reason)))
    assert skipped == [("keeps-what-it-does-not-know[net.mynet]", "net.mynet is no text file")]


def raising(*_):
    raise KeyError("bug")


def silent(count):
    """A data set that keeps its promises, but for one."""

    def opened(spec, network, training):
        found = letters(spec, network, training)
        return found and count(found)

    return opened


class Jumpy:
    """A data set of ``whole`` with other samples at each reading."""

    def __init__(self, whole):
        self.whole = whole
        self.draw = np.random.default_rng(0)

    def __len__(self):
        return len(self.whole)

    def read(self, positions, rng):
        batch = self.whole.read(positions, rng)
        return attrs.evolve(
            batch, inputs={n: a + np.float32(self.draw.random()) for n, a in batch.inputs.items()}
        )

    def digest(self):
        return "1"


class Double(Jumpy):
    """Samples in double precision."""

    def read(self, positions, rng):
        batch = self.whole.read(positions, rng)
        return attrs.evolve(
            batch, inputs={name: a.astype(float) for name, a in batch.inputs.items()}
        )


class Positional(Jumpy):
    """The first sample read is always changed."""

    def read(self, positions, rng):
        batch = self.whole.read(positions, rng)
        inputs = {name: a.copy() for name, a in batch.inputs.items()}
        for array in inputs.values():
            array[0] += 1
        return attrs.evolve(batch, inputs=inputs)


class Restless(Jumpy):
    """Its digest is another one each time."""

    def read(self, positions, rng):
        return self.whole.read(positions, rng)

    def digest(self):
        return str(id(self)) + str(self.draw.random())


class Endless:
    """A metric that is not finite."""

    name = "mine"
    higher_is_better = True
    needs_labels = False

    def observe(self, outputs, reference, labels):
        return 0.0

    def result(self, observations):
        return Measurement(float("nan"), 0.0)


class Nameless(Endless):
    """A metric of another name."""

    name = "yours"


def refused(*_):
    raise DataError("two\nlines")


@pytest.mark.parametrize(
    ("check", "changes", "message"),
    [
        ("describes-its-options", {"options": {"a=b": "help"}}, "cannot stand in --option"),
        ("describes-its-options", {"options": {"a": "two\nlines"}}, "the help is not one line"),
        ("describes-its-options", {"options": {"a": ""}}, "the help is not one line"),
        ("prefixes-rounds-with-a-name", {"round_prefix": "a/b"}, "has '/', which"),
        ("prefixes-rounds-with-a-name", {"round_prefix": "."}, "makes no plain name"),
        ("names-its-metrics", {"metrics": {"Mine": raising}}, "is not lower case"),
        ("names-its-metrics", {"metrics": {"a:b": raising}}, "has a colon"),
        ("names-its-metrics", {"metrics": {"top-3": raising}}, "among the best 3 classes"),
        ("names-its-metrics", {"metrics": {"mine": 1}}, "has no maker, but 1"),
        ("makes-its-metrics[net.mynet]", {"metrics": {"mine": raising}}, "cannot be made: KeyErr"),
        ("makes-its-metrics[net.mynet]", {"metrics": {"mine": refused}}, "has several lines"),
        ("makes-its-metrics[net.mynet]", {"metrics": {"mine": int}}, "cannot be made: TypeError"),
        ("makes-its-metrics[net.mynet]", {"metrics": {"mine": str}}, "without 'name'"),
        ("makes-its-metrics[net.mynet]", {"metrics": {"mine": lambda _: Nameless()}}, "'yours'"),
        ("measures-its-data[letters.mine]", {"metrics": {"mine": lambda _: Endless()}},
         "the value is nan, not finite"),
        ("says-what-runs-code", {"names_code": raising}, "raises KeyError"),
        ("says-what-runs-code", {"names_code": lambda *_: 1}, "is 1, no bool"),
        ("says-what-runs-code", {"names_code": lambda *_: True}, "is True: no code is named"),
        ("says-what-runs-code", {"names_code": lambda *_: False}, "but code would run"),
        ("settings-leave-others-alone", {"settings": raising}, "settings raises KeyError for"),
        ("settings-leave-others-alone", {"settings": lambda path: Settings()}, "takes empty for"),
        ("reads-settings[half.job]", {"settings": None}, "has no settings, but"),
        ("reads-settings[half.job]", {"settings": lambda path: None}, "gave None, no Settings"),
        ("reads-settings[half.job]", {"settings": lambda path: {"rate": 0.5}}, "no Settings"),
        ("reads-settings[half.job]", {"settings": lambda path: Settings(rate=2.0)}, "rate is 2.0"),
        ("reads-settings[half.job]", {"settings": lambda path: Settings(model="a")}, "no Path"),
        ("reads-settings[half.job]", {"settings": lambda path: Settings(options={"b": "1"})},
         "is none of Format.options"),
        ("reads-settings[half.job]", {"settings": lambda path: Settings(options={"script": 1})},
         "is 1, no text"),
        ("reads-settings[half.job]", {"settings": lambda path: Settings(allow_code=True)},
         "the user's word"),
        ("reads-settings[half.job]", {"settings": lambda p: Settings(rate=float(p.read_bytes()))},
         "half.job cut to 0 of 3 bytes gives ValueError"),
        ("files-are-all-of-it[net.mynet]", {"files": lambda source: ()}, "needs more than model"),
        ("files-are-all-of-it[net.mynet]", {"files": lambda source: None}, "gave a NoneType"),
        ("files-are-all-of-it[net.mynet]", {"files": lambda source: ("net.data",)}, "no path"),
        ("files-are-all-of-it[net.mynet]", {"files": lambda source: (Path("gone"),)}, "not there"),
        ("data-leaves-others-alone[net.mynet]", {"data": raising}, "data raises KeyError for samp"),
        ("data-leaves-others-alone[net.mynet]",
         {"data": lambda spec, *_: letters(SPEC, *_) if "photos" in spec else None}, "takes photos"),
        ("data-leaves-others-alone[net.mynet]", {"data": refused}, "has several lines"),
        ("opens-its-data[letters.mine]", {"data": None}, "has no data, but an example"),
        ("opens-its-data[letters.mine]", {"data": lambda *_: None}, "gives None for letters.mine"),
        ("opens-its-data[letters.mine]", {"data": silent(Jumpy)}, "other samples the second time"),
        ("opens-its-data[letters.mine]", {"data": silent(Double)}, "is no array of float32"),
        ("opens-its-data[letters.mine]", {"data": silent(Positional)}, "the order of reading"),
        ("opens-its-data[letters.mine]", {"data": silent(Restless)}, "another digest the second"),
        ("opens-its-data[letters.mine]",
         {"data": lambda *_: ArrayDataset("x", np.zeros((4, 2), np.float32), None)}, "letters.mine"),
        ("in-memory-leaves-others-alone", {"in_memory": raising}, "raises KeyError"),
        ("in-memory-leaves-others-alone", {"in_memory": lambda model: 0}, "in_memory(None) is 0"),
        ("lowers-a-model[0]", {"in_memory": None}, "has no in_memory, but"),
        ("lowers-a-model[0]", {"in_memory": lambda model: False}, "does not know its model"),
        ("rebuilds-a-model[0]", {"in_memory": lambda model: False}, "is none of its own"),
    ],
)  # fmt: skip
def test_a_broken_field(folder, check, changes, message):
    found = checks_of(folder, host_of(attrs.evolve(WHOLE, **changes)))
    with pytest.raises(AssertionError) as caught:
        found[check]()
    assert message in str(caught.value)


def test_a_file_of_fewer_digits_than_the_network_says(folder):
    @hookimpl
    def prunus_compact(format, network, compact, destination):
        halves = {n: a.astype("f2").astype("f4") for n, a in network.weights().items()
                  if a.dtype == "f4"}  # fmt: skip
        return onnx_file.prunus_compact(format, network.with_weights(halves), compact, destination)

    @hookimpl
    def prunus_load(format, source):
        network = onnx_file.prunus_load(format, source)
        stored = dict.fromkeys(network.bindings, "float16")
        return attrs.evolve(network, format="mine", stored=stored)

    name = "new-weights-survive[net.mynet]"
    with pytest.raises(AssertionError, match="say in which type the file holds it"):
        checks_of(folder, host_of(WHOLE, prunus_compact=prunus_compact))[name]()
    checks_of(folder, host_of(WHOLE, prunus_compact=prunus_compact, prunus_load=prunus_load))[
        name
    ]()


def test_models_in_memory_need_both_hooks(folder):
    found = checks_of(folder, host_of(WHOLE, without=("prunus_rebuild",)))
    with pytest.raises(AssertionError, match="mine has in_memory, but no prunus_rebuild"):
        found["in-memory-leaves-others-alone"]()


def test_a_rebuilt_model_that_stays_as_large(folder):
    @hookimpl
    def prunus_rebuild(format, network, compact):
        model = onnx_ir.to_proto(network.model)
        model.producer_name = "mine"
        return model

    found = checks_of(folder, host_of(WHOLE, prunus_rebuild=prunus_rebuild))
    with pytest.raises(AssertionError, match="nothing became smaller"):
        found["rebuilds-a-model[0]"]()


def test_a_model_that_is_changed_when_it_is_lowered(folder):
    @hookimpl
    def prunus_lower(format, model, options):
        found = attrs.evolve(onnx_file.prunus_lower(format, model, options), format="mine")
        first = model.graph.initializer[0]
        first.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(first) + 1, first.name)
        )
        return found

    found = checks_of(folder, host_of(WHOLE, prunus_lower=prunus_lower))
    with pytest.raises(AssertionError, match="differs"):
        found["lowers-a-model[0]"]()


def test_inputs_that_a_format_does_not_ask_for(folder):
    found = checks_of(folder, host_of(WHOLE), example_inputs=(3,))
    with pytest.raises(AssertionError, match="mine: takes_inputs is False, but inputs given: True"):
        found["lowers-a-model[0]"]()


def test_inputs_reach_the_format(folder):
    seen = []

    @hookimpl
    def prunus_lower(format, model, options, example_inputs):
        seen.append(example_inputs)
        return attrs.evolve(onnx_file.prunus_lower(format, model, options), format="mine")

    asking = attrs.evolve(WHOLE, takes_inputs=True)
    found = checks_of(folder, host_of(asking, prunus_lower=prunus_lower), example_inputs=("x",))
    found["lowers-a-model[0]"]()
    found["rebuilds-a-model[0]"]()
    assert set(seen) == {"x"}


def test_a_rebuilt_model_that_computes_something_else(folder):
    @hookimpl
    def prunus_infer(format, network, model, inputs):
        found = Session(onnx_ir.from_proto(model)).run(inputs)
        return {name: 1.01 * array for name, array in found.items()}

    found = checks_of(folder, host_of(WHOLE, prunus_infer=prunus_infer))
    with pytest.raises(ProofError, match="the rebuilt model differs from the compact network"):
        found["rebuilds-a-model[0]"]()


def test_a_stated_shape_that_is_not_true(folder):
    @hookimpl
    def prunus_load(format, source):
        network = onnx_file.prunus_load(format, source)
        node = next(node for node in network.model.graph if node.op_type == "Relu")
        node.outputs[0].shape = onnx_ir.Shape(["N", 3, 3, 3])
        return attrs.evolve(network, format="mine")

    found = checks_of(folder, host_of(WHOLE, prunus_load=prunus_load))
    with pytest.raises(AssertionError) as caught:
        found["names-fit-together[net.mynet]"]()
    assert str(caught.value) == (
        "layer 'relu1': value 'relu1' is stated as ('N', 3, 3, 3), but its operator Relu gives "
        "('N', 20)"
    )


def test_weights_that_are_not_finite(folder):
    @hookimpl
    def prunus_compact(format, network, compact, destination):
        finite = {name: np.nan_to_num(array) for name, array in network.weights().items()}
        return onnx_file.prunus_compact(
            format, network.with_weights(finite), identity(network), destination
        )

    found = checks_of(folder, host_of(WHOLE, prunus_compact=prunus_compact))
    with pytest.raises(AssertionError, match="a weight of nan loads without a word"):
        found["refuses-weights-that-are-not-finite[net.mynet]"]()


def test_an_error_that_names_no_layer(folder):
    @hookimpl
    def prunus_compact(format, network, compact, destination):
        raise ModelError("something is wrong")

    found = checks_of(folder, host_of(WHOLE, prunus_compact=prunus_compact))
    with pytest.raises(AssertionError, match=r"names none of \['conv1', 'conv1/weight'\]"):
        found["refuses-weights-that-are-not-finite[net.mynet]"]()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"notes": ("layer 'odd' stays as it is",)},
            "unknown layers ['odd'] are noted, but no reason names them: their inputs can be "
            "pruned; keep each with a reason, such as \"feeds opaque layer 'odd'\"",
        ),
        ({"notes": ("layer 'oddity'",)}, "unknown layers pass without a word: ['odd']"),
    ],
)
def test_an_unknown_layer_whose_input_is_free(folder, texts, message):
    def checked(**changes):
        @hookimpl
        def prunus_load(format, source):
            return attrs.evolve(onnx_file.prunus_load(format, source), format="mine", **changes)

        return format_checks(
            "mine", [], Unknown(Source(folder / "net.mynet"), ("odd",), noted),
            host=host_of(WHOLE, prunus_load=prunus_load),
        )[-1]  # fmt: skip

    noted = ()
    with pytest.raises(AssertionError) as caught:
        checked(**texts)()
    assert str(caught.value) == message
    checked(frozen={"pool1": "feeds opaque layer 'odd'"})()
    noted = ("odd",)
    checked(notes=("layer 'odd' stays as it is",))()


def test_damage_that_is_not_refused(folder):
    @hookimpl
    def prunus_load(format, source):
        if source.model.stat().st_size < 100:
            raise KeyError("8 bytes")
        return attrs.evolve(onnx_file.prunus_load(format, source), format="mine")

    found = checks_of(folder, host_of(WHOLE, prunus_load=prunus_load))
    size = (folder / "net.mynet").stat().st_size
    with pytest.raises(AssertionError) as caught:
        found["refuses-damage-in-one-line[net.mynet]"]()
    assert str(caught.value).startswith(
        f"net.mynet cut to 0 of {size} bytes is no one-line error of the format: "
        "format 'mine' of test 1.0 failed in prunus_load: KeyError: '8 bytes'"
    )


@pytest.mark.parametrize(
    ("old", "new", "stage", "message"),
    [
        ("  # mine", "", "masked", "masked: line 1 of net.mynet reads 'onnx  # mine' without its "
         "numbers, in the written net.mynet it reads 'onnx'"),
        ("taste = sweet\n", "", "compact", "compact: line 2 of net.mynet reads 'taste = sweet' "
         "without its numbers, in the written net.mynet it reads 'size #'"),
        ("size 8\n", "size 8\nextra", "compact", "compact: line 4 of net.mynet reads '' without its "
         "numbers, in the written net.mynet it reads 'extra'"),
    ],
)  # fmt: skip
def test_text_that_is_dropped(folder, tmp_path, old, new, stage, message):
    """A toy format of text: a line, a key it does not know and a width, beside an ONNX file."""
    text = "onnx  # mine\ntaste = sweet\nsize 8\n"
    model = tmp_path / "net.mynet"
    model.write_text(text)

    @hookimpl
    def prunus_load(format, source):
        beside = Source(folder / "net.mynet")
        return attrs.evolve(onnx_file.prunus_load(format, beside), format="mine")

    def writing(drops):
        @hookimpl
        def prunus_compact(format, network, compact, destination):
            written = destination.directory / "net.mynet"
            changed = text.replace(old, new) if drops(destination.stage) else text
            written.write_text(changed.replace("8", "4"))
            return Written(written, None)

        host = host_of(WHOLE, prunus_load=prunus_load, prunus_compact=prunus_compact)
        checks = format_checks("mine", [Source(model)], host=host)
        return next(check for check in checks if "keeps-what" in check.name)

    writing(lambda stage: False)()
    with pytest.raises(AssertionError) as caught:
        writing(lambda now: now == stage)()
    assert str(caught.value) == f"{message}; change the numbers in the text that was read"
