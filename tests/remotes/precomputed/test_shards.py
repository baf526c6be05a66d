"""Values in shards: tensorstore writes them, and both ways of finding them agree."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from remotes.precomputed.layers import BIG_IDS, SHARDING, write_shards

from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.precomputed.keyed import KeyedValues
from voxome.remotes.precomputed.shards import locate_value
from voxome.storage.find import storage_path
from voxome.storage.path import StoragePath
from voxome.testing.volume_case import any_example


def folder(path: object) -> StoragePath:
    return storage_path(Uri("precomputed", str(path)))


@pytest.mark.parametrize("hash", ["identity", "murmurhash3_x86_128"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_values_are_located_where_tensorstore_wrote_them(tmp_path: Path, hash: str, encoding: str) -> None:
    sharding = {**SHARDING, "hash": hash, "minishard_index_encoding": encoding}
    values = {id: f"value of {id}".encode() for id in [*BIG_IDS, *range(100, 160, 3)]}
    write_shards(tmp_path, sharding, values)
    found = KeyedValues(folder(tmp_path), sharding)
    assert found.ids().tolist() == sorted(values)
    assert found.read_all(values) == list(values.values())
    assert found.read(101) is None
    for id, value in values.items():
        location = locate_value(folder(tmp_path), sharding, id)
        assert location is not None
        stored = location.file.read_range(location.start, location.stop)
        assert zlib.decompress(stored or b"", wbits=31) == value
    assert locate_value(folder(tmp_path), sharding, 101) is None
    assert locate_value(folder(tmp_path / "none"), sharding, 100) is None


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"hash": "sha1"}, UnsupportedFormat, "the hash 'sha1' of its shards is unknown; expected identity or murmur"),
        ({"shard_bits": None}, CorruptData, "shard_bits of its shards is None; expected an integer from 0 to 64"),
        ({"preshift_bits": "many"}, CorruptData, "preshift_bits of its shards is 'many'"),
        ({"minishard_bits": -1}, CorruptData, "minishard_bits of its shards is -1"),
        ({"minishard_bits": 40}, CorruptData, "minishard_bits of its shards is 40; expected an integer from 0 to 22"),
    ],
)
def test_wrong_parameters_of_shards_are_named(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        locate_value(folder(tmp_path), {**SHARDING, **change}, 100)


@pytest.mark.slow
def test_any_id_is_hashed_to_the_shard_that_tensorstore_chooses(tmp_path_factory: pytest.TempPathFactory) -> None:
    sharding = {**SHARDING, "preshift_bits": 0, "shard_bits": 9, "minishard_bits": 3}

    @any_example
    @given(id=st.integers(0, 2**64 - 1))
    def check(id: int) -> None:
        path = tmp_path_factory.mktemp("shards")
        write_shards(path, sharding, {id: b"value"})
        location = locate_value(folder(path), sharding, id)
        assert location is not None
        assert [location.file.name] == [file.name for file in path.iterdir()]

    check()


def test_a_broken_index_is_corrupt(tmp_path: Path) -> None:
    sharding: dict[str, Any] = {**SHARDING, "minishard_bits": 0, "shard_bits": 0}
    write_shards(tmp_path, sharding, {5: b"value"})
    file = tmp_path / "0.shard"
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    with pytest.raises(CorruptData, match=r"0\.shard"):
        locate_value(folder(tmp_path), sharding, 5)
    with pytest.raises(CorruptData):
        KeyedValues(folder(tmp_path), sharding).read(5)


def test_unknown_sharding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="hash"):
        KeyedValues(folder(tmp_path), {**SHARDING, "hash": "md5"}).read(5)


def test_only_names_that_are_ids_are_listed(tmp_path: Path) -> None:
    for name in ("5", "info", "7.gz", "8.txt", "-3", "05a", str(2**64), str(2**64 - 1)):
        (tmp_path / name).write_bytes(b"")
    assert KeyedValues(folder(tmp_path), None).ids().tolist() == [5, 7, 2**64 - 1]
