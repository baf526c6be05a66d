"""Volumes are indexed as numpy arrays are, in every store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome import Box, Volume, VolumeSpec
from voxome.errors import InvalidBox, InvalidInput, NotFound, ReadOnly
from voxome.testing.strategies import boxes, noise

SHAPE = (7, 9, 6)
BACK_ENDS = ("memory", "zarr", "hdf5", "npy")
Make = Callable[..., Volume]

some = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


@pytest.fixture(params=BACK_ENDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Create a volume, in chunks where the format has them."""
    scheme: str = request.param

    def create(spec: VolumeSpec) -> Volume:
        name = uuid4().hex
        paths = {
            "memory": name,
            "zarr": f"{tmp_path}/{name}.zarr",
            "hdf5": f"{tmp_path}/{name}.h5/raw",
            "npy": f"{tmp_path}/{name}.npy",
        }
        return voxome.create(f"{scheme}://{paths[scheme]}", spec)

    return create


@pytest.fixture
def pair(make: Make) -> tuple[Volume, NDArray[Any]]:
    """A volume and the array that it holds."""
    array = noise(SHAPE, "int32")
    volume = make(VolumeSpec.of(SHAPE, "int32", chunk=(3, 4, 5)))
    volume[...] = array
    return volume, array


@st.composite
def array_keys(draw: st.DrawFn, shape: tuple[int, ...] = SHAPE) -> tuple[Any, ...]:
    """Keys with one integer or boolean array among slices, integers, newaxes and an ellipsis, also of no axis."""
    mask_axes = draw(st.integers(0, 2))
    axis = draw(st.integers(0, len(shape) - max(1, mask_axes)))
    part: NDArray[Any]
    if mask_axes:
        part = draw(hnp.arrays(bool, shape[axis : axis + mask_axes]))
    else:
        sides = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4))
        part = draw(hnp.arrays(np.int64, sides, elements=st.integers(-shape[axis], shape[axis] - 1)))
    before = [draw(plain_parts(n)) for n in shape[:axis]]
    after = [draw(plain_parts(n)) for n in shape[axis + max(1, mask_axes) :]]
    if draw(st.booleans()):
        before.insert(draw(st.integers(0, len(before))), None)
    if draw(st.booleans()):
        after = [Ellipsis, *after[draw(st.integers(0, len(after))) :]]
    elif draw(st.booleans()):
        before.insert(draw(st.integers(0, len(before))), Ellipsis)
    return (*before, part, *after)


def plain_parts(size: int) -> st.SearchStrategy[Any]:
    return st.one_of(st.slices(size), st.integers(-size, size - 1))


basic_keys = hnp.basic_indices(SHAPE, allow_newaxis=True, allow_ellipsis=True)


@pytest.mark.slow
@pytest.mark.parametrize("keys", [basic_keys, array_keys()], ids=["basic", "array"])
def test_reading_matches_numpy(pair: tuple[Volume, NDArray[Any]], keys: st.SearchStrategy[Any]) -> None:
    volume, array = pair

    @some
    @given(key=keys)
    def check(key: Any) -> None:
        result = volume[key]
        assert result.dtype == array.dtype
        assert_array_equal(result, array[key])
        assert np.shape(result) == np.shape(array[key])

    check()


@pytest.mark.slow
@pytest.mark.parametrize("keys", [basic_keys, array_keys()], ids=["basic", "array"])
def test_writing_matches_numpy(pair: tuple[Volume, NDArray[Any]], keys: st.SearchStrategy[Any]) -> None:
    volume, array = pair

    @some
    @given(key=keys, scalar=st.booleans(), broadcast=st.booleans(), seed=st.integers(0, 99))
    def check(key: Any, scalar: bool, broadcast: bool, seed: int) -> None:
        shape = np.shape(array[key])
        if scalar:
            value: Any = seed
        else:
            value = noise(shape[1:] if broadcast and shape else shape, "int32", seed)
        if isinstance(key, tuple) and any(isinstance(part, np.ndarray) and part.dtype.kind == "i" for part in key):
            whole = np.zeros(SHAPE, int)
            np.add.at(whole, key, 1)
            assume(scalar or whole.max() <= 1)  # numpy leaves open which of several values a voxel gets
        array[key] = value
        volume[key] = value
        assert_array_equal(volume[...], array)

    check()


