"""Tools whose results depend on the blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from voxome.cli.main import app
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.workflow.invariance import CROP, InvarianceReport, check_invariance

MODULE = """
from typing import Annotated
import numpy as np
from scipy import ndimage
from voxome import kinds
from voxome.contracts.python_tool import tool

IMAGE = Annotated[np.ndarray, kinds.Image("uint8")]
ROWS = kinds.Table({"value": "uint64", "voxels": "int64"}, key=("value",), fold={"voxels": "sum"})

@tool("lab.median", outputs=kinds.Image("uint8"), halo=lambda parameters, _: parameters["declared"])
def median(image: IMAGE, *, radius: int = 1, declared: int = 0) -> np.ndarray:
    return ndimage.median_filter(image, 2 * radius + 1)

@tool("lab.bright", outputs=kinds.Image("uint8"))
def bright(image: IMAGE) -> np.ndarray:
    return (image > image.mean()).astype("uint8")

@tool("lab.noise", outputs=kinds.Image("uint8"))
def noise(image: IMAGE) -> np.ndarray:
    return np.random.default_rng().integers(0, 255, image.shape).astype("uint8")

@tool("lab.honest", outputs=kinds.Image("uint8"), invariance="none")
def honest(image: IMAGE) -> np.ndarray:
    return (image > image.mean()).astype("uint8")

@tool("lab.blocks", outputs={"rows": ROWS, "copy": kinds.Image("uint8")})
def blocks(image: IMAGE, *, count_blocks: bool = True) -> dict:
    value, voxels = np.unique(image, return_counts=True)
    value = value // 128
    if count_blocks:
        value, voxels = value[:1], np.ones(1)
    return {"rows": {"value": value.astype("u8"), "voxels": voxels.astype("i8")}, "copy": image}
"""
NAMES = ("median", "bright", "noise", "honest", "blocks")


@pytest.fixture
def lab(tmp_path: Path, install_plugins: Callable[[Path], None]) -> None:
    (tmp_path / "lab_invariance.py").write_text(MODULE)
    folder = tmp_path / "lab_invariance-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-invariance\nVersion: 1\n")
    lines = [f"lab.{name} = lab_invariance:{name}" for name in NAMES]
    (folder / "entry_points.txt").write_text("\n".join(["[voxome.tools]", *lines]) + "\n")
    install_plugins(tmp_path)


@pytest.fixture
def raw(tmp_path: Path) -> str:
    path = tmp_path / "raw.npy"
    np.save(path, np.random.default_rng(1).integers(0, 255, (13, 22, 30)).astype("u1"))
    return str(path)


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(("radius", "declared"), [(1, 0), (2, 0), (2, 1)])
def test_a_forgotten_halo_is_named_with_the_one_that_is_needed(raw: str, radius: int, declared: int) -> None:
    values = {"image": raw, "radius": radius, "declared": declared}
    report = check_invariance("lab.median", values)
    assert report.blocks == ((13, 22, 30), (7, 11, 15), (5, 8, 10))
    assert len(report.differences) == 2
    for difference in report.differences:
        assert f"the halo of {declared} is too small; try halo={radius} " in difference
    assert not report.is_consistent
    assert check_invariance("lab.median", {**values, "declared": radius}).differences == ()


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
def test_a_result_that_depends_on_the_whole_block_is_named(raw: str) -> None:
    report = check_invariance("lab.bright", {"image": raw})
    assert "also far from the faces between blocks" in report.differences[0]
    honest = check_invariance("lab.honest", {"image": raw})
    assert honest.differences
    assert honest.is_consistent


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
def test_random_results_are_named(raw: str) -> None:
    (difference,) = check_invariance("lab.noise", {"image": raw}).differences
    assert difference == "'result' differs between two runs with the same block: seed its random numbers"


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
def test_tables_are_compared(raw: str) -> None:
    (first, _) = check_invariance("lab.blocks", {"image": raw}).differences
    assert first == "'rows' has other rows with blocks of 7,11,15 than with one block"
    assert check_invariance("lab.blocks", {"image": raw, "count_blocks": False}).differences == ()


@pytest.mark.slow
def test_the_middle_of_a_large_volume_is_checked(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.zeros((60, 100, 97), "u1"))
    report = check_invariance("common.threshold", {"image": str(tmp_path / "raw.npy")})
    assert (report.box, report.box.shape) == (Box((6, 2, 0), (54, 98, 96)), CROP)
    part = check_invariance("common.threshold", {"image": str(tmp_path / "raw.npy")}, box="1:9,3:11,5:14")
    assert part.box == Box((1, 3, 5), (9, 11, 14))
    assert part.is_consistent


def test_tools_of_tables_have_no_blocks_to_check() -> None:
    with pytest.raises(InvalidInput, match=r"em.agglomerate runs on whole, not on blocks"):
        check_invariance("em.agglomerate", {})


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
def test_the_command_fails_if_results_depend_on_the_blocks(
    raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    found = CliRunner().invoke(app, ["tool", "lab.median", "--image", raw, "--check-invariance"])
    assert (found.exit_code, "try halo=1 in the decorator" in found.stderr) == (1, True), found.output
    words = ["tool", "lab.median", "--image", raw, "--declared", "1", "--check-invariance"]
    found = CliRunner().invoke(app, words)
    assert (found.exit_code, "the results are equal" in found.stderr) == (0, True), found.output
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "__pycache__"] == before
    found = CliRunner().invoke(app, ["tool", "lab.median", "--image", raw])
    assert (found.exit_code, "Missing option '--out'" in found.stderr) == (2, True), found.output


@pytest.mark.slow
@pytest.mark.usefixtures("lab")
def test_outputs_that_cannot_be_compared_are_not_called_equal(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box((0, 0, 0), (13, 22, 30))
    for not_compared, shown in ((("copy",), True), (("rows", "copy"), False)):
        report = InvarianceReport("lab.blocks", "exact", box, ((13, 22, 30),), (), not_compared)
        monkeypatch.setattr("voxome.workflow.invariance.check_invariance", lambda *_, report=report, **__: report)
        found = CliRunner().invoke(app, ["tool", "lab.blocks", "--image", raw, "--check-invariance"])
        assert found.exit_code == 0, found.output
        assert ("the results are equal" in found.stderr) == shown
        assert ("no output could be compared" in found.stderr) != shown
