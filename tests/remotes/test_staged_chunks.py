"""Staged writes of sharded arrays leave what plain writes leave, in every store that has shards."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from zarr.codecs import TransposeCodec

import voxome
from voxome.contracts.abilities import SupportsStagedWrites, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox, ReadOnly
from voxome.geometry import BlockGrid, Box
from voxome.testing.strategies import boxes, noise

SCHEMES = ("zarr", "precomputed")
CODECS: dict[str, tuple[str | None, ...]] = {
    "zarr": (None, "blosc", "raw"),
    "precomputed": (None, "compressed_segmentation", "raw"),
}
SHAPE, START, CHUNK, SHARD = (11, 18, 23), (3, -5, 100), (4, 4, 4), (8, 8, 16)


def make(scheme: str, folder: Path, codec: str | None = None, *, axes: str = "zyx", **options: Any) -> VolumeSource:
    """A volume in shards that its shape is no multiple of."""
    lead = len(axes) - 3
    encoding = {"codec": codec} if codec else {}
    spec = VolumeSpec.of(
        (2,) * lead + SHAPE,
        options.pop("dtype", "uint64"),
        axes=tuple(axes),
        chunk=(2,) * lead + CHUNK,
        write_chunk=(2,) * lead + SHARD,
        start=(0,) * lead + START,
        encoding=encoding,
        **options,
    )
    return voxome.create(f"{scheme}://{folder}", spec).source


def stage(source: VolumeSource) -> Any:
    found = ability(source, SupportsStagedWrites)
    assert found is not None
    return found.stage()


def values_of(box: Box, seed: int) -> NDArray[np.uint64]:
    """Few labels, and none at all for every third seed."""
    return noise(box.shape, "uint8").astype(np.uint64) % 3 * np.uint64(seed % 3) * np.uint64(seed)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_staged_voxels_replace_what_was_there_as_plain_writes_do(scheme: str, data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from(CODECS[scheme]))
    domain = Box.of_shape(SHAPE, START)
    some = boxes(domain) | st.just(domain) | st.just(Box.of_shape(SHARD, START) & domain)
    before, staged = data.draw(st.lists(some, max_size=2)), data.draw(st.lists(some, max_size=4))
    expected = np.zeros(SHAPE, np.uint64)
    with tempfile.TemporaryDirectory() as folder:
        source = make(scheme, Path(folder), codec)
        for seed, box in enumerate(before, 5):
            source.write(box, values_of(box, seed))
            expected[box.within(domain)] = values_of(box, seed)
        assert_array_equal(source.read(domain), expected)
        with stage(source) as put:
            for seed, box in enumerate(staged, 10):
                put(box, values_of(box, seed))
                expected[box.within(domain)] = values_of(box, seed)
        assert_array_equal(source.read(domain), expected)
        again = voxome.open(f"{scheme}://{folder}", expect=voxome.Volume).source
        assert_array_equal(again.read(domain), expected)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_stored_after_an_error(tmp_path: Path, scheme: str) -> None:
    source = make(scheme, tmp_path / "v")
    domain = source.spec.domain

    def fail() -> None:
        with stage(source) as put:
            put(domain, values_of(domain, 1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not source.read(domain).any()
    assert not shards_in(tmp_path)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("staged", [True, False])
def test_shards_without_voxels_are_removed(tmp_path: Path, scheme: str, staged: bool) -> None:
    source = make(scheme, tmp_path / "v")
    domain = source.spec.domain
    source.write(domain, values_of(domain, 1))
    assert shards_in(tmp_path)
    if staged:
        with stage(source) as put:
            put(domain, np.zeros(domain.shape, np.uint64))
    else:
        source.write(domain, np.zeros(domain.shape, np.uint64))
    assert not source.read(domain).any()
    assert not shards_in(tmp_path)


def test_a_damaged_shard_is_replaced_part_by_part(tmp_path: Path) -> None:
    source = make("zarr", tmp_path / "v")
    shard = Box.of_shape(SHARD, START)
    source.write(shard, values_of(shard, 1))
    (file,) = shards_in(tmp_path)
    file.write_bytes(b"damaged")
    values = values_of(shard, 2)
    with stage(source) as put:
        for block in BlockGrid(shard, (3, 5, 7)):
            put(block.write, values[block.write.within(shard)])
    assert_array_equal(source.read(shard), values)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_threads_put_parts_of_the_same_chunks(tmp_path: Path, scheme: str) -> None:
    source = make(scheme, tmp_path / "v", axes="czyx", dtype="uint8", kind="image")
    domain = source.spec.domain
    values = noise(domain.shape, "uint8")
    with stage(source) as put, ThreadPoolExecutor(4) as pool:
        boxes = [block.write for block in BlockGrid(domain, (1, 3, 2, 9))]
        list(pool.map(lambda box: put(box, values[box.within(domain)]), boxes))
    assert_array_equal(source.read(domain), values)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_wrong_puts_are_refused(tmp_path: Path, scheme: str) -> None:
    source = make(scheme, tmp_path / "v")
    domain = source.spec.domain
    with stage(source) as put:
        with pytest.raises(InvalidBox, match="not inside the domain"):
            put(domain.grow((1, 0, 0)), np.zeros((1, 1, 1), np.uint64))
        with pytest.raises(InvalidBox, match="data have shape"):
            put(domain, np.zeros((1, 1, 1), np.uint64))
    reader = voxome.open(f"{scheme}://{tmp_path}/v", expect=voxome.Volume).source
    with stage(reader) as put, pytest.raises(ReadOnly, match="mode='r\\+'"):
        put(domain, np.zeros(domain.shape, np.uint64))


@pytest.mark.parametrize("order", ["C", "F"])
def test_zarr_python_reads_and_completes_staged_shards(tmp_path: Path, order: str) -> None:
    array = zarr.create_array(
        tmp_path / "v", shape=SHAPE, shards=SHARD, chunks=CHUNK, dtype="int16", fill_value=-7,
        filters=[TransposeCodec(order=(2, 1, 0))] if order == "F" else "auto",
        chunk_key_encoding={"name": "v2", "separator": "."},
    )  # fmt: skip
    source = voxome.open(f"zarr://{tmp_path}/v", mode="r+", expect=voxome.Volume).source
    values = noise(SHAPE, "int16")
    array[4:, 4:, 4:] = values[4:, 4:, 4:]
    domain = source.spec.domain
    with stage(source) as put:
        for box in (Box((0, 0, 0), (4, 18, 23)), Box((4, 0, 0), (11, 4, 23)), Box((4, 4, 0), (11, 18, 4))):
            put(box, values[box.within(domain)])
    assert_array_equal(array[:], values)


def shards_in(folder: Path) -> list[Path]:
    """Files with voxels."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name not in ("info", "zarr.json")]
