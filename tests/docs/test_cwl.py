"""The list of CWL that voxome understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.workflow.cwl_subset import FIELDS, REQUIREMENTS, SCALARS

TEXT = (Path(__file__).parents[2] / "docs/cwl.md").read_text(encoding="utf-8")
ROWS = {
    "workflow": "workflow",
    "workflow input": "input of a workflow",
    "workflow output": "output of a workflow",
    "step": "step",
    "step input": "input of a step",
    "step output": "step",
    "tool": "tool",
    "tool input": "input of a tool",
    "tool output": "output of a tool",
}
"""Part of a document → its row in the table."""
ADDED_BY_CWLTOOL = {"class", "inputs", "outputs"}


@pytest.mark.parametrize("part", FIELDS)
def test_every_field_that_is_understood_is_listed(part: str) -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith((f"| {ROWS[part]} |", "| any |"))]
    assert len(lines) == 2
    for field in FIELDS[part] - ADDED_BY_CWLTOOL:
        assert any(f"`{field}`" in line for line in lines), field


def test_every_requirement_and_type_is_listed() -> None:
    for name in REQUIREMENTS | SCALARS:
        assert f"`{name}`" in TEXT
