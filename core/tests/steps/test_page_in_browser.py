"""The page in a real browser: headless Chromium, where the machine has one."""

from __future__ import annotations

import re
import shutil
import subprocess

import attrs
import pytest

from prunus.steps.analyze import analyze
from prunus.steps.page import write_page
from prunus.steps.prune import prune

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def opened(page, tmp_path, *options):
    """The document after its script ran, and the console's lines."""
    found = subprocess.run(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'browser'}", *options,
            page.resolve().as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    return found.stdout, [line for line in found.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture
def page(host, settings):
    analyze(host, settings, ratios=(0.5,))
    prune(host, attrs.evolve(settings, rate=0.4))
    (file,) = write_page(host, settings).files
    return file


def test_the_script_runs_and_nothing_is_refused(page, tmp_path):
    document, console = opened(page, tmp_path)
    assert console == []
    assert re.search(
        r'<button type="button" id="theme" aria-label="switch to dark colours">', document
    )
    assert len(re.findall(r'class="part" tabindex="0"', document)) == 1


def test_an_error_would_be_seen(page, tmp_path):
    page.write_text(page.read_text().replace("(() => {", "(() => { missing();", 1))
    _, console = opened(page, tmp_path)
    assert any("missing is not defined" in line for line in console)
