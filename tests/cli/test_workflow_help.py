"""The help of a run lists the inputs of its workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PIPELINE = Path(__file__).parents[2] / "pipelines" / "lm" / "cells.cwl"


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_inputs_are_listed_those_that_must_be_set_first(command: Any, verb: str) -> None:
    shown = " ".join(command(verb, str(PIPELINE), "--help").out.split())
    _, inputs = shown.split("(--set NAME=VALUE):")
    assert inputs.lstrip().startswith("raw File|string Light-microscopy volume")
    assert "tile_um double Edge of the tiles" in inputs
    assert "[default: 10]" in inputs
    assert "radii_um array Radii of cells" in inputs
    assert "[default: 5.2,6.5,8.0]" in inputs
    assert "store string" not in inputs


def test_without_a_workflow_the_help_says_that_it_lists_inputs(command: Any) -> None:
    assert "voxome run WORKFLOW --help" in command("run", "--help").out


@pytest.mark.slow
def test_a_workflow_that_cannot_be_read_is_named(command: Any) -> None:
    assert "none.cwl does not exist" in command("run", "none.cwl", "-h").out
