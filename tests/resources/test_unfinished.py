"""What an interrupted run has not finished is refused as input of anything, unless forced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, PlanError
from voxome.reports import score
from voxome.resources.unfinished import RUN_MARK, require_finished, unfinished_step


@pytest.fixture
def unfinished(tmp_path: Path) -> str:
    spec = voxome.VolumeSpec.of((8, 8, 8), "uint64", chunk=(8, 8, 8), kind="labels")
    mark = {RUN_MARK: {"step": "cut", "step_key": "k", "complete": False}}
    uri = f"zarr://{tmp_path}/mask.zarr"
    voxome.create(uri, spec.replace(attributes=mark))[...] = 1
    return uri


@pytest.mark.parametrize(
    "use",
    [
        lambda uri, out, force: voxome.get(uri, f"{out}/copy.npy", force=force),
        lambda uri, out, force: voxome.get(voxome.open(uri), f"{out}/copy.npy", force=force),
        lambda uri, out, force: voxome.put(uri, f"zarr://{out}/copy.zarr", force=force),
        lambda uri, out, force: voxome.transfer(uri, f"zarr://{out}/copy.zarr", state=Path(out), force=force),
        lambda uri, out, force: score.segmentation(np.ones((8, 8, 8), np.uint64), uri, force=force),
    ],
)
def test_it_is_refused_unless_forced(unfinished: str, tmp_path: Path, use: Callable[[str, str, bool], object]) -> None:
    message = r"mask\.zarr is not finished: .*step cut.* complete that run first, or take it as it is with --force"
    with pytest.raises(InvalidInput, match=message):
        use(unfinished, str(tmp_path), False)
    assert not list(tmp_path.glob("copy*"))
    use(unfinished, str(tmp_path), True)


@pytest.mark.slow
def test_a_run_refuses_it_unless_forced(unfinished: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"image \(.*mask\.zarr\) is not finished.*use --force to run anyway"):
        voxome.tool("common.threshold", {"image": unfinished}, out=tmp_path / "store")
    handles = voxome.tool(
        "common.threshold", {"image": unfinished}, out=tmp_path / "store", engine="sequential", force=True
    )
    assert voxome.open(handles["result"].uri, expect=voxome.Volume)[...].all()


def test_info_shows_it(unfinished: str) -> None:
    assert voxome.info(unfinished)["complete"] is False
    volume = voxome.open(unfinished, expect=voxome.Volume, mode="r+")
    volume.source.update_attributes({RUN_MARK: {"step": "cut", "complete": True}})  # type: ignore[attr-defined]
    assert voxome.info(unfinished)["complete"] is True
    require_finished(unfinished)


def test_a_level_that_is_not_finished_is_known(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    mark = {RUN_MARK: {"step": "cut", "complete": True, "levels": {"1": "", "2": "key"}}}
    voxome.create(uri, voxome.VolumeSpec.of((8, 8, 8), "uint8").replace(attributes=mark))
    assert [unfinished_step(f"{uri}?level={level}") for level in (0, 1, 2, 3)] == [None, "cut", None, None]


def test_arrays_of_no_run_are_finished(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 4, 4), np.uint8))
    require_finished(f"npy://{tmp_path}/a.npy")
    require_finished("")
