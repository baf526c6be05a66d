"""Objects of a mask: the same for any blocks, selected by the size of the whole, measured in nm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import pytest
from numpy.typing import NDArray
from tools.common.blockwise import as_file, frame_of, run_blocks

from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.tools.common.mask_components import SUMS, components
from voxome.tools.common.objects import LOOKUP, objects
from voxome.tools.common.relabel import relabel
from voxome.tools.common.touching import PAIRS, touching
from voxome.tools.common.union import union

SIZE = (2000.0, 1000.0, 1000.0)


def run(
    folder: Path, mask: NDArray[Any], block: tuple[int, int, int], *, frame: Frame | None = None,
    score: NDArray[np.uint8] | None = None, **window: float,
) -> tuple[dict[str, Any], NDArray[np.uint64]]:  # fmt: skip
    """Return the outputs of common.objects, and the relabelled volume."""
    frame = frame_of(mask.shape, SIZE) if frame is None else frame
    volumes = {"mask": mask} if score is None else {"mask": mask, "score": score}
    found = run_blocks(components, volumes, block, frame)
    pairs = run_blocks(touching, {"labels": found["components"]}, block, frame)["pairs"]
    joined = union(as_file(folder / "pairs.parquet", pairs, PAIRS.columns))["lookup"]
    result = objects(
        as_file(folder / "sums.parquet", found["sums"], SUMS.columns),
        as_file(folder / "lookup.parquet", joined, LOOKUP.columns),
        **window,
        frame=frame,
    )
    lookup = as_file(folder / "labels.parquet", result["lookup"], LOOKUP.columns)
    return result, relabel(found["components"], lookup)


def blobs(seed: int = 3, shape: tuple[int, ...] = (20, 30, 26)) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(shape) < 0.25


@pytest.mark.slow
def test_blocks_do_not_show(tmp_path: Path) -> None:
    mask = blobs()
    score = np.random.default_rng(1).integers(0, 256, mask.shape).astype(np.uint8)
    whole, labels = run(tmp_path, mask, mask.shape, score=score, min_volume_um3=8.0)
    assert len(whole["objects"]["id"]) > 50
    for block in ((10, 15, 13), (7, 10, 9), (20, 1, 26)):
        parts, again = run(tmp_path, mask, block, score=score, min_volume_um3=8.0)
        np.testing.assert_array_equal(again, labels)
        for name, values in whole["objects"].items():
            np.testing.assert_array_equal(parts["objects"][name], values, err_msg=name)
        assert parts["counts"]["objects"].tolist() == whole["counts"]["objects"].tolist()


def test_objects_are_those_of_the_whole_volume(tmp_path: Path) -> None:
    mask = blobs()
    result, labels = run(tmp_path, mask, (8, 8, 8))
    expected, count = cc3d.connected_components(mask, connectivity=6, return_N=True)
    assert count == len(result["objects"]["id"]) == labels.max()
    assert len(np.unique(np.stack([labels[mask], expected[mask]]), axis=1).T) == count
    first = np.unique(labels[mask], return_index=True)[1]
    assert (np.diff(first) > 0).all()


@pytest.mark.parametrize("cut", range(1, 40))
def test_an_object_is_as_large_as_all_its_parts(tmp_path: Path, cut: int) -> None:
    mask = np.zeros((2, 2, 44), np.uint8)
    mask[0, 0, 2:42] = 1
    frame = frame_of(mask.shape, (1000.0, 1000.0, 1000.0))
    for smallest, kept in ((40.0, 1), (40.5, 0), (30.0, 1)):
        result, _ = run(tmp_path, mask, (2, 2, cut), frame=frame, min_volume_um3=smallest)
        assert len(result["objects"]["id"]) == kept


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_the_ends_of_the_window_are_in_it(tmp_path: Path, dtype: type) -> None:
    mask: NDArray[Any] = np.zeros((3, 9, 9), dtype)
    for row, length in enumerate((4, 5, 6)):
        mask[1, 2 * row + 1, 1 : 1 + length] = 1
    size = (0.65e3 / 3, 650.0, 650.0)  # 5 voxels are no exact number
    frame = frame_of(mask.shape, size)
    five = 5 * float(np.prod(np.array(size) / 1000))
    result, labels = run(tmp_path, mask, (3, 4, 4), frame=frame, min_volume_um3=five, max_volume_um3=five)
    assert result["objects"]["voxels"].tolist() == [5]
    assert dict(zip(*(result["counts"][name].tolist() for name in ("size", "objects")), strict=True)) == {
        -1: 1,
        0: 1,
        1: 1,
    }
    assert (labels > 0).sum() == 5
    assert set(result["lookup"]["label"]) == {0, 1}


def test_positions_sizes_and_scores_are_physical(tmp_path: Path) -> None:
    mask, score = np.zeros((8, 12, 12), np.uint8), np.zeros((8, 12, 12), np.uint8)
    mask[2:5, 4:6, 7:11] = 255
    score[2:5, 4:6, 7:9], score[2:5, 4:6, 9:11] = 255, 0
    mask[7, 0, 0] = 255
    result, _ = run(tmp_path, mask, (4, 5, 6), score=score)
    rows = result["objects"]
    assert [rows[name][0] for name in ("z_nm", "y_nm", "x_nm")] == [
        (3 + 3) * 2000.0,
        (-5 + 4.5) * 1000,
        (7 + 8.5) * 1000,
    ]
    assert rows["volume_um3"][0] == 24 * 2.0
    assert rows["radius_nm"][0] == pytest.approx(1000 * (3 * 48 / (4 * np.pi)) ** (1 / 3))
    assert rows["score"][0] == 0.5
    assert rows["touches_face"].tolist() == [False, True]


def test_an_empty_mask_has_no_objects(tmp_path: Path) -> None:
    result, labels = run(tmp_path, np.zeros((5, 6, 7), np.uint8), (3, 3, 3), min_volume_um3=2.0)
    assert not labels.any()
    assert result["objects"]["id"].shape == (0,)
    assert result["counts"]["objects"].tolist() == [0, 0, 0]


def test_a_window_needs_a_voxel_size_and_room(tmp_path: Path) -> None:
    mask = np.ones((3, 3, 3), np.uint8)
    with pytest.raises(InvalidInput, match="voxel size is unknown"):
        run(tmp_path, mask, (3, 3, 3), frame=frame_of(mask.shape, None), min_volume_um3=2.0)
    with pytest.raises(InvalidInput, match=r"max_volume_um3 is 1, below min_volume_um3, 2"):
        run(tmp_path, mask, (3, 3, 3), min_volume_um3=2.0, max_volume_um3=1.0)
    with pytest.raises(InvalidInput, match=r"give the handles of common\.components"):
        objects(None, None, frame=None)
    result, _ = run(tmp_path, mask, (3, 3, 3), frame=frame_of(mask.shape, None))
    assert np.isnan(result["objects"]["z_nm"]).all()
