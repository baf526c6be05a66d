"""Listings: the same on a disk and in a bucket; no entry ends or hides one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h5py
import httpx
import numpy as np
import pytest
from peers.s3 import BUCKET, Bucket
from standins.faulty_proxy import Answer, FaultyProxy

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, NotFound, StoreError
from voxome.storage import s3_listing
from voxome.storage.find import storage_at

SPEC = VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(40, 4, 4))
VOLUMES = (
    "zarr://a.zarr",
    "zarr://a-b.zarr",
    "n5://b.n5",
    "precomputed://c",
    "zarr://lab/group/plain",
    "n5://lab/group/n.n5/em",
    "n5://lab/group/n.n5/seg",
    "precomputed://lab/group/deep/p",
    "zarr://lab/group/deep/z",
    "zarr://lab/old",
)
ENCODINGS: dict[str, dict[str, Any]] = {
    "zarr://lab/old": {"format": "zarr2"},
    "zarr://lab/group/plain": {"ome": False},
}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Ten volumes in five formats, up to three folders down, and files of no format."""
    for uri in VOLUMES:
        scheme, _, path = uri.partition("://")
        voxome.create(f"{scheme}://{tmp_path}/{path}", SPEC, encoding=ENCODINGS.get(uri))[...] = 7
    for name in ("notes.txt", "lab/readme.md", "empty/.keep"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no volume")
    return tmp_path


def _listed(address: str, *, recursive: bool) -> list[tuple[str, str, str]]:
    """Scheme and path below an address, type and description of what is listed there."""
    root = address.partition("?")[0]
    found = voxome.ls(address, recursive=recursive)
    return [(one.uri.partition("?")[0].replace(root, ""), one.type, one.description) for one in found]


@pytest.mark.slow
def test_a_bucket_is_listed_as_the_same_folder_on_a_disk(
    lab: Path, bucket: Bucket, fresh_key: Callable[[], str]
) -> None:
    bucket.upload(lab, root := fresh_key())
    for path, entries in {
        "": 6,
        "/lab": 2,
        "/lab/group": 4,
        "/lab/group/deep": 2,
        "/lab/group/n.n5": 2,
        "/c": 1,
    }.items():
        for recursive in (False, True):
            on_disk = _listed(f"{lab}{path}", recursive=recursive)
            assert _listed(bucket.uri(f"{root}{path}"), recursive=recursive) == on_disk
            assert recursive or len(on_disk) == entries
    for info in voxome.ls(bucket.uri(root), recursive=True):
        assert info.type == "folder" or (voxome.open(info.uri, expect=voxome.Volume)[...] == 7).all()
    everything = [Uri.parse(info.uri) for info in voxome.ls(f"s3://{BUCKET}?endpoint={bucket.url}")]
    assert Uri.parse(bucket.uri(root)) in everything


@pytest.mark.slow
def test_a_listing_asks_for_no_chunk(lab: Path, bucket: Bucket, fresh_key: Callable[[], str]) -> None:
    bucket.upload(lab, root := fresh_key())
    with FaultyProxy(bucket.url) as proxy:
        voxome.ls(bucket.uri(root, proxy.url), recursive=True)
        targets = [unquote(one.target) for one in proxy.seen]
    assert [target for target in targets if "list-type=2" in target]
    chunks = [key for key in bucket.keys(root) if not key.endswith((".json", ".zarray", ".zgroup", ".zattrs", "info"))]
    assert len(chunks) >= len(VOLUMES)
    assert not [target for target in targets if any(target.endswith(chunk) for chunk in chunks)]


@pytest.mark.slow
def test_folders_of_more_than_one_page_are_listed_whole(
    bucket: Bucket, fresh_key: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_listing, "PAGE_NAMES", 3)
    root = fresh_key()
    for name in ("a-b/x", "a/x", "a/y", "b", "c/x", "c0", "d//x", "d/"):
        bucket.client.put_object(Bucket=BUCKET, Key=f"{root}/{name}", Body=b"")
    folder = storage_at(bucket.uri(root))
    assert [len(page.folders) + len(page.files) for page in folder.pages()] == [3, 3]
    assert folder.entries() == (["a", "a-b", "c", "d"], ["b", "c0"])
    assert (folder / "d").entries() == ([], [])
    assert [info.uri.partition("?")[0].rpartition("/")[2] for info in voxome.ls(bucket.uri(root))] == [
        "a",
        "a-b",
        "c",
        "d",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["", "zarr://", "n5://", "precomputed://"])
def test_what_does_not_exist_is_named(bucket: Bucket, scheme: str) -> None:
    with pytest.raises(NotFound, match="the bucket nowhere does not exist"):
        voxome.ls(f"{scheme}s3://nowhere/a?endpoint={bucket.url}")
    with pytest.raises(NotFound, match="s3://voxels/nothing/here does not exist"):
        voxome.ls(f"{scheme}{bucket.uri('nothing/here')}")
    with pytest.raises(NotFound, match="the bucket nowhere does not exist"):
        voxome.open(f"{scheme}s3://nowhere/a?endpoint={bucket.url}")
    with pytest.raises(NotFound, match="s3://voxels/nothing/here does not exist"):
        voxome.open(f"{scheme}{bucket.uri('nothing/here')}")


@pytest.fixture
def strict(bucket: Bucket) -> Iterator[None]:
    """A server that checks credentials."""
    httpx.post(f"{bucket.url}/moto-api/reset-auth", content=b"0")
    yield
    httpx.post(f"{bucket.url}/moto-api/reset-auth", content=b"inf")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["", "zarr://"])