@pytest.mark.parametrize(
    "key",
    [
        7,
        -8,
        (0, 9),
        (0, 0, 0, 0),
        (Ellipsis, Ellipsis),
        1.5,
        "x",
        [7],
        [-8],
        np.zeros(6, bool),
        (0, np.zeros((9, 7), bool)),
    ],
    ids=str,
)
def test_keys_that_numpy_refuses_are_refused(pair: tuple[Volume, NDArray[Any]], key: Any) -> None:
    volume, array = pair
    with pytest.raises(IndexError):
        array[key]
    with pytest.raises(IndexError):
        volume[key]
    with pytest.raises(IndexError):
        volume[key] = 0


@pytest.mark.parametrize("key", [np.s_[::0], np.s_[0, ::0]])
def test_a_step_of_zero_is_refused(pair: tuple[Volume, NDArray[Any]], key: Any) -> None:
    with pytest.raises(ValueError, match="zero"):
        pair[0][key]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (np.s_[:2], np.ones((3, 9, 6))),
        (np.s_[0, 0], np.ones(5)),
        ([0, 1], np.ones((3, 9, 6))),
    ],
)
def test_values_that_do_not_fit_write_nothing(pair: tuple[Volume, NDArray[Any]], key: Any, value: Any) -> None:
    volume, array = pair
    with pytest.raises(ValueError, match="broadcast"):
        array.copy()[key] = value
    with pytest.raises(ValueError):
        volume[key] = value
    assert_array_equal(volume[...], array)


@pytest.mark.parametrize("key", [([0, 1], [0, 1]), (np.array([0, 1]), slice(None), np.array([True] * 6))])
def test_several_index_arrays_are_refused_and_oindex_suggested(pair: tuple[Volume, NDArray[Any]], key: Any) -> None:
    with pytest.raises(IndexError, match=r"\.oindex"):
        pair[0][key]
    with pytest.raises(IndexError, match=r"\.oindex"):
        pair[0][key] = 1


@pytest.mark.parametrize(
    "key",
    [
        np.s_[:, [0, 3, 1], ..., -1],
        np.s_[0, ..., [0, 3, 1], :],
        np.s_[0, ..., [0, 3, 1]],
        np.s_[[0, 3, 1], ..., 2],
        np.s_[[0, 3, 1], 2, ...],
        np.s_[..., 0, [0, 3, 1]],
        np.s_[0, [0, 3, 1], ...],
        np.s_[0, None, [0, 3, 1]],
        np.s_[0, 1, 2, ...],
        np.s_[np.array(1), :, [0, 3, 1]],
    ],
    ids=str,
)
def test_an_integer_beside_an_index_array_follows_numpy(pair: tuple[Volume, NDArray[Any]], key: Any) -> None:
    volume, array = pair
    assert np.shape(volume[key]) == np.shape(array[key])
    assert_array_equal(volume[key], array[key])
    volume[key] = array[key] = -7
    assert_array_equal(volume[...], array)


def test_oindex_takes_an_ellipsis(pair: tuple[Volume, NDArray[Any]]) -> None:
    volume, array = pair
    assert_array_equal(volume.oindex[..., [2, 1]], array[..., [2, 1]])
    assert_array_equal(volume.oindex[[2, 1], ..., [0, 3]], array[[2, 1]][..., [0, 3]])
    for key in ([2, 1], None), ([[2, 1]],), (..., ...):
        with pytest.raises(IndexError):
            volume.oindex[key]


@pytest.mark.slow
def test_oindex_indexes_each_axis_separately(pair: tuple[Volume, NDArray[Any]]) -> None:
    volume, array = pair
    rows = st.lists(st.integers(-7, 6), min_size=1, max_size=5)
    columns = hnp.arrays(bool, 9)

    @some
    @given(rows=rows, columns=columns, last=plain_parts(6))
    def check(rows: list[int], columns: NDArray[Any], last: Any) -> None:
        expected = array[rows][:, columns][:, :, last]
        assert_array_equal(volume.oindex[rows, columns, last], expected)

    check()
    assert_array_equal(volume.oindex[[2, 1]], array[[2, 1]])


def test_a_volume_has_the_attributes_of_an_array(pair: tuple[Volume, NDArray[Any]]) -> None:
    volume, array = pair
    for name in ("shape", "ndim", "size", "dtype", "nbytes"):
        assert getattr(volume, name) == getattr(array, name), name
    assert len(volume) == 7
    assert_array_equal(np.asarray(volume), array)
    assert np.asarray(volume, dtype="float32").dtype == np.float32
    assert_array_equal(np.concatenate(list(volume)), np.concatenate(list(array)))
    with pytest.raises(ValueError, match="copy"):
        np.array(volume, copy=False)
    assert "7" in repr(volume)
    assert "int32" in repr(volume)


