from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import attrs
import onnx_ir as ir
import pytest

from prunus.errors import UsageError
from prunus.settings import Settings
from prunus.steps.analyze import analyze
from prunus.steps.continued import newest
from prunus.steps.page import write_page
from prunus.steps.prune import prune
from prunus.steps.transform import transform


class Read(HTMLParser):
    """Texts, and the attributes of every element; every element that needs an end has one."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts += [data.strip()] * bool(data.strip())

    def named(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def read(path="ws/report.html"):
    return Read(Path(path).read_text(encoding="utf-8"))


@pytest.fixture
def done(host, settings):
    analyze(host, settings, ratios=(0.25, 0.5, 0.75), policy="exact")
    pruned = prune(host, attrs.evolve(settings, rate=0.4, command=("prunus", "prune")))
    last = transform(host, newest(settings), None)
    write_page(host, Settings(workspace=settings.workspace))
    return pruned.report, last.report


def test_the_numbers_of_the_steps(done):
    pruned, last = done
    page = read()
    texts = page.texts
    assert texts[0].startswith("net.onnx")
    for stage in (pruned.stages[0], pruned.stages[1], last.stages[-1]):
        assert f"{stage.macs:,}" in texts
        assert f"{stage.params:,}" in texts
        assert f"{stage.bytes:,}" in texts
    assert f"−{100 * (1 - pruned.stages[1].macs / pruned.stages[0].macs):.0f} %" in texts
    assert "proven equal" in texts
    assert f"{last.facts['proof']['error']:.0e}" in texts
    assert any(text.startswith("prunus prune") for text in texts)
    assert {"original", "pruned", "transformed"} <= set(texts)


def test_every_layer_its_channels_and_why_it_stays(done, lenet):
    pruned, _ = done
    page = read()
    labels = [one["aria-label"] for one in page.named("g") if "aria-label" in one]
    for name in lenet.layers:
        assert any(re.search(rf"\b{name}\b", label) for label in labels), name
    for row in pruned.groups:
        label = next(label for label in labels if label.startswith(f"{row.group}: "))
        fate = f"{row.kept} of {row.channels} channels kept"
        assert fate in label or row.kept == row.channels
        assert any(text.startswith(f"{row.kept} of {row.channels}") for text in page.texts)
    assert any(label.startswith("ip2: ") and "protected: graph output" in label for label in labels)


def test_one_curve_a_group_and_what_was_chosen(done):
    page = read()
    charts = [one for one in page.named("svg") if one.get("class") == "chart"]
    assert [one["aria-label"].partition(":")[0] for one in charts] == ["conv1", "conv2", "ip1"]
    assert all(one["aria-label"].count("removed") == 3 for one in charts)
    assert len([one for one in page.named("line") if one.get("class") == "chosen"]) == 3
    assert [one for one in page.named("path") if one.get("class") == "band"]


def test_classes_before_and_after(done):
    page = read()
    cells = [one for one in page.named("td") if re.match(r"f\d", one.get("class", ""))]
    assert len(cells) == 2 * 4 * 4
    assert "On 40 held-out samples." in " ".join(page.texts)


def test_it_asks_for_nothing_outside(done):
    text = Path("ws/report.html").read_text(encoding="utf-8")
    page = Read(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<iframe", text)
    addresses = [one[name] for _, one in page.elements for name in ("src", "href") if name in one]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    policy = next(one for one in page.named("meta") if "http-equiv" in one)
    assert policy["content"].startswith("default-src 'none'")


def test_ids_are_unique_and_labels_are_there(done):
    page = read()
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    assert page.named("html")[0]["lang"] == "en"
    assert all(one.get("alt") for one in page.named("img"))


def test_names_are_text(host, settings, lenet):
    for node in lenet.model.graph:
        if node.name == "conv1":
            node.name = "<b>bold</b>\u202e"
    ir.save(lenet.model, "net.onnx")
    prune(host, attrs.evolve(settings, rate=0.4, exclude=()))
    write_page(host, settings)
    page = read()
    assert page.named("b") == []
    assert any("<b>bold</b>" in text for text in page.texts)
    assert "\u202e" not in Path("ws/report.html").read_text(encoding="utf-8")


def test_an_analysis_alone(host, settings):
    analyze(host, settings, ratios=(0.5,))
    write_page(host, Settings(workspace=settings.workspace), Path("out/first.html"))
    page = read("out/first.html")
    assert len([one for one in page.named("svg") if one.get("class") == "chart"]) == 3
    assert not [one for one in page.named("line") if one.get("class") == "chosen"]


def test_without_samples(host, settings):
    bare = attrs.evolve(settings, data=None)
    prune(host, attrs.evolve(bare, rate=0.4))
    found = write_page(host, bare)
    page = read()
    assert "not measured" in page.texts
    assert "Classes before and after" not in page.texts
    assert found.files == (Path("ws/report.html"),)


def test_samples_that_are_gone_are_said(host, settings):
    prune(host, attrs.evolve(settings, rate=0.4))
    Path("test.npz").unlink()
    found = write_page(host, Settings(workspace=settings.workspace))
    assert any(note.startswith("no samples to show answers on: ") for note in found.notes)


def test_an_empty_workspace(host, settings):
    with pytest.raises(UsageError) as caught:
        write_page(host, Settings(workspace=Path("ws")))
    assert str(caught.value) == (
        "ws: nothing analysed or pruned here yet; run 'prunus ana' or 'prunus prune' first"
    )


def test_a_directory_is_no_file(host, settings, tmp_path):
    prune(host, attrs.evolve(settings, rate=0.4))
    with pytest.raises(UsageError) as caught:
        write_page(host, settings, Path("ws"))
    assert str(caught.value) == "--output ws: is a directory; name a file, ws/report.html"
