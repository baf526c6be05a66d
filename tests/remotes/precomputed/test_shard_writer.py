"""Whole shards: read by us, by tensorstore and by cloud-volume."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from remotes.precomputed.layers import BIG_IDS

from voxome.contracts.id_groups import group_of
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.remotes.precomputed.keyed import KeyedValues
from voxome.remotes.precomputed.shard_writer import write_shard
from voxome.remotes.precomputed.sharding import Sharding
from voxome.remotes.precomputed.shards import locate_value
from voxome.storage.find import storage_path
from voxome.storage.path import StoragePath
from voxome.testing.volume_case import any_example

IDS = [*BIG_IDS, 2**64 - 1, 0, *range(1000, 1400, 7)]
ENCODINGS = [("raw", "raw"), ("gzip", "raw"), ("raw", "gzip"), ("gzip", "gzip")]


def folder(path: object) -> StoragePath:
    return storage_path(Uri("precomputed", str(path)))


def value_of(id: int) -> bytes:
    return f"value of {id} ".encode() * (id % 5)


def write(path: Path, sharding: Sharding, values: Mapping[int, tuple[bytes, ...]]) -> None:
    ids = np.array(sorted(values), np.uint64)
    shards = sharding.locate(ids)[0]
    for shard in range(1 << sharding.shard_bits):
        mine = [int(id) for id in ids[shards == shard]]
        assert write_shard(folder(path), sharding, shard, ((id, *values[id]) for id in mine)) == len(mine)


@pytest.mark.parametrize("hash", ["identity", "murmurhash3_x86_128"])
@pytest.mark.parametrize(("index", "data"), ENCODINGS)
def test_values_are_found_by_us_by_tensorstore_and_by_cloud_volume(
    tmp_path: Path, hash: str, index: str, data: str
) -> None:
    sharding = Sharding(
        shard_bits=2, minishard_bits=3, preshift_bits=1, hash=hash, minishard_index_encoding=index, data_encoding=data
    )
    write(tmp_path, sharding, {id: (value_of(id),) for id in IDS})
    found = KeyedValues(folder(tmp_path), sharding.to_json())
    assert found.ids().tolist() == sorted(IDS)
    assert found.read_all(IDS) == [value_of(id) for id in IDS]
    assert found.read(1) is None
    reader = peer(tmp_path, sharding)
    for id in IDS:
        location = locate_value(folder(tmp_path), sharding.to_json(), id)
        stored = location.file.read_range(location.start, location.stop)
        assert (gzip.decompress(stored) if data == "gzip" else stored) == value_of(id)
        if value_of(id):
            assert reader.get_data(id) == value_of(id)


def peer(path: Path, sharding: Sharding) -> Any:
    from cloudvolume import CloudVolume
    from cloudvolume.datasource.precomputed.sharding import ShardingSpecification, ShardReader

    info = CloudVolume.create_new_info(1, "segmentation", "uint64", "raw", [1, 1, 1], [0, 0, 0], [8, 8, 8], [8, 8, 8])
    layer = CloudVolume(f"file://{path}", info=info, progress=False)
    return ShardReader(layer.cloudpath, layer.cache, ShardingSpecification.from_dict(sharding.to_json()))


@pytest.mark.parametrize("data", ["raw", "gzip"])
def test_bytes_before_a_value_end_where_it_begins_and_are_not_compressed(tmp_path: Path, data: str) -> None:
    sharding = Sharding(shard_bits=1, minishard_bits=2, data_encoding=data)
    fragments = {id: f"fragments of {id}".encode() * (id % 3) for id in IDS}
    write(tmp_path, sharding, {id: (value_of(id), fragments[id]) for id in IDS})
    assert KeyedValues(folder(tmp_path), sharding.to_json()).read_all(IDS) == [value_of(id) for id in IDS]
    for id in IDS:
        location = locate_value(folder(tmp_path), sharding.to_json(), id)
        assert location.file.read_range(location.start - len(fragments[id]), location.start) == fragments[id]


@pytest.mark.slow
def test_any_parameters_and_ids_are_read_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    @any_example
    @given(
        ids=st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=30),
        preshift=st.integers(0, 64),
        bits=st.tuples(st.integers(0, 6), st.integers(0, 5)),
        hash=st.sampled_from(["identity", "murmurhash3_x86_128"]),
    )
    def check(ids: set[int], preshift: int, bits: tuple[int, int], hash: str) -> None:
        path = tmp_path_factory.mktemp("shards")
        sharding = Sharding(preshift_bits=preshift, minishard_bits=bits[0], shard_bits=bits[1], hash=hash)
        write(path, sharding, {id: (value_of(id),) for id in ids})
        found = KeyedValues(folder(path), sharding.to_json())
        assert found.ids().tolist() == sorted(ids)
        assert found.read_all(sorted(ids)) == [value_of(id) for id in sorted(ids)]

    check()


def test_a_group_of_ids_is_a_shard() -> None:
    ids = np.array(IDS, np.uint64)
    for groups in (1, 2, 64, 4096):
        assert Sharding.of_groups(groups).locate(ids)[0].tolist() == group_of(ids, groups).tolist()
    assert Sharding.of_groups(1).file_name(0) == "0.shard"
    assert Sharding.of_groups(4096).file_name(10) == "00a.shard"


def test_a_shard_is_replaced_and_removed_when_nothing_is_in_it(tmp_path: Path) -> None:
    sharding = Sharding(shard_bits=0, minishard_bits=0)
    read = KeyedValues(folder(tmp_path), sharding.to_json()).read
    write_shard(folder(tmp_path), sharding, 0, [(5, b"old"), (6, b"old")])
    write_shard(folder(tmp_path), sharding, 0, [(5, b"new")])
    assert [read(5), read(6)] == [b"new", None]
    assert write_shard(folder(tmp_path), sharding, 0, []) == 0
    assert list(tmp_path.iterdir()) == []
    assert write_shard(folder(tmp_path), sharding, 0, []) == 0


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([5, 5], "not in ascending order"),
        ([6, 5], "not in ascending order"),
        ([5, 6], "the value of id 6 belongs into shard 0, not 1"),
    ],
)
def test_what_does_not_belong_there_is_refused_and_the_old_file_kept(
    tmp_path: Path, ids: list[int], message: str
) -> None:
    sharding = Sharding(shard_bits=1, minishard_bits=0, hash="identity")
    write_shard(folder(tmp_path), sharding, 1, [(7, b"old")])
    with pytest.raises(InvalidInput, match=message):
        write_shard(folder(tmp_path), sharding, 1, [(id, b"new") for id in ids])
    assert [path.name for path in tmp_path.iterdir()] == ["1.shard"]
    assert KeyedValues(folder(tmp_path), sharding.to_json()).read(7) == b"old"


def test_a_shard_of_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"2 is not a shard of .*; expected 0 to 1"):
        write_shard(folder(tmp_path), Sharding(shard_bits=1), 2, [])


def test_order_is_checked_over_batches(tmp_path: Path) -> None:
    sharding = Sharding(shard_bits=0)
    values = [(id, b"") for id in range(5000)]
    assert write_shard(folder(tmp_path), sharding, 0, values) == 5000
    assert len(KeyedValues(folder(tmp_path), sharding.to_json()).ids()) == 5000
    with pytest.raises(InvalidInput, match="ascending"):
        write_shard(folder(tmp_path), sharding, 0, [*values[1:], values[0]])


@pytest.mark.slow
def test_values_are_taken_as_they_are_written(tmp_path: Path) -> None:
    """No more than a batch of large values is taken before its bytes are in the file."""
    sizes: list[int] = []

    def values() -> Iterator[tuple[int, bytes]]:
        for id in range(6):
            part = next(tmp_path.glob(".*.part"), None)
            sizes.append(part.stat().st_size if part else 0)
            yield id, bytes(20 << 20)

    write_shard(folder(tmp_path), Sharding(shard_bits=0), 0, values())
    assert sizes[-1] >= 4 * (20 << 20)


def test_equal_values_give_equal_files(tmp_path: Path) -> None:
    sharding = Sharding(shard_bits=0, data_encoding="gzip")
    for name in ("a", "b"):
        write_shard(folder(tmp_path / name), sharding, 0, [(id, value_of(id)) for id in range(50)])
    assert (tmp_path / "a/0.shard").read_bytes() == (tmp_path / "b/0.shard").read_bytes()


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected raw or gzip"):
        Sharding(shard_bits=1, data_encoding="zstd")
    with pytest.raises(InvalidInput, match="the hash 'sha1' of its shards is unknown"):
        Sharding(shard_bits=1, hash="sha1")
    with pytest.raises(InvalidInput, match="minishard_bits of its shards is 65"):
        Sharding(shard_bits=1, minishard_bits=65)
