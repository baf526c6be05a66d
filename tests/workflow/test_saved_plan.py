"""The plan in a run folder: the same plan is resumed, another one refused and the differences named."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from voxome.contracts.formats import PLAN, PRIVATE
from voxome.errors import CorruptData, PlanError, UnsupportedFormat
from voxome.workflow.saved_plan import keep_plan

STEP = {
    "name": "cut",
    "tool": "common.threshold",
    "version": "1",
    "digest": "abc",
    "parameters": {"at": 1.0},
    "block": [8, 8, 8],
    "frame": None,
    "inputs": {"image": {"uri": "zarr://a", "box": "0:8,0:8,0:8", "key": "k"}},
}
SAVED = PLAN.stamp({"steps": [STEP]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / PRIVATE).mkdir()
    keep_plan(tmp_path, SAVED)
    return tmp_path


def changed(**changes: Any) -> dict[str, Any]:
    plan = deepcopy(SAVED)
    plan["steps"][0].update(changes)
    return plan


def test_the_same_plan_is_resumed(folder: Path) -> None:
    before = (folder / PRIVATE / "plan.json").read_bytes()
    keep_plan(folder, SAVED)
    assert (folder / PRIVATE / "plan.json").read_bytes() == before
    assert json.loads(before) == SAVED


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"parameters": {"at": 2.0}}, "step cut: parameters at was 1.0, now it is 2.0"),
        ({"digest": "abd"}, "step cut: the code of common.threshold has changed"),
        ({"block": [8, 8, 4]}, "step cut: block was [8, 8, 8], now it is [8, 8, 4]"),
        (
            {"inputs": {"image": {"uri": "zarr://b", "key": "k"}}},
            "step cut: inputs image was zarr://a, box 0:8,0:8,0:8, now it is zarr://b",
        ),
        ({"name": "other"}, "step cut is missing now"),
    ],
)
def test_another_plan_is_refused_and_the_difference_named(folder: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(PlanError) as caught:
        keep_plan(folder, changed(**change))
    assert "holds a run of another plan" in caught.value.problems[0]
    assert problem in caught.value.problems


@pytest.mark.parametrize("version", [None, 0, 2])
def test_a_plan_of_another_version_is_refused(folder: Path, version: int | None) -> None:
    (folder / PRIVATE / "plan.json").write_text(json.dumps({**SAVED, "format_version": version}))
    with pytest.raises(UnsupportedFormat, match=r"plan\.json is a plan .*; this voxome reads version 1\..*remove"):
        keep_plan(folder, SAVED)


@pytest.mark.parametrize("text", ["", "[]", json.dumps(PLAN.stamp({})), json.dumps(PLAN.stamp({"steps": [{}]}))])
def test_a_damaged_plan_is_refused(folder: Path, text: str) -> None:
    (folder / PRIVATE / "plan.json").write_text(text)
    with pytest.raises(CorruptData, match=r"plan\.json is damaged.*Choose another folder"):
        keep_plan(folder, SAVED)