def test_results_are_copies(pair: tuple[Volume, NDArray[Any]]) -> None:
    volume, array = pair
    volume[...][...] = 0
    volume[2:4][...] = 0
    assert_array_equal(volume[...], array)


def test_a_volume_is_opened_for_reading(pair: tuple[Volume, NDArray[Any]]) -> None:
    volume, array = pair
    again = voxome.open(volume.uri)
    with pytest.raises(ReadOnly, match=r"r\+"):
        again[0] = 1
    voxome.open(volume.uri, mode="r+")[0] = 1
    array[0] = 1
    assert_array_equal(again[...], array)
    with pytest.raises(NotFound, match="level 1"):
        again.level(1)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("uint16", 70000),
        ("uint16", -1),
        ("uint16", np.nan),
        ("uint8", 3.5),
        ("uint8", np.uint16(256)),
        ("int8", True + 200),
        ("bool", 2),
        ("uint64", -1.0),
        ("uint64", 2**64),
        ("float32", 1e300),
        ("float32", 1j),
    ],
)
def test_values_that_the_dtype_cannot_hold_are_refused(make: Make, dtype: str, value: Any) -> None:
    volume = make(VolumeSpec.of((2, 3, 4), dtype))
    for data in (value, np.full(4, value), [value] * 4):
        with pytest.raises(InvalidInput, match=f"expected values of {dtype} that fit"):
            volume[0, 0] = data
        with pytest.raises(InvalidInput, match=f"expected values of {dtype} that fit"):
            volume.paste("0:1,0:1,0:4", data)
    with pytest.raises(InvalidInput, match=f"expected values of {dtype} that fit"):
        volume[0, 0, [0, 2]] = value
    assert not volume[...].any()


def test_floats_are_rounded_to_shorter_ones(make: Make) -> None:
    volume = make(VolumeSpec.of((2, 3, 4), "float32"))
    volume[0] = 0.1
    volume[1] = np.full((3, 4), [0.1, np.nan, np.inf, 1])
    assert_array_equal(volume[0], np.full((3, 4), 0.1, "float32"))
    assert_array_equal(volume[1], np.full((3, 4), [0.1, np.nan, np.inf, 1], "float32"))


def test_a_value_is_looked_for_in_all_voxels(pair: tuple[Volume, NDArray[Any]]) -> None:
    volume, _ = pair
    volume[...] = 5
    volume[6, 8, 5] = 3
    assert 3 in volume
    assert np.int64(5) in volume
    assert 4 not in volume
    with pytest.raises(InvalidInput, match="is not a number"):
        _ = [3, 5] in volume


