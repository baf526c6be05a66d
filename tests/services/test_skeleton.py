"""Skeletons of the segments of a volume in any store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remotes.precomputed.layers import write_info, write_volume
from remotes.precomputed.test_skeletons import ATTRIBUTES, DATA
from tools.common.skeletonization.tubes import draw_tube

import voxome
from voxome.errors import InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.resources.volume_like import as_volume
from voxome.services import local_skeletons
from voxome.tools.common.skeletonization import cells

SIZE = (40.0, 16.0, 16.0)
LINE = 2**63 + 5


@pytest.fixture
def labels() -> np.ndarray:
    """Return a line of voxels along x, and a thicker tube beside it."""
    array = np.zeros((12, 20, 60), np.uint64)
    array[2, 2, 3:57] = LINE
    array[4:9, 8:15, 5:55] = 3
    return array


def test_an_array_has_skeletons(labels: np.ndarray) -> None:
    found = voxome.skeleton(labels, LINE, voxel_size_nm=SIZE)
    assert sorted(found.nodes_nm.tolist()) == [[100.0, 40.0, 16 * (x + 0.5)] for x in range(3, 57)]
    assert found.provenance.way == "local"
    assert found.provenance.parameters["scale"] == 1.5
    assert found.provenance.parameters["id"] == str(LINE)
    assert found.provenance.parameters["voxel_size_nm"] == list(SIZE)


@pytest.mark.parametrize("uri", ["zarr://{}/a.zarr", "n5://{}/a.n5", "precomputed://{}/p", "memory://{}"])
def test_skeletons_are_the_same_from_every_store(labels: np.ndarray, tmp_path: Path, uri: str) -> None:
    volume = voxome.put(labels, uri.format(tmp_path), voxel_size_nm=SIZE)
    expected = voxome.skeleton(labels, 3, voxel_size_nm=SIZE)
    found = volume.skeleton(3)
    assert np.array_equal(found.nodes_nm, expected.nodes_nm)
    assert np.array_equal(found.edges, expected.edges)


def test_all_skeletons_are_those_of_single_segments(labels: np.ndarray) -> None:
    every = voxome.skeletons(labels, voxel_size_nm=SIZE)
    assert every.ids().tolist() == [3, LINE]
    for id in (3, LINE):
        assert every[id].length_nm == pytest.approx(voxome.skeleton(labels, id, voxel_size_nm=SIZE).length_nm, rel=0.02)
    assert voxome.skeletons(labels, [LINE], voxel_size_nm=SIZE).ids().tolist() == [LINE]


@pytest.mark.slow
def test_blocks_do_not_matter_for_a_service(labels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "CELL", 8)
    whole = voxome.skeleton(labels, 3, voxel_size_nm=SIZE)
    monkeypatch.setattr(local_skeletons, "BLOCK", (7, 9, 11))
    blocks = voxome.skeleton(labels, 3, voxel_size_nm=SIZE)
    assert np.array_equal(blocks.nodes_nm, whole.nodes_nm)
    assert np.array_equal(blocks.edges, whole.edges)
    assert np.array_equal(blocks.radii_nm, whole.radii_nm)
    assert len(blocks.edges) == len(blocks.nodes_nm) - 1


def test_a_skeleton_does_not_depend_on_background_around_or_memory_order(labels: np.ndarray) -> None:
    expected = voxome.skeleton(labels, 3, voxel_size_nm=SIZE)
    padded = np.pad(labels, ((3, 1), (0, 5), (2, 0)))
    found = voxome.skeleton(padded, 3, voxel_size_nm=SIZE)
    assert np.allclose(found.nodes_nm, expected.nodes_nm + np.array([3, 0, 2]) * SIZE)
    for other in (np.asfortranarray(labels), labels[::-1].copy()[::-1]):
        assert np.array_equal(voxome.skeleton(other, 3, voxel_size_nm=SIZE).nodes_nm, expected.nodes_nm)


def test_a_volume_that_starts_elsewhere_has_its_skeletons_there(labels: np.ndarray, tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of(labels.shape, "uint64", kind="labels", voxel_size_nm=SIZE, start=(60, 3, 128))
    volume = voxome.create(f"precomputed://{tmp_path}/labels", spec)
    volume.paste(volume.domain, labels)
    expected = voxome.skeleton(labels, 3, voxel_size_nm=SIZE).nodes_nm + np.array([60, 3, 128]) * SIZE
    assert np.allclose(volume.skeleton(3).nodes_nm, expected)


@pytest.mark.slow
def test_nodes_have_the_areas_of_cross_sections(labels: np.ndarray) -> None:
    found = voxome.skeleton(labels, 3, voxel_size_nm=SIZE, cross_sections=True)
    areas = found.attributes["cross_section_nm2"]
    middle = (found.nodes_nm[:, 2] > 400) & (found.nodes_nm[:, 2] < 600)
    assert areas[middle] == pytest.approx(5 * 40 * 7 * 16, rel=0.05)
    assert np.array_equal(voxome.skeletons(labels, voxel_size_nm=SIZE, cross_sections=True)[3].nodes_nm, found.nodes_nm)
    cut = voxome.skeleton(labels[:8], 3, voxel_size_nm=SIZE, cross_sections=True)
    middle = (cut.nodes_nm[:, 2] > 400) & (cut.nodes_nm[:, 2] < 600)
    assert np.isnan(cut.attributes["cross_section_nm2"][middle]).all(), "they leave the volume"
    with pytest.raises(InvalidInput, match="cross_sections"):
        voxome.skeleton(labels, 3, voxel_size_nm=SIZE, cross_sections="yes")  # type: ignore[arg-type]


def test_root_and_targets_have_nodes(labels: np.ndarray) -> None:
    root, target = (260.0, 180.0, 400.0), (180.0, 136.0, 600.0)
    found = voxome.skeleton(labels, 3, voxel_size_nm=SIZE, root_nm=root, targets_nm=[target])
    roots = np.flatnonzero(found.parents < 0)
    assert (np.abs(found.nodes_nm[roots] - root) <= SIZE).all()
    assert (np.abs(found.nodes_nm - target) <= SIZE).all(axis=1).any()


@pytest.mark.parametrize("options", [{"root_nm": (20, 20, 20)}, {"targets_nm": [(260, 180, 400), (-1, 5, 5)]}])
def test_positions_outside_the_segment_are_named(labels: np.ndarray, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"1 of [12] positions are outside the segment 3"):
        voxome.skeleton(labels, 3, voxel_size_nm=SIZE, **options)


def test_bad_input_is_refused(labels: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="float32"):
        voxome.skeleton(labels.astype(np.float32), 3, voxel_size_nm=SIZE)
    with pytest.raises(InvalidInput, match="label -5"):
        voxome.skeletons(np.where(labels > 5, -5, 0).astype(np.int64), voxel_size_nm=SIZE).ids()
    for id in (0, 4, 2**64 - 1):
        with pytest.raises(NotFound, match=f"{id}"):
            voxome.skeleton(labels, id, voxel_size_nm=SIZE)
    with pytest.raises(NotFound, match="no segment 4"):
        voxome.skeletons(labels, [3, 4], voxel_size_nm=SIZE).ids()
    with pytest.raises(InvalidInput, match="scale is"):
        voxome.skeleton(labels, 3, voxel_size_nm=SIZE, scale=-1)
    with pytest.raises(UnsupportedFormat, match="service='local' computes them"):
        voxome.skeleton(labels, 3, voxel_size_nm=SIZE, service="own")
    with pytest.raises(UnknownName, match="kimi"):
        voxome.skeleton(labels, 3, voxel_size_nm=SIZE, service="kimi")


def test_the_skeletons_of_a_store_are_preferred_to_computed_ones(tmp_path: Path) -> None:
    write_volume(tmp_path, skeletons="skeletons")
    write_info(tmp_path / "skeletons", {"@type": "neuroglancer_skeletons", "vertex_attributes": ATTRIBUTES})
    (tmp_path / "skeletons" / "5").write_bytes(DATA)
    volume = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Volume)
    stored = volume.skeleton(5)
    assert np.array_equal(volume.skeletons()[5].nodes_nm, stored.nodes_nm)
    assert np.array_equal(volume.skeleton(5, service="own").nodes_nm, stored.nodes_nm)
    with pytest.raises(NotFound):
        volume.skeleton(5, service="local")


def test_labels_of_one_byte_are_labels_in_an_array() -> None:
    array = np.zeros((3, 3, 9), np.uint8)
    array[1, 1, 1:8] = 200
    assert len(as_volume(array, voxel_size_nm=(8, 8, 8)).skeleton(200, service="local").nodes_nm) == 7


@pytest.mark.parametrize("axes", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("size_nm", [(40, 16, 16), (16, 16, 16)])
def test_a_skeleton_is_turned_with_its_volume(axes: tuple[int, ...], size_nm: tuple[float, ...]) -> None:
    array = np.zeros((40, 90, 70), np.uint64)
    draw_tube(array, [(100, 100, 100), (300, 700, 500), (560, 1300, 200)], 70, size_nm, label=5)
    draw_tube(array, [(300, 700, 500), (500, 900, 1000)], 50, size_nm, label=5)
    expected = voxome.skeleton(array, 5, voxel_size_nm=size_nm)
    turned = voxome.skeleton(array.transpose(axes), 5, voxel_size_nm=[size_nm[axis] for axis in axes])
    assert np.allclose(turned.nodes_nm, expected.nodes_nm[:, axes])
    assert np.array_equal(turned.edges, expected.edges)
