"""The kit of formats on programs, checkpoints and live modules."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from prunus.plugin import Source
from prunus.testing import Examples, format_checks
from prunus_torch.testing.small import PICTURES, Small

pytest.importorskip("onnxscript", reason="onnxscript is not installed (prunus-torch[modules])")

OPTIONS = {"module": "prunus_torch.testing.small:Small", "input-shape": "1x3x6x6"}
CODE = (("module", "net.py:make"), ("unsafe", "yes"))


def samples(folder: Path) -> list[Source]:
    """A program, and a checkpoint of the same module."""
    torch.manual_seed(0)
    module = Small().eval()
    free = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(module, (PICTURES,), dynamic_shapes=free)
    torch.export.save(program, folder / "small.pt2")
    torch.save(module.state_dict(), folder / "small.pt")
    return [Source(folder / "small.pt2"), Source(folder / "small.pt", options=OPTIONS)]


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Name of a check -> the check."""
    found = format_checks(
        "torch",
        samples(tmp_path_factory.mktemp("torch")),
        examples=Examples(models=(Small,), code=CODE, example_inputs=(PICTURES,)),
    )
    return {check.name: check for check in found}


EVERY = [
    check.name
    for check in format_checks(
        "torch",
        [Source(Path("small.pt2")), Source(Path("small.pt"), options=OPTIONS)],
        examples=Examples(models=(Small,), code=CODE, example_inputs=(PICTURES,)),
    )
]
OWN = ("detects-its-own", "identity-survives", "refuses-damage", "names-missing-files")
"""What is a checkpoint's own: it is lowered by the code that lowers a live module."""

NAMES = [name for name in EVERY if "[small.pt]" not in name or any(own in name for own in OWN)]


@pytest.mark.parametrize("name", NAMES)
def test_conformance(name: str, checks: dict[str, object]) -> None:
    checks[name]()  # type: ignore[operator]
