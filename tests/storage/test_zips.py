"""Zips, read as folders."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import pytest
from peers.s3 import Bucket

import voxome
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, ReadOnly, UnsupportedFormat, VoxomeError
from voxome.storage import zips
from voxome.storage.find import storage_at, storage_path
from voxome.storage.zips import ZipPath, in_zip, is_zip


@pytest.fixture(params=[ZIP_STORED, ZIP_DEFLATED], ids=["stored", "deflated"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with ZipFile(tmp_path / "a.zip", "w", request.param) as file:
        file.writestr("top.json", "{}")
        file.writestr("in/side/deep.txt", "x" * 70_000)
    return tmp_path / "a.zip"


def test_files_in_a_zip_are_read(packed: Path) -> None:
    top = storage_at(f"{packed}|zip:")
    assert top.read("top.json") == b"{}"
    assert (top / "in/side").read("deep.txt") == b"x" * 70_000
    assert (top / "in" / "side" / "deep.txt").read_range(5, 8) == b"xxx"
    assert top.read("none") is None
    assert top.names() == ["in", "top.json"]
    assert storage_at(f"{packed}|zip:in/").names() == ["side"]


def test_the_address_of_a_folder_in_a_zip_gives_the_folder(packed: Path) -> None:
    below = storage_at(f"{packed}|zip:in/side")
    assert below.name == "side"
    assert below.parent is not None
    assert [one.name for one in below.parents] == ["in", "a.zip"]
    assert below.parent.read("side/deep.txt") == (storage_at(below.address)).read("deep.txt")
    assert (storage_at(f"{packed}|zip:") / "in").path == below.parent.path


def test_a_zip_in_a_zip_is_read(packed: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "outer.zip", "w") as file:
        file.write(packed, "x/inner.zip")
    assert storage_at(f"{tmp_path}/outer.zip|zip:x/inner.zip|zip:").read("top.json") == b"{}"


def test_a_local_zip_is_known_by_its_first_bytes(packed: Path, tmp_path: Path) -> None:
    packed.rename(tmp_path / "volume")
    (tmp_path / "text.zip").write_text("not one")
    assert is_zip(tmp_path / "volume")
    assert in_zip(storage_at(f"{tmp_path}/volume/in/side")).read("deep.txt") == b"x" * 70_000
    for other in (tmp_path, tmp_path / "text.zip", tmp_path / "none" / "none"):
        assert not isinstance(in_zip(storage_at(str(other))), ZipPath)


@pytest.mark.slow
def test_a_zip_in_a_bucket_is_known_by_its_suffix(packed: Path, bucket: Bucket, fresh_key: Callable[[], str]) -> None:
    folder = storage_at(bucket.uri(fresh_key()))
    (folder / "a.ozx").write_bytes(packed.read_bytes())
    inside = in_zip(folder / "a.ozx" / "in")
    assert (inside / "side").read("deep.txt") == b"x" * 70_000
    assert storage_at(inside.address).names() == ["side"]


@pytest.mark.slow
def test_a_zip_in_a_bucket_is_checked_like_others(packed: Path, bucket: Bucket, fresh_key: Callable[[], str]) -> None:
    folder = storage_at(bucket.uri(fresh_key()))
    (folder / "a.zip").write_bytes(packed.read_bytes())
    top = in_zip(folder / "a.zip")
    assert (top / "in/side/deep.txt").size() == 70_000
    with ZipFile(packed, "a") as file:
        file.writestr("odd", "y", compress_type=ZIP_LZMA)
    (folder / "b.zip").write_bytes(packed.read_bytes())
    other = in_zip(folder / "b.zip")
    assert isinstance(other, ZipPath)
    with pytest.raises(UnsupportedFormat, match="odd is compressed by method 14"):
        other.require_methods()
    (folder / "c.zip").write_bytes(packed.read_bytes())
    voxome.configure(largest_chunk_bytes=60_000)
    try:
        with pytest.raises(UnsupportedFormat, match=r"deep\.txt has 70,000"):
            in_zip(folder / "c.zip").read("top.json")
    finally:
        voxome.configure(largest_chunk_bytes=None)


def test_zips_are_not_written(packed: Path) -> None:
    before = packed.read_bytes()
    with pytest.raises(ReadOnly, match="is in a zip, which is only read"):
        storage_path(Uri("zarr", f"{packed}|zip:in"), writing=True)
    top = storage_at(f"{packed}|zip:")
    for write in (
        lambda: (top / "new").write_bytes(b""),
        lambda: (top / "top.json").unlink(),
        lambda: (top / "top.json").change_file(lambda _: b""),
        lambda: top.put_new({"new": b""}),
        top.delete,
    ):
        with pytest.raises(ReadOnly, match="in a zip"):
            write()
    assert packed.read_bytes() == before


def test_a_change_of_the_zip_changes_the_state_of_its_files(packed: Path) -> None:
    before = storage_at(f"{packed}|zip:in").tree_state()
    with ZipFile(packed, "a") as file:
        file.writestr("new", "")
    assert before != storage_at(f"{packed}|zip:in").tree_state() is not None


def test_sizes_are_kept_of_few_files_and_of_no_earlier_state(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "_checked", {})
    monkeypatch.setattr(zips, "_KEPT_FILES", 3)
    with ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("top.json", "{}")
    (tmp_path / "c.zip").write_bytes(packed.read_bytes())
    for _ in range(2):
        for name, files in (("a", 2), ("b", 1), ("c", 2)):
            assert len(storage_at(f"{tmp_path}/{name}.zip|zip:").names()) == files
            assert sum(len(sizes) for _, sizes in zips._checked.values()) <= 3
    with ZipFile(tmp_path / "c.zip", "a") as file:
        file.writestr("new", "x")
    assert storage_at(f"{tmp_path}/c.zip|zip:new").size() == 1
    assert list(zips._checked) == [f"{tmp_path}/c.zip"]


class Forgetful(dict[str, object]):
    """Keeps nothing, as if other zips were looked at all the time."""

    def __setitem__(self, key: str, value: object) -> None:
        pass


def test_a_size_is_known_whatever_other_zips_are_looked_at(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "_checked", Forgetful())
    with ZipFile(packed, "a") as file:
        file.writestr("new", "x")
    assert storage_at(f"{packed}|zip:new").size() == 1


@pytest.mark.parametrize("adapter", ["gzip", "ocdbt", "byte_range"])
def test_other_parts_of_a_pipeline_are_refused_by_name(tmp_path: Path, adapter: str) -> None:
    with pytest.raises(UnsupportedFormat, match=rf"\|{adapter}: is not supported"):
        storage_at(f"{tmp_path}/a|{adapter}:x")


def test_a_folder_may_have_the_name_of_a_pipeline(tmp_path: Path) -> None:
    (tmp_path / "a|zip:b").mkdir()
    (tmp_path / "a|zip:b" / "x").write_text("1")
    assert storage_at(f"{tmp_path}/a|zip:b").read("x") == b"1"
    assert storage_at(f"{tmp_path}/a|b").path == f"{tmp_path}/a|b"


def test_a_zip_whose_names_have_backslashes_is_refused(packed: Path) -> None:
    assert storage_at(f"{packed}|zip:in").names() == ["side"]
    with ZipFile(packed, "a") as file:
        entry = ZipInfo("name")
        entry.filename = "in\\other\\deep.txt"
        file.writestr(entry, "y")
    for path in (storage_at(f"{packed}|zip:in"), storage_at(f"{packed}|zip:")):
        with pytest.raises(UnsupportedFormat, match=r"a\.zip has names with backslashes, such as in\\other"):
            path.read("top.json")


@pytest.mark.parametrize("name", ["a\\b.zip", "a\\b/c.zip"])
def test_a_zip_at_a_path_with_a_backslash_is_refused(packed: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    packed.rename(tmp_path / name)
    with pytest.raises(UnsupportedFormat, match="has a backslash in its path"):
        storage_at(f"{tmp_path}/{name}|zip:").read("top.json")


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage"])
def test_a_damaged_zip_is_an_error(packed: Path, damage: str) -> None:
    data = packed.read_bytes()
    packed.write_bytes({"cut": data[:60], "empty": b"", "garbage": b"PK\x03\x04" + bytes(200)}[damage])
    with pytest.raises(VoxomeError, match=r"a\.zip"):
        storage_at(f"{packed}|zip:").read("top.json")


def change_entry(packed: Path, *, extra: bytes = b"", version: int = 20) -> None:
    """Change what the directory of a zip says of its first file."""
    data = packed.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", data, end + 12)
    directory, tail = bytearray(data[start:end]), bytearray(data[end:])
    (name,) = struct.unpack_from("<H", directory, 28)
    struct.pack_into("<H", directory, 6, version)
    struct.pack_into("<H", directory, 30, len(extra))
    directory[46 + name : 46 + name] = extra
    struct.pack_into("<I", tail, 12, size + len(extra))
    packed.write_bytes(data[:start] + directory + tail)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"extra": struct.pack("<HHc", 0x9999, 50, b"x")}, CorruptData, "is truncated or damaged: Corrupt extra field"),
        ({"version": 99}, UnsupportedFormat, r"is a zip that is not read: zip file version 9\.9; zip it again"),
    ],
    ids=["extra field", "version"],
)
def test_a_zip_whose_sizes_are_not_known_is_an_error(
    packed: Path, change: dict[str, Any], error: type[VoxomeError], message: str
) -> None:
    change_entry(packed)
    assert storage_at(f"{packed}|zip:").read("top.json") == b"{}"
    change_entry(packed, **change)
    for read in (lambda path: path.read("top.json"), lambda path: path.require_methods()):
        with pytest.raises(error, match=rf"a\.zip {message}"):
            read(ZipPath(storage_at(str(packed))))
