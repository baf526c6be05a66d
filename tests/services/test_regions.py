"""Measures of segments and contacts, compared with numpy."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import voxome
from voxome.errors import InvalidBox, InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.testing import ServiceContract

BIG = (2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2)
SIZE = (40.0, 16.0, 8.0)
IDS = st.sampled_from([0, 1, 2, *BIG])
SHAPES = st.tuples(*[st.integers(1, 6)] * 3)
LABELS = SHAPES.flatmap(lambda shape: hnp.arrays(np.uint64, shape, elements=IDS))


def _faces(labels: np.ndarray, axis: int) -> list[tuple[int, int, np.ndarray]]:
    """Return both labels and twice the position of every face across an axis, the outside as -1."""
    found = []
    for voxel in np.ndindex(labels.shape):
        for side in (0, 1):
            other = np.array(voxel)
            other[axis] += 2 * side - 1
            inside = 0 <= other[axis] < labels.shape[axis]
            if side == 0 and inside:
                continue
            place = 2 * np.array(voxel) + 1
            place[axis] += 2 * side - 1
            found.append((int(labels[voxel]), int(labels[tuple(other)]) if inside else -1, place))
    return [one for one in found if one[0] != one[1]]


@given(LABELS)
def test_segments_are_measured_as_by_numpy(labels: np.ndarray) -> None:
    table = voxome.regions(labels, voxel_size_nm=SIZE)
    assert table["id"].tolist() == [one for one in np.unique(labels).tolist() if one]
    faces = [_faces(labels, axis) for axis in range(3)]
    for one in table["id"].tolist():
        row, points = table.row(one), np.argwhere(labels == one)
        assert row["voxels"] == len(points)
        assert row["volume_nm3"] == len(points) * np.prod(SIZE)
        assert [row[f"start_{axis}"] for axis in "zyx"] == points.min(axis=0).tolist()
        assert [row[f"stop_{axis}"] for axis in "zyx"] == (points.max(axis=0) + 1).tolist()
        centre = points.mean(axis=0) + 0.5
        np.testing.assert_allclose([row[axis] for axis in "zyx"], centre, rtol=1e-14)
        np.testing.assert_allclose([row[f"{axis}_nm"] for axis in "zyx"], centre * SIZE, rtol=1e-14)
        counts = [sum(one in pair for *pair, _ in across) for across in faces]
        assert [row[f"faces_{axis}"] for axis in "zyx"] == counts
        assert row["surface_nm2"] == np.dot(counts, (16 * 8, 40 * 8, 40 * 16))


@pytest.mark.slow
@given(LABELS)
def test_contacts_are_those_of_numpy(labels: np.ndarray) -> None:
    table = voxome.contacts(labels, voxel_size_nm=SIZE)
    expected: dict[tuple[int, int], list[list[np.ndarray]]] = {}
    for axis in range(3):
        for one, other, place in _faces(labels, axis):
            if one > 0 and other > 0:
                expected.setdefault((min(one, other), max(one, other)), [[], [], []])[axis].append(place / 2)
    assert list(zip(table["a"].tolist(), table["b"].tolist(), strict=True)) == sorted(expected)
    for pair, places in expected.items():
        row, areas = table.row(*pair), np.array([16 * 8, 40 * 8, 40 * 16])
        counts = [len(across) for across in places]
        assert [row[f"faces_{axis}"] for axis in "zyx"] == counts
        assert row["area_nm2"] == np.dot(counts, areas)
        weights = np.repeat(areas, counts)
        centre = np.average(np.concatenate([np.reshape(across, (-1, 3)) for across in places]), axis=0, weights=weights)
        np.testing.assert_allclose([row[f"{axis}_nm"] for axis in "zyx"], centre * SIZE, rtol=1e-12)


@pytest.mark.slow
@given(LABELS, st.data())
def test_values_are_summed_as_exactly_as_whole_numbers(labels: np.ndarray, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, np.bool_]))
    image = data.draw(hnp.arrays(dtype, labels.shape))
    table = voxome.regions(labels, image)
    for one in table["id"].tolist():
        row = table.row(one)
        under = image[labels == one].astype(np.float64)
        finite = [float(value) for value in under if np.isfinite(value)]
        assert row["values"] == len(finite)
        if not finite:
            assert all(np.isnan(row[name]) for name in ("mean", "std", "min", "max"))
            continue
        exact = [Fraction(value) for value in finite]
        mean = sum(exact) / len(exact)
        assert row["mean"] == float(mean)
        variance = sum((value - mean) ** 2 for value in exact) / len(exact)
        if variance:  # as fractions: squares of floats may be larger than any float
            assert abs(Fraction(row["std"]) ** 2 / variance - 1) < Fraction(1, 10**14)
        else:
            assert row["std"] == 0
        assert (row["min"], row["max"]) == (min(finite), max(finite))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_in_memory_does_not_matter(order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    labels, image = rng.integers(0, 4, (5, 6, 7)), rng.random((5, 6, 7), np.float32)
    turned = labels.transpose(order).copy().transpose(np.argsort(order))
    flipped = labels[::-1, :, ::-1].copy()[::-1, :, ::-1]
    expected = voxome.regions(labels, image, voxel_size_nm=SIZE)
    touching = voxome.contacts(labels, voxel_size_nm=SIZE)
    for other in (turned, flipped):
        _assert_equal(voxome.regions(other, image, voxel_size_nm=SIZE), expected)
        _assert_equal(voxome.contacts(other, voxel_size_nm=SIZE), touching)


DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", ">u4", ">i8")


@pytest.mark.parametrize("dtype", DTYPES)
def test_labels_are_of_any_integer_type(dtype: str) -> None:
    labels = np.random.default_rng(1).integers(0, 100, (4, 5, 6))
    _assert_equal(voxome.regions(labels.astype(dtype)), voxome.regions(labels))


def test_a_volume_without_labels_has_no_rows() -> None:
    background = np.zeros((3, 4, 5), np.uint64)
    table = voxome.regions(background, background, voxel_size_nm=SIZE)
    assert len(table) == 0
    assert {"major_z", "mean"} <= set(table.columns)
    assert len(voxome.contacts(background)) == 0


def test_few_but_large_ids_take_no_memory() -> None:
    labels = np.zeros((4, 4, 4), np.uint64)
    labels[0, 0, 0], labels[3, 3, 3] = 5, 2**63 + 3
    table = voxome.regions(labels)
    assert table["id"].tolist() == [5, 2**63 + 3]
    assert table["voxels"].tolist() == [1, 1]


def test_voxels_that_share_an_edge_or_a_corner_only_do_not_touch() -> None:
    labels = np.zeros((2, 2, 2), np.uint64)
    labels[0, 0, 0], labels[1, 1, 0], labels[0, 1, 1] = 1, 2, 3
    assert len(voxome.contacts(labels)) == 0


def test_the_middle_of_ten_voxels_is_5() -> None:
    row = voxome.regions(np.ones((10, 10, 10), np.uint16), voxel_size_nm=(40, 4, 8)).row(1)
    assert [row[f"{axis}_nm"] for axis in "zyx"] == [200, 20, 40]


@pytest.mark.parametrize("start", [(0, 0, 0), (10**9, 2 * 10**9, 3), (-7, -(10**9), 5)])
def test_places_far_away_are_exact(start: tuple[int, int, int]) -> None:
    uri = f"memory://far-{abs(hash(start))}"
    spec = voxome.VolumeSpec.of((12, 10, 8), "uint64", start=start, kind="labels", voxel_size_nm=(1, 1, 1))
    volume = voxome.create(uri, spec)
    volume[2:9, 3:7, 1:4] = 2**63 + 5
    row, near = volume.regions().row(2**63 + 5), voxome.regions(volume[...], voxel_size_nm=(1, 1, 1)).row(2**63 + 5)
    assert [row[axis] for axis in "zyx"] == [first + at for first, at in zip(start, (5.5, 5.0, 2.5), strict=True)]
    assert [row[f"start_{axis}"] for axis in "zyx"] == [first + at for first, at in zip(start, (2, 3, 1), strict=True)]
    for name in ("major_axis_nm", "minor_axis_nm", "major_z"):
        assert row[name] == near[name]


@pytest.mark.slow
def test_a_cube_of_600_voxels_is_exact_at_any_place() -> None:
    spec = voxome.VolumeSpec.of((600,) * 3, "uint8", start=(10**9, 0, 7), kind="labels", voxel_size_nm=(40, 4, 4))
    volume = voxome.create("memory://cube-600", spec)
    volume[...] = 1
    row = volume.regions(volume).row(1)
    assert row["voxels"] == 600**3
    assert [row[axis] for axis in "zyx"] == [10**9 + 300, 300, 307]
    assert row["major_axis_nm"] == pytest.approx(2 * np.sqrt(5 / 12) * 600 * 40, rel=1e-12)
    assert (row["values"], row["mean"], row["std"]) == (600**3, 1, 0)


def _ellipsoid(size: tuple[float, float, float]) -> np.ndarray:
    """Return voxels of an ellipsoid with the semi-axes 20, 10 and 50."""
    axes = [np.arange(-edge + step / 2, edge, step) for edge, step in zip((24, 14, 54), size, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return ((z / 20) ** 2 + (y / 10) ** 2 + (x / 50) ** 2 <= 1).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 1, 1), (1, 2, 4)])
def test_the_axes_of_an_ellipsoid_are_found(size: tuple[float, float, float]) -> None:
    row = voxome.regions(_ellipsoid(size), voxel_size_nm=size).row(1)
    axes = [row[f"{rank}_axis_nm"] for rank in ("major", "middle", "minor")]
    np.testing.assert_allclose(axes, (100, 40, 20), rtol=0.02)
    directions = [[row[f"{rank}_{axis}"] for axis in "zyx"] for rank in ("major", "middle", "minor")]
    np.testing.assert_allclose(directions, [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 5), (1, 1, 9)])
def test_thin_segments_have_finite_measures(shape: tuple[int, int, int]) -> None:
    row = voxome.regions(np.ones(shape, np.uint8), voxel_size_nm=SIZE).row(1)
    assert all(np.isfinite(value) for value in row.values())
    assert row["minor_axis_nm"] > 0


def test_measures_in_nm_are_unknown_without_a_voxel_size() -> None:
    row = voxome.regions(np.ones((2, 2, 2), np.uint8)).row(1)
    assert (row["z"], row["voxels"], row["faces_z"]) == (1, 8, 8)
    assert all(np.isnan(value) for name, value in row.items() if "_nm" in name)


def test_a_box_measures_what_is_inside(tmp_path: Path) -> None:
    labels = np.random.default_rng(1).integers(0, 5, (9, 10, 11)).astype(np.uint64)
    volume = voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", chunk=(4, 4, 4), voxel_size_nm=SIZE, kind="labels")
    part = labels[2:8, 1:9, 3:10]
    inside, expected = volume.regions(box="2:8,1:9,3:10"), voxome.regions(part, voxel_size_nm=SIZE)
    assert inside["voxels"].tolist() == expected["voxels"].tolist()
    assert inside["faces_x"].tolist() == expected["faces_x"].tolist()
    np.testing.assert_allclose(inside["y"], expected["y"] + 1)
    assert inside["start_z"].tolist() == (expected["start_z"] + 2).tolist()
    touching, known = volume.contacts(box="2:8,1:9,3:10"), voxome.contacts(part, voxel_size_nm=SIZE)
    assert touching["area_nm2"].tolist() == known["area_nm2"].tolist()
    for box in ("0:0,0:4,0:4", "0:10,0:4,0:4"):
        with pytest.raises(InvalidBox):
            volume.regions(box=box)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [(3, 3, 3), (4, 4, 4), (8, 8, 8)])
def test_blocks_do_not_matter(tmp_path: Path, chunk: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.resources.local_ids.BLOCK_VOXELS", 1)
    rng = np.random.default_rng(1)
    labels = rng.choice(np.array([0, 7, *BIG], np.uint64), (9, 10, 11))
    image = rng.normal(size=labels.shape)
    stored = voxome.put(labels, f"zarr://{tmp_path}/labels.zarr", chunk=chunk, voxel_size_nm=SIZE, kind="labels")
    shown = voxome.put(image, f"zarr://{tmp_path}/image.zarr", chunk=chunk, voxel_size_nm=SIZE)
    monkeypatch.undo()
    whole, touching = voxome.regions(labels, image, voxel_size_nm=SIZE), voxome.contacts(labels, voxel_size_nm=SIZE)
    monkeypatch.setattr("voxome.resources.local_ids.BLOCK_VOXELS", 1)
    _assert_equal(stored.regions(shown), whole)
    _assert_equal(stored.contacts(), touching)
    assert stored.ids().tolist() == whole["id"].tolist()
    for row in range(len(whole)):
        box = stored.bounding_box(int(whole["id"][row]))
        assert box.start == tuple(int(whole[f"start_{axis}"][row]) for axis in "zyx")
        assert box.stop == tuple(int(whole[f"stop_{axis}"][row]) for axis in "zyx")


def test_some_segments_are_returned_or_named_as_missing() -> None:
    labels = np.array([[[3, 5, 2**63 + 5]]], np.uint64)
    assert voxome.regions(labels, ids=[2**63 + 5, 3])["id"].tolist() == [3, 2**63 + 5]
    with pytest.raises(NotFound, match="has no label 4, 9223372036854775812"):
        voxome.regions(labels, ids=[3, 4, 2**63 + 4])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((2, 2, 2), 1.5, np.float32), "float32; expected integer labels"),
        (np.array([[[3, -5]]]), r"there is the label -5; expected labels of at least 0"),
        (np.ones((2, 2), np.uint64), "expected integer labels along z, y and x"),
    ],
)
def test_anything_but_labels_is_refused(labels: np.ndarray, message: str) -> None:
    for service in (voxome.regions, voxome.contacts):
        with pytest.raises(InvalidInput, match=message):
            service(labels)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            np.ones((2, 2, 3)),
            "^the image has 2,2,3 voxels, 0:2,0:2,0:3; expected those of the labels: 2,2,2, 0:2,0:2,0:2",
        ),
        (np.ones((1, 2, 2)), "expected those of the labels"),
        (np.ones((2, 2, 2, 2)), "expected numbers along z, y and x"),
        (np.full((2, 2, 2), 2**53 + 1), r"values up to 9007199254740993; expected whole numbers up to 2\*\*53"),
    ],
)
def test_an_image_of_other_voxels_is_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        voxome.regions(np.ones((2, 2, 2), np.uint64), image)


@pytest.mark.slow
def test_a_million_segments_are_measured() -> None:
    labels = np.arange(10**6, dtype=np.uint64).reshape(100, 100, 100) * np.uint64(2**43) + np.uint64(1)
    table = voxome.regions(labels)
    assert table["id"].tolist() == labels.ravel().tolist()
    assert (table["voxels"] == 1).all()


def test_a_table_says_what_made_it(tmp_path: Path) -> None:
    volume = voxome.put(np.ones((2, 2, 2), np.uint64), f"zarr://{tmp_path}/labels.zarr", kind="labels")
    made = volume.regions().provenance
    assert (made.service, made.way, made.tool) == ("regions", "local", "common.regions")
    assert [one.uri for one in made.inputs] == [volume.uri]


def test_a_service_that_no_store_has_is_refused() -> None:
    labels = np.ones((2, 2, 2), np.uint64)
    with pytest.raises(UnsupportedFormat, match="no store performs 'regions' itself"):
        voxome.regions(labels, service="own")
    with pytest.raises(UnknownName, match="Unknown service 'locl' of contacts"):
        voxome.contacts(labels, service="locl")


class TestRegions(ServiceContract):
    name = "regions"

    @pytest.fixture
    def volume(self, bare_volume: voxome.Volume) -> voxome.Volume:
        bare_volume[...] = 5
        return bare_volume

    def check(self, result: voxome.Table) -> None:
        assert result["voxels"].tolist() == [8]


class TestContacts(TestRegions):
    name = "contacts"

    def check(self, result: voxome.Table) -> None:
        assert result.columns[:2] == ("a", "b")


def _assert_equal(one: voxome.Table, other: voxome.Table) -> None:
    assert one.columns == other.columns
    for name in one.columns:
        assert one[name].dtype == other[name].dtype
        np.testing.assert_array_equal(one[name], other[name])