@pytest.mark.parametrize("dtype", ["uint8", "uint64", "float32"])
def test_values_are_cast_as_numpy_does(make: Make, dtype: str) -> None:
    volume = make(VolumeSpec.of((2, 3, 4), dtype))
    array = np.zeros((2, 3, 4), dtype)
    for target in (volume, array):
        target[0] = np.full((3, 4), 7.0)
        target[1, :, ::2] = True
    assert_array_equal(volume[...], array)
    assert volume[...].dtype == array.dtype


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["memory", "zarr"])
def test_cutout_and_paste_use_the_coordinates_of_the_store(scheme: str, tmp_path: Path) -> None:
    spec = VolumeSpec.of(SHAPE, "uint8", start=(-3, 10, 0), chunk=(3, 4, 5))
    path = uuid4().hex if scheme == "memory" else str(tmp_path / "a.zarr")
    volume = voxome.create(f"{scheme}://{path}", spec)
    array = noise(SHAPE, "uint8")
    volume.paste(volume.domain, array)
    assert_array_equal(volume[-1, 2:4], array[-1, 2:4])

    @some
    @given(box=boxes(spec.domain))
    def check(box: Box) -> None:
        assert_array_equal(volume.cutout(box), array[box.within(spec.domain)])

    check()
    volume.paste(Box((-3, 10, 0), (-1, 12, 2)), 5)
    array[:2, :2, :2] = 5
    for target in (volume, array):
        target[4:, ::-2, [0, 3]] = 9
        target[-1] = 11
    assert_array_equal(volume[...], array)
    with pytest.raises(InvalidBox):
        volume.cutout(Box((0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError):
        volume.paste(Box((-3, 10, 0), (-1, 12, 2)), np.ones((3, 2, 2)))


def test_indices_far_apart_do_not_read_what_is_between_them() -> None:
    volume = voxome.create(f"memory://{uuid4().hex}", VolumeSpec.of((1000, 4, 4), "uint8", chunk=(10, 4, 4)))
    volume[[1, 990]] = 3
    sizes: list[int] = []
    read = volume.source.read
    volume.source.read = lambda box, **options: (sizes.append(box.size), read(box, **options))[1]  # type: ignore[method-assign]
    assert (volume[[990, 1]] == 3).all()
    assert sum(sizes) == 2 * 16


def test_an_empty_selection_can_be_assigned_what_numpy_accepts(pair: tuple[Volume, NDArray[Any]]) -> None:
    volume, array = pair
    volume[2:2] = 5
    volume[2:2] = np.zeros((0, 9, 6))
    for key, value in ((np.s_[2:2], np.zeros((3, 9, 6))), (np.s_[:, 4:4, 1], np.zeros((7, 2)))):
        with pytest.raises(ValueError, match="broadcast"):
            array[key] = value
        with pytest.raises(InvalidInput, match="that fit the shape"):
            volume[key] = value
    assert_array_equal(volume[...], array)


def test_a_volume_is_a_table_in_a_notebook() -> None:
    volume = voxome.create("memory://<html>", voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(40, 4, 4)))
    html = volume._repr_html_()
    assert "<td>memory://&lt;html&gt;</td>" in html
    assert "<th>voxel size (nm)</th><td>40 × 4 × 4</td>" in html


def test_a_volume_is_iterated_by_sections_that_are_read_a_chunk_at_a_time(tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of((7, 4, 5), "uint8", chunk=(3, 4, 5))
    voxels = noise((7, 4, 5), "uint8")
    with voxome.create(f"zarr://{tmp_path}/sections.zarr", spec) as volume:
        volume[...] = voxels
    reads: list[int] = []
    read = volume.source.read
    volume.source.read = lambda box, **options: reads.append(box.shape[0]) or read(box, **options)  # type: ignore
    sections = iter(volume)
    assert_array_equal(next(sections), voxels[0])
    assert reads == [3]
    assert_array_equal(list(sections), voxels[1:])
    assert reads == [3, 3, 1]


@pytest.mark.slow
def test_xarray_has_names_and_units(tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of((4, 5, 6), "uint8", start=(1, 0, 0), voxel_size_nm=(40, 4, 4), offset_nm=(0, 2, 2))
    volume = voxome.create(f"zarr://{tmp_path}/em.zarr", spec, attributes={"stain": "lead"})
    volume[...] = 7
    array = volume.to_xarray()
    assert (array.name, array.dims, array.attrs["stain"], array.attrs["kind"]) == (
        "em.zarr",
        ("z", "y", "x"),
        "lead",
        "image",
    )
    assert array.z.values.tolist() == [40, 80, 120, 160]
    assert {array[axis].attrs["units"] for axis in "zyx"} == {"nm"}
    assert int(array.sel(z=80, y=2, x=slice(2, 10)).sum()) == 3 * 7
    plain = voxome.create(f"zarr://{tmp_path}/plain.zarr", voxome.VolumeSpec.of((4, 5, 6), "uint8")).to_xarray()
    assert plain.x.attrs["units"] == "index"


def test_a_created_volume_has_an_absolute_uri_without_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    created = voxome.create("zarr://a.zarr", VolumeSpec.of((2, 3, 4), "uint8"))
    put = voxome.put(noise((2, 3, 4), "uint8"), Path("a.zarr"), at=(0, 0, 0))
    assert created.uri == put.uri == f"zarr://{tmp_path}/a.zarr"
    shown = Volume(created.source, "zarr://https://u:secret@host/a.zarr")
    assert "secret" not in repr(shown) + shown._repr_html_() + str(shown.to_xarray().attrs)


@pytest.mark.parametrize("value", [None, np.zeros((2, 2, 2)), np.array([5, 6])])
def test_values_that_do_not_fit_are_refused_without_the_words_of_numpy(value: Any) -> None:
    volume = voxome.create(
        f"memory://words-{np.size(value)}-{np.ndim(value)}", voxome.VolumeSpec.of((4, 4, 4), "uint8")
    )
    for write in (lambda: volume.paste("0:1,0:1,0:1", value), lambda: volume.__setitem__((0, 0, 0), value)):
        with pytest.raises(InvalidInput, match=r"expected values of uint8 that fit the shape \([1, ]*\)$"):
            write()
