from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import voxome
from voxome import Box, VolumeSpec
from voxome.contracts.handle import Handle
from voxome.contracts.uri import Uri
from voxome.errors import InvalidBox, InvalidInput, InvalidUri, ReadOnly
from voxome.kinds import Image, Probability
from voxome.resources.open import locate, open_source
from voxome.resources.views import Windowed
from voxome.resources.volume_like import ArraySource
from voxome.services.delete import require_deletable

GREY = np.random.default_rng(5).integers(0, 4096, (6, 7, 8)).astype(np.uint16)


def save(path: Path, array: NDArray[Any]) -> str:
    np.save(path / "a.npy", array)
    return str(path / "a.npy")


def window(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    scaled = np.rint(255 * (values.astype(float) - low) / (high - low))
    clipped: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return clipped


def test_a_channel_and_a_time_are_chosen(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6).astype(np.uint16)
    uri = save(tmp_path, array)
    one = voxome.open(f"{uri}?t=1&c=2", expect=voxome.Volume)
    assert one.axes == ("z", "y", "x")
    assert np.array_equal(one[:], array[1, 2])
    assert np.array_equal(one.cutout("1:3,0:2,4:6"), array[1, 2, 1:3, 0:2, 4:6])
    assert voxome.open(f"{uri}?c=0", expect=voxome.Volume).axes == ("t", "z", "y", "x")


def test_a_trailing_channel_axis_of_hdf5_is_named(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (4, 5, 6, 3)).astype(np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("raw", data=array, chunks=(2, 5, 6, 1))
    volume = voxome.open(f"{tmp_path}/a.h5/raw?axes=zyxc", expect=voxome.Volume)
    assert (volume.axes, volume.shape, volume.chunks) == (("c", "z", "y", "x"), (3, 4, 5, 6), (1, 2, 5, 6))
    assert np.array_equal(volume[:], np.moveaxis(array, -1, 0))
    red = voxome.open(f"{tmp_path}/a.h5/raw?c=1&axes=zyxc", expect=voxome.Volume)
    assert np.array_equal(red[1:3], array[1:3, ..., 1])


def test_windows_scale_round_and_clip(tmp_path: Path) -> None:
    uri = save(tmp_path, GREY)
    volume = voxome.open(f"{uri}?dtype=uint8&window=100:3000", expect=voxome.Volume)
    assert volume.dtype == np.uint8
    assert np.array_equal(volume[:], window(GREY, 100, 3000))
    assert np.array_equal(voxome.open(f"{uri}?window=3000:100", expect=voxome.Volume)[:], window(GREY, 3000, 100))
    deep = voxome.open(f"{uri}?dtype=uint16&window=0:4095", expect=voxome.Volume)[:]
    assert np.array_equal(deep, np.rint(65535 * (GREY / 4095)))


def test_what_is_not_a_number_is_zero_and_infinities_are_clipped(tmp_path: Path) -> None:
    uri = save(tmp_path, np.array([[[np.nan, np.inf, -np.inf, 0.5]]], np.float32))
    assert voxome.open(f"{uri}?window=0:1", expect=voxome.Volume)[:].ravel().tolist() == [0, 255, 0, 128]


def test_a_bool_array_needs_no_window(tmp_path: Path) -> None:
    uri = save(tmp_path, GREY > 2000)
    volume = voxome.open(f"{uri}?dtype=uint8", expect=voxome.Volume)
    assert np.array_equal(volume[:], np.where(GREY > 2000, 255, 0))


def test_percentages_become_grey_values_and_ignore_padding(tmp_path: Path) -> None:
    padded = np.zeros((6, 7, 40), np.uint16)
    padded[..., :8] = GREY + 1
    located = locate(save(tmp_path, padded) + "?window=1%:99%")
    low, high = (float(end) for end in located.query["window"].split(":"))
    assert np.allclose((low, high), np.percentile(GREY + 1, (1, 99)), rtol=0.02)
    assert Uri.parse(str(located)) == located
    assert np.array_equal(open_source(str(located)).read(Box.of_shape(padded.shape)), window(padded, low, high))


@pytest.mark.slow
def test_a_large_volume_is_sampled_the_same_way_each_time() -> None:
    noise = np.random.default_rng(1).normal(size=(260, 260, 260)).astype(np.float32)
    volume = voxome.create("memory://large-window", VolumeSpec.of(noise.shape, "float32"))
    volume[:] = noise
    one, two = (locate("memory://large-window?window=0.5%:99.5%") for _ in range(2))
    assert one == two
    low, high = (float(end) for end in one.query["window"].split(":"))
    assert np.allclose((low, high), np.percentile(noise, (0.5, 99.5)), atol=0.02)


@given(st.data())
def test_any_box_of_a_view_is_that_of_the_array(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 5)] * 4))
    start = data.draw(st.tuples(*[st.integers(-3, 3)] * 4))
    axes = data.draw(st.permutations("czyx"))
    array = np.random.default_rng(0).integers(0, 1000, shape).astype(np.int32)
    uri = f"memory://view-{shape}-{start}".replace(" ", "")
    with suppress(FileExistsError):
        voxome.create(uri, VolumeSpec.of(shape, "int32", start=start))[:] = array
    at = axes.index("c")
    channel = data.draw(st.integers(0, shape[at] - 1))
    if start[at] + channel < 0:
        return
    source = open_source(f"{uri}?axes={''.join(axes)}&c={start[at] + channel}&window=10:900")
    order = [axes.index(name) for name in "czyx"]
    expected = window(array.transpose(order)[channel], 10, 900)
    domain = source.spec.domain
    assert domain == Box.of_shape(expected.shape, [start[i] for i in order[1:]])
    low = [data.draw(st.integers(a, b - 1)) for a, b in zip(domain.start, domain.stop, strict=True)]
    high = [data.draw(st.integers(a + 1, b)) for a, b in zip(low, domain.stop, strict=True)]
    box = Box(tuple(low), tuple(high))
    out = np.empty(box.shape, np.uint8)
    assert source.read(box, out=out) is out
    assert np.array_equal(out, expected[box.within(domain)])