def test_a_refusal_is_named_without_the_keys(bucket: Bucket, strict: None, scheme: str) -> None:
    with pytest.raises(AccessDenied, match=r"s3://voxels/a.*403.*give other credentials") as caught:
        voxome.ls(f"{scheme}{bucket.uri('a')}")
    assert not [word for word in ("AKIATEST", "hush") if word in str(caught.value)]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed"])
@pytest.mark.parametrize("fault", [Answer(503, b"<Error><Code>SlowDown</Code></Error>"), Answer(403)])
def test_a_volume_whose_files_cannot_be_fetched_is_listed_with_the_reason(
    bucket: Bucket, fresh_key: Callable[[], str], monkeypatch: pytest.MonkeyPatch, scheme: str, fault: Answer
) -> None:
    """A refusal makes it a folder: what it contains may be meant for others."""
    monkeypatch.setenv("VOXOME_RETRIES", "0")
    key = fresh_key()
    for name in ("a", "b"):
        voxome.create(f"{scheme}://{bucket.uri(f'{key}/{name}')}", SPEC)
    with FaultyProxy(bucket.url) as proxy:
        proxy.chance(1, fault, seed=0, target=rf"GET .*{key}/a/")
        found = voxome.ls(bucket.uri(key, proxy.url))
    assert [one.type for one in found] == ["unreadable" if fault.status == 503 else "folder", "volume"]
    assert ("503" in found[0].description) == (fault.status == 503)


@pytest.mark.slow
def test_another_region_is_named(bucket: Bucket) -> None:
    body = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message><Region>eu-west-1</Region></Error>"
    with FaultyProxy(bucket.url) as proxy:
        proxy.chance(1, Answer(301, body), seed=0)
        with pytest.raises(StoreError, match=r"the bucket voxels is in another region .*add \?region=eu-west-1"):
            list(storage_at(bucket.uri("a", proxy.url)).pages())


# Odd entries


@pytest.fixture(params=["disk", "bucket"])
def put(
    request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket, fresh_key: Callable[[], str]
) -> Callable[[], str]:
    """Function that puts the folder of the test on a disk or into a bucket, and returns its address."""

    def place() -> str:
        if request.param == "disk":
            return str(tmp_path)
        bucket.upload(tmp_path, root := fresh_key())
        return bucket.uri(root)

    return place


DAMAGED = {
    "zarr.json": ("zarr", b'{"zarr_format": 3, "node_type": "array", "shape": 3}'),
    ".zarray": ("zarr", b'{"zarr_format": 2, "shape": [1'),
    "attributes.json": ("n5", b'{"dimensions": 5, "dataType": "uint8"}'),
    "info": ("precomputed", b'{"@type": "neuroglancer_multiscale_volume", "scales": [[]]}'),
}


@pytest.mark.slow
@pytest.mark.parametrize("file", DAMAGED)
def test_a_damaged_volume_is_listed_with_the_reason(tmp_path: Path, put: Callable[[], str], file: str) -> None:
    scheme, text = DAMAGED[file]
    voxome.create(f"zarr://{tmp_path}/z", SPEC)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / file).write_bytes(text)
    damaged, other = voxome.ls(put())
    assert damaged.uri.startswith(f"{scheme}://")
    assert damaged.description.startswith("cannot be opened: ")
    assert other.description == "uint8 4,5,6"


