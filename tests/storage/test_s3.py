"""Every chunked format on S3: the contract through moto, seeded and inspected by boto3 and the formats' libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pytest
import remotes.test_n5 as n5
import remotes.test_precomputed as precomputed
import remotes.zarr.test_contract as zarr
from hypothesis import settings
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from peers.s3 import BUCKET, Bucket

import voxome
from voxome.contracts.abilities import SupportsAttributes, SupportsLevels, ability
from voxome.contracts.source import Remote
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, MissingExtra, NotFound, UnknownName, UnsupportedFormat
from voxome.resources.recognition import get_remote
from voxome.storage.find import storage_at
from voxome.testing import VolumeRemoteContract, volume_reading, volume_writing
from voxome.testing.strategies import noise
from voxome.testing.volume_case import any_example

pytestmark = pytest.mark.slow


class OnS3(VolumeRemoteContract):
    """Runs a contract of local folders on S3, with few examples, as every chunk is a request."""

    dtypes: ClassVar[tuple[str, ...]] = ("uint16",)
    ranks = (3,)
    scheme: ClassVar[str]

    @pytest.fixture(autouse=True)
    def few_examples(self, monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
        for module in (volume_reading, volume_writing):
            monkeypatch.setattr(module, "any_example", settings(any_example, max_examples=5))
        self.bucket = bucket

    @pytest.fixture
    def new_uri(self, bucket: Bucket) -> Callable[[], Uri]:
        return lambda: Uri(self.scheme, f"s3://{BUCKET}/{uuid4().hex}/v", {"endpoint": bucket.url})

    def parent_uri(self, uri: Uri) -> Uri | None:
        return Uri(uri.scheme, uri.path.removesuffix("/v"), uri.query)

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        spec = super().spec(rank, dtype, **others)
        chunk = (8, 8, 16)
        shard = chunk if spec.write_chunk == spec.read_chunk else (16, 16, 16)
        return spec.replace(read_chunk=chunk, write_chunk=shard)

    def test_threads_read_concurrently(self, remote: Remote, new_uri: Callable[[], Uri]) -> None:
        array, source = self.seed_and_open(remote, new_uri(), self.spec())
        with ThreadPoolExecutor(4) as pool:
            for result in pool.map(source.read, [source.spec.domain] * 8):
                assert_array_equal(result, array)

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        with tempfile.TemporaryDirectory() as folder:
            super().seed(Uri(uri.scheme, f"{folder}/a"), array, spec)
            self.bucket.upload(Path(folder, "a"), _key(uri))

    def inspect(self, uri: Uri) -> NDArray[Any]:
        with tempfile.TemporaryDirectory() as folder:
            self.bucket.download(_key(uri), Path(folder, "a"))
            return super().inspect(Uri(uri.scheme, f"{folder}/a"))

    test_it_recognises_its_own_arrays = None  # type: ignore[assignment]  # of local paths; for addresses see below


def _key(uri: Uri) -> str:
    return uri.path.removeprefix(f"s3://{BUCKET}/")


class TestZarr3(OnS3, zarr.TestOme):
    scheme = "zarr"


@pytest.mark.slow
class TestZarr3Sharded(OnS3, zarr.TestSharded):
    scheme = "zarr"


@pytest.mark.slow
class TestZarr2(OnS3, zarr.TestZarr2):
    scheme = "zarr"


@pytest.mark.slow
class TestN5(OnS3, n5.TestN5Contract):
    scheme = "n5"


class TestPrecomputed(OnS3, precomputed.TestPrecomputedContract):
    scheme = "precomputed"


@pytest.mark.slow
class TestPrecomputedSharded(OnS3, precomputed.TestShardedContract):
    scheme = "precomputed"


# What the contract does not ask

PLACE = {"voxel_size_nm": (40.0, 4.0, 8.0)}
LAYOUTS = {
    "zarr": {},
    "zarr2": {"format": "zarr2"},
    "shards": {},
    "n5": {},
    "precomputed": {},
    "precomputed shards": {},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_volume_is_created_written_read_and_removed(bucket: Bucket, layout: str) -> None:
    scheme = layout.split()[0] if layout.split()[0] in ("n5", "precomputed") else "zarr"
    shard = (32, 32, 32) if "shards" in layout else (16, 16, 16)
    root = uuid4().hex
    uri = f"{scheme}://{bucket.uri(f'{root}/lab/em')}"
    spec = VolumeSpec.of((20, 40, 33), "uint16", chunk=(16, 16, 16), write_chunk=shard, **PLACE)
    volume = voxome.create(uri, spec, encoding=LAYOUTS[layout] or None, attributes={"who": "µ"})
    assert volume.source.spec.write_chunk == shard
    array = noise(volume.shape, "uint16")
    volume[...] = array
    volume[3:7, 5, :] = 9
    array[3:7, 5, :] = 9
    pyramid = ability(volume.source, SupportsLevels)
    assert pyramid is not None
    level = pyramid.create_level((1, 2, 2))
    level.write(level.spec.domain, np.full(level.spec.domain.shape, 5, np.uint16))
    short = bucket.uri(f"{root}/lab/em")
    for again in (voxome.open(uri), voxome.open(short)):
        assert_array_equal(again[...], array)
        assert_array_equal(again[2:9, ::-3, 1], array[2:9, ::-3, 1])
        assert again.source.spec.attributes["who"] == "µ"
        assert again.source.spec.voxel_size_nm == spec.voxel_size_nm
    assert (voxome.open(f"{short}&level=1")[...] == 5).all()
    remote: Any = get_remote(scheme)
    assert [one.uri for one in remote.list(Uri.parse(f"{scheme}://{bucket.uri(root)}"))] == [str(Uri.parse(uri))]
    with pytest.raises(AlreadyExists):
        voxome.create(uri, spec)
    bucket.client.put_object(Bucket=BUCKET, Key=f"{root}/lab/em2/kept", Body=b"1")
    remote.delete(Uri.parse(uri))
    assert bucket.keys(f"{root}/") == [f"{root}/lab/em2/kept"]
    with pytest.raises(NotFound):
        voxome.open(uri)


def test_other_objects_are_not_overwritten(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=BUCKET, Key="taken/notes.txt", Body=b"1")
    for scheme in ("zarr", "n5", "precomputed"):
        with pytest.raises(AlreadyExists, match="s3://voxels/taken"):
            voxome.create(f"{scheme}://{bucket.uri('taken')}", VolumeSpec.of((4, 4, 4), "uint8"))
    assert bucket.keys("taken") == ["taken/notes.txt"]


def test_parent_groups_are_created(bucket: Bucket) -> None:
    root = uuid4().hex
    voxome.create(f"zarr://{bucket.uri(f'{root}/a.zarr/deep/em')}", VolumeSpec.of((4, 4, 4), "uint8"))
    assert {f"{root}/a.zarr/zarr.json", f"{root}/a.zarr/deep/zarr.json"} <= set(bucket.keys(root))
    assert f"{root}/zarr.json" not in bucket.keys(root)


def test_concurrent_creators_leave_the_volume_of_one_that_succeeded(bucket: Bucket) -> None:
    uri = f"zarr://{bucket.uri(uuid4().hex)}"

    def make(edge: int) -> int | None:
        try:
            voxome.create(uri, VolumeSpec.of((edge,) * 3, "uint8"))
        except AlreadyExists:
            return None
        return edge

    with ThreadPoolExecutor(4) as pool:
        edges = [edge for edge in pool.map(make, [4, 5, 6, 7]) if edge]
    assert voxome.open(uri).shape in [(edge,) * 3 for edge in edges]


def test_concurrent_changes_of_attributes_are_all_kept(bucket: Bucket) -> None:
    uri = f"zarr://{bucket.uri(uuid4().hex)}"
    source = voxome.create(uri, VolumeSpec.of((4, 4, 4), "uint8")).source
    editor = ability(source, SupportsAttributes)
    assert editor is not None
    for number in range(5):
        editor.update_attributes({f"a{number}": number})
    assert voxome.open(uri).source.spec.attributes == {f"a{n}": n for n in range(5)}


@pytest.mark.parametrize("query", ["endpont=http://127.0.0.1:9", "secret=abc123", "levl=1"])
def test_unknown_options_are_refused(bucket: Bucket, query: str) -> None:
    with pytest.raises(UnknownName) as caught:
        voxome.open(f"zarr://s3://{BUCKET}/a?{query}")
    assert query.partition("=")[2] not in str(caught.value)


def test_without_the_extra_a_bucket_still_knows_what_is_taken(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.extras.find_spec", lambda _: None)
    folder = storage_at(f"s3://{BUCKET}/{uuid4().hex}?endpoint={bucket.url}", writing=True)
    with pytest.raises(MissingExtra, match=r"botocore .* pip install 'voxome\[s3\]'"):
        list(folder.pages())
    assert not folder.taken()
    (folder / "a").write_bytes(b"1")
    assert folder.taken()


def test_a_file_of_a_format_of_one_file_is_not_called_missing(bucket: Bucket) -> None:
    key = uuid4().hex
    bucket.client.put_object(Bucket=BUCKET, Key=f"{key}/x.h5", Body=b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UnsupportedFormat, match=r"x.h5.* is one file; HDF5, .* read from local paths only"):
        voxome.open(bucket.uri(f"{key}/x.h5"))
    with pytest.raises(NotFound, match=r"other\.h5"):
        voxome.open(bucket.uri(f"{key}/other.h5"))


@pytest.mark.parametrize(("scheme", "file"), [("n5", "attributes.json"), ("precomputed", "info")])
def test_damaged_metadata_in_a_bucket_are_listed_with_the_reason(bucket: Bucket, scheme: str, file: str) -> None:
    key = uuid4().hex
    bucket.client.put_object(Bucket=BUCKET, Key=f"{key}/a/{file}", Body=b'{"scales": [')
    (entry,) = voxome.ls(bucket.uri(key))
    assert entry.uri.startswith(scheme)
    assert f"{file} is not JSON" in entry.description