def test_another_first_index_keeps_positions() -> None:
    spec = VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(40, 4, 4), offset_nm=(0, 2, 2))
    volume = voxome.create("memory://shifted", spec)
    volume[1, 2, 3] = 7
    view = voxome.open("memory://shifted?start=10,20,30", expect=voxome.Volume)
    assert view.cutout("11:12,22:23,33:34").item() == 7
    assert view.spec.centre_nm((11, 22, 33)) == spec.centre_nm((1, 2, 3))


@pytest.mark.slow
def test_levels_are_seen_through_the_same_view(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    image = np.random.default_rng(0).integers(0, 4095, (16, 16, 16)).astype(np.uint16)
    np.save(tmp_path / "a.npy", image)
    voxome.transfer(f"{tmp_path}/a.npy", uri, levels=2, state=tmp_path / "state")
    view, plain = (voxome.open(uri + end, expect=voxome.Volume) for end in ("?window=0:4095", ""))
    assert len(view.levels) == 2
    coarse = view.level(1)
    assert np.array_equal(coarse[:], window(plain.level(1)[:], 0, 4095))
    assert np.array_equal(voxome.open(coarse.uri, expect=voxome.Volume)[:], coarse[:])


def test_a_view_has_a_version_of_its_own(tmp_path: Path) -> None:
    uri = save(tmp_path, GREY)
    tokens = {open_source(uri + end).version().token for end in ("", "?window=0:1", "?window=0:2")}
    assert len(tokens) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("c=1", "no c"),
        ("t=x", "is not an index"),
        ("axes=zy", "3 axes"),
        ("axes=zzx", "at most once"),
        ("axes=abc", "letters"),
        ("window=5", "expected two different values"),
        ("window=5:5", "expected two different values"),
        ("window=1%:99", "expected two different values"),
        ("window=1%:101%", "percentages"),
        ("window=nan:1", "expected two different values"),
        ("dtype=uint8", "needs the values"),
        ("dtype=float32&window=0:1", "not supported"),
        ("start=1,2", "three indices"),
        ("window=0:1&clip=no", "use true or false"),
        ("clip=false", "needs a window"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        voxome.open(f"{save(tmp_path, GREY)}?{options}")


def test_a_channel_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no c 3; give one from 0 to 2"):
        voxome.open(save(tmp_path, np.zeros((3, 4, 4, 4), np.uint8)) + "?c=3")


def test_values_outside_a_window_that_does_not_clip_cannot_be_read(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    values[0, 0, 0] = np.nan
    values[3, 4, 5] = 1 + 1e-6
    uri = f"{save(tmp_path, values)}?window=0:1&clip=false"
    assert np.array_equal(voxome.open(uri, expect=voxome.Volume)[:], window(np.nan_to_num(values), 0, 1))
    for outside in (7, -0.5, np.inf):
        values[2, 0, 0] = outside
        save(tmp_path, values)
        volume = voxome.open(uri, expect=voxome.Volume)
        assert np.array_equal(volume[3], window(values[3], 0, 1))
        with pytest.raises(InvalidInput, match=rf"a\.npy.* has values from .*{outside:g}.*add \?window=LO:HI"):
            volume[2]


def test_a_probability_outside_the_sample_that_is_not_from_0_to_1_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxome.resources.sample._WHOLE", 1)
    monkeypatch.setattr("voxome.resources.sample._EDGE", 2)
    values = np.zeros((20, 20, 20), np.float32)
    values[5] = 7
    reader = Probability().open(Probability().locate(Handle("volume", save(tmp_path, values))))
    with pytest.raises(InvalidInput, match="values from 7 to 7"):
        reader.read(Box((5, 0, 0), (6, 4, 4)))
    values[9, 9, 9] = 7
    with pytest.raises(InvalidInput, match="values from 0 to 7"):
        Probability().locate(Handle("volume", save(tmp_path, values)))


def test_a_constant_volume_has_no_window_in_per_cent(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is constant"):
        voxome.open(save(tmp_path, np.full((8, 8, 8), 9, np.uint16)) + "?window=1%:99%")


def test_views_are_neither_written_nor_created_nor_removed(tmp_path: Path) -> None:
    uri = save(tmp_path, GREY)
    with pytest.raises(ReadOnly, match="only read"):
        voxome.open(f"{uri}?window=0:1", mode="r+")
    with pytest.raises(ReadOnly, match="only read"):
        voxome.open(f"{uri}?window=0:1", expect=voxome.Volume)[0] = 1
    with pytest.raises(InvalidUri, match="leave out window="):
        voxome.create(f"npy://{tmp_path}/b.npy?window=0:1", VolumeSpec.of((1, 1, 1), "uint8"))
    with pytest.raises(InvalidUri, match="leave out c="):
        require_deletable(f"{uri}?c=0")
    assert np.array_equal(np.load(uri), GREY)


def test_a_view_is_transferred(tmp_path: Path) -> None:
    uri = save(tmp_path, GREY)
    target = f"zarr://{tmp_path}/a.zarr"
    report = voxome.transfer(f"{uri}?window=0%:100%", target, verify="all", state=tmp_path / "state")
    assert f"window={GREY.min()}:{GREY.max()}" in report.source
    assert np.array_equal(
        voxome.open(target, expect=voxome.Volume)[:], window(GREY, float(GREY.min()), float(GREY.max()))
    )


def test_a_run_notices_that_the_volume_behind_a_view_was_replaced(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    volume = voxome.create(uri, VolumeSpec.of(GREY.shape, "uint16"))
    volume[:] = GREY
    key = Image().locate(Handle("volume", f"{uri}?window=0:9")).key
    assert key == Image().locate(Handle("volume", f"{uri}?window=0:9")).key
    volume[0] = 7
    assert key != Image().locate(Handle("volume", f"{uri}?window=0:9")).key


def test_an_out_of_another_shape_is_refused() -> None:
    array = ArraySource(np.zeros((2, 3, 4), "uint8"))
    for source in (array, Windowed(array, "uint8", 0, 255, "memory://x")):
        with pytest.raises(InvalidBox, match=r"out has shape \(5, 2, 3, 4\)"):
            source.read(array.spec.domain, out=np.empty((5, 2, 3, 4), "uint8"))