@pytest.mark.slow
@pytest.mark.parametrize("recursive", [False, True])
def test_damaged_groups_hide_no_array(
    tmp_path: Path, put: Callable[[], str], recursive: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("g.zarr/a", "g.zarr/h/b"):
        voxome.create(f"zarr://{tmp_path}/{name}", SPEC, encoding={"format": "zarr2", "ome": False})
    for group in ("g.zarr", "g.zarr/h"):
        (tmp_path / group / ".zattrs").write_text("{not JSON")
    described = {info.uri.partition("?")[0].rpartition("/")[2]: info.description for info in voxome.ls(put())}
    assert described.keys() >= {"a", "b", "h", "g.zarr"}
    assert described["a"] == described["b"] == "uint8 4,5,6"
    assert "not JSON" in described["h"]
    assert "not JSON" in described["g.zarr"]
    assert len([record for record in caplog.records if "a group above is damaged" in record.getMessage()]) >= 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", b"\x93NUMPY\x01\x00"),
        ("a.tif", b"II*\0\0\0\0\0"),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.h5", b"\x89HDF\r\n\x1a\n"),
        ("a.nii", bytes(344) + b"n+1\0" + bytes(100)),
    ],
)
def test_a_damaged_file_is_listed_with_the_reason(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 4), "uint8"))
    damaged, other = voxome.ls(tmp_path)
    assert damaged.uri.endswith(name)
    assert damaged.description.startswith("cannot be opened: ")
    assert other.uri.endswith("b.npy")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/store/a", SPEC)
    lab = tmp_path / "lab"
    (lab / "inner").mkdir(parents=True)
    for link, target in {"linked": "../store/a", "up": "..", "inner/self": ".", "here": "nowhere", "x": "x"}.items():
        (lab / link).symlink_to(target)
    found = {info.uri.removeprefix("zarr://"): info.type for info in voxome.ls(lab, recursive=True)}
    assert found[str(lab / "linked")] == "volume"
    assert found[str(lab / "up/store/a")] == "volume"
    assert found[str(lab / "up/lab")] == found[str(lab / "inner/self")] == "folder"
    assert not [uri for uri in found if uri.endswith(("/self/self", "/up/up"))]
    assert found[str(lab / "here")] == found[str(lab / "x")] == "broken link"
    (here,) = (info for info in voxome.ls(lab) if info.uri.endswith("/here"))
    assert here.description.endswith("/here is a link to nowhere, which does not exist")


@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed"])
def test_linked_volumes_of_a_group_are_listed_in_both_forms(tmp_path: Path, scheme: str) -> None:
    voxome.create(f"{scheme}://{tmp_path}/store/a", SPEC)
    group = tmp_path / "group"
    if scheme == "zarr":
        voxome.create(f"zarr://{group}/own", SPEC, encoding={"ome": False})
        (group / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    else:
        voxome.create(f"{scheme}://{group}/own", SPEC)
    (group / "linked").symlink_to(tmp_path / "store/a")
    (group / "up").symlink_to(group)
    (group / "lost").symlink_to("elsewhere")
    for address in (str(group), f"{scheme}://{group}"):
        names = [info.uri.rpartition("/")[2] for info in voxome.ls(address) if info.type == "volume"]
        assert names == ["linked", "own"]
        (lost,) = (info for info in voxome.ls(address) if info.type == "broken link")
        assert lost.description.endswith("is a link to elsewhere, which does not exist")


@pytest.mark.slow
def test_folders_nested_very_deep_are_listed(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*["d"] * 120)
    deepest.mkdir(parents=True)
    np.save(deepest / "a.npy", np.zeros((2, 3, 4), "uint8"))
    found = voxome.ls(tmp_path, recursive=True)
    assert (len(found), found[-1].uri) == (121, f"npy://{deepest}/a.npy")
    assert next(iter(voxome.ls(f"npy://{deepest}"))).type == "volume"


def test_a_format_that_fails_at_an_entry_does_not_end_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    recognise = voxome.resources.listing.recognise  # type: ignore[attr-defined]

    def fail(path: Path) -> str | None:
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return str(recognise(path)) if recognise(path) else None

    monkeypatch.setattr("voxome.resources.listing.recognise", fail)
    found = [(Path(info.uri).name, info.type, info.description) for info in voxome.ls(tmp_path)]
    assert found[0::2] == [("a", "folder", ""), ("c", "folder", "")]
    assert found[1][:2] == ("b", "unreadable")
    assert "Permission denied" in found[1][2]


def test_odd_names_are_listed_and_open(tmp_path: Path) -> None:
    for name in ("run?a=1", "a b", "100%25", "x#1", "ü", os.fsdecode(b"\xff")):
        np.save(tmp_path / f"{name}.npy", np.full((2, 3, 4), 7, "uint8"))
        (tmp_path / f"{name}?c=1").mkdir()
        np.save(tmp_path / f"{name}?c=1" / "in.npy", np.full((2, 3, 4), 7, "uint8"))
    found = voxome.ls(tmp_path, recursive=True)
    assert len(found) == 18
    for info in found:
        assert info.type == "folder" or (voxome.open(info.uri, expect=voxome.Volume)[...] == 7).all()
        assert info.type != "folder" or len(voxome.ls(info.uri)) == 1


def test_links_of_a_file_that_lead_nowhere_are_listed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["raw"] = np.zeros((2, 3, 4), "uint8")
        h5["group/soft"] = h5py.SoftLink("/gone")
        h5["group/external"] = h5py.ExternalLink("gone.h5", "/raw")
    for address in (f"{tmp_path}/a.h5", str(tmp_path)):
        found = {info.uri.partition("a.h5/")[2]: info for info in voxome.ls(address)}
        assert {name: info.type for name, info in found.items()} == {
            "raw": "volume",
            "group/soft": "broken link",
            "group/external": "broken link",
        }
        assert found["group/soft"].description == "cannot be opened: a link to /gone, which does not exist"
        assert "a link to /raw in gone.h5" in found["group/external"].description
    assert voxome.open(f"{tmp_path}/a.h5").shape == (2, 3, 4)  # type: ignore[union-attr]
