"""Files of volumes over a socket: names, rights, errors of the store, and files that do not exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from relay.cache.caches import open_cache
from relay.serving import as_user, pyramid, serving, stored

import voxome
from voxome.errors import CorruptData, InvalidInput, StoreError
from voxome.geometry import Box
from voxome.relay.caching import Caching
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

DIALECTS = ("precomputed", "zarr", "zarr3")
HEAD_GET = ("HEAD", "GET")
DATA = noise((10, 70, 80), "uint8")
FILES = {
    "precomputed": ("info", "0/0-64_0-64_0-10"),
    "zarr": (".zattrs", "0/0/0/0"),
    "zarr3": ("zarr.json", "0/c/0/0/0"),
}


class Counting:
    """A source that counts its reads, and is not on this machine."""

    def __init__(self, dtype: str = "uint8", kind: Literal["image", "labels"] = "image") -> None:
        self.spec = voxome.VolumeSpec.of(DATA.shape, dtype, kind=kind)
        self.reads = 0

    def read(self, box: Box) -> NDArray[Any]:
        self.reads += 1
        return DATA[box.within(self.spec.domain)].astype(self.spec.dtype)


class Failing:
    """A source whose store fails with an error."""

    spec = voxome.VolumeSpec.of(DATA.shape, "uint8")

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, box: Box) -> NDArray[Any]:
        raise self.error


FAULTS = [
    StoreError("timed out at /secret"),
    CorruptData("cannot decode /secret"),
    ConnectionResetError("reset by 10.0.0.1"),
    TimeoutError(),
    InvalidInput("this store takes smaller boxes"),
]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    uri, sources = stored(DATA), Sources()
    sources.add("em", uri)
    sources.add("em/inner", stored(DATA[:5]))
    sources.add("lab/private", uri, Rights(readers=frozenset({"lab"})))
    sources.add("missing", "memory://secret-that-does-not-exist")
    sources.add("complex", stored(noise((2, 3, 4), "float64")))
    for number, error in enumerate(FAULTS):
        sources.add(f"fault-{number}", Failing(error))
    members = {"bob": "lab", "eve": None}
    with serving(sources, DIALECTS, members=members) as url, closing(httpx.Client(base_url=url)) as client:
        yield client


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_names_may_have_slashes_and_begin_other_names(client: httpx.Client, dialect: str) -> None:
    metadata, _ = FILES[dialect]
    assert client.get(f"/{dialect}/em/{metadata}").json() != client.get(f"/{dialect}/em/inner/{metadata}").json()


def test_only_members_read_private_sources(client: httpx.Client, dialect: str) -> None:
    for file in (*FILES[dialect], "0/nothing"):
        path = f"/{dialect}/lab/private/{file}"
        statuses = [client.get(path, headers=headers).status_code for headers in ({}, as_user("wrong"), as_user("eve"))]
        assert statuses == [401, 401, 403]
        assert client.get(path).headers["www-authenticate"] == "Token"
        answer = client.get(path, headers=as_user("bob"))
        assert answer.status_code == (404 if file == "0/nothing" else 200)
        assert file == "0/nothing" or answer.headers["cache-control"] == "private, no-cache"
        assert file == "0/nothing" or "Authorization" in answer.headers["vary"]


@pytest.mark.slow
def test_trouble_of_a_store_is_no_missing_chunk(client: httpx.Client, dialect: str) -> None:
    metadata, chunk = FILES[dialect]
    for name in (f"fault-{number}" for number in range(len(FAULTS))):
        assert client.get(f"/{dialect}/{name}/{metadata}").status_code == 200
        for extra in ({}, {"Range": "bytes=0-1"}, {"If-None-Match": "*"}):
            answer = client.get(f"/{dialect}/{name}/{chunk}", headers=extra)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert set(answer.json()) == {"message"}
            assert "secret" not in answer.text
            assert answer.headers["cache-control"] == "no-store"
        assert client.head(f"/{dialect}/{name}/{chunk}", headers={"If-Match": '"x"'}).status_code == 503
    for file in FILES[dialect]:
        assert client.get(f"/{dialect}/missing/{file}").status_code == 503


@pytest.mark.slow
def test_a_chunk_that_cannot_be_decoded_is_trouble_of_the_store(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    spec = voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=(32, 64, 64), encoding={"codec": "zstd"})
    voxome.create(uri, spec)[...] = 7
    chunk = tmp_path / "a.zarr/0/c/1/0/0"
    chunk.write_bytes(b"garbage" + chunk.read_bytes()[7:])
    sources = Sources()
    sources.add("em", uri)
    with serving(sources, DIALECTS) as url:
        for path, status in {
            "precomputed/em/0/0-64_0-64_0-32": 200,
            "precomputed/em/0/0-64_0-64_32-64": 503,
            "zarr/em/0/0/0/0": 200,
            "zarr/em/0/1/0/0": 503,
            "zarr3/em/0/c/1/0/0": 503,
        }.items():
            assert httpx.get(f"{url}/{path}").status_code == status, path


@pytest.mark.slow
def test_a_level_that_fails_does_not_concern_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    pyramid(f"zarr://{path}", DATA, voxel_size_nm=(40, 4, 4))
    (path / "1/zarr.json").write_text("{")
    sources = Sources()
    sources.add("em", f"zarr://{path}")
    chunks = {"precomputed": "1/0-40_0-35_0-10", "zarr": "1/0/0/0", "zarr3": "1/c/0/0/0"}
    with serving(sources, DIALECTS) as url:
        for dialect in DIALECTS:
            metadata, chunk = FILES[dialect]
            statuses = [
                httpx.get(f"{url}/{dialect}/em/{file}").status_code for file in (chunk, chunks[dialect], metadata)
            ]
            assert statuses == [200, 503, 503]


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "em", "em/", "em/0", "em/0/", "none/info", "none/0/0/0/0", "em/9/0/0/0", "em//info", "/em/info",
        "em/.zgroup2", "em/0/-1/0/0", "em/0/1/0/0", "em/0/00/0/0", "em/0/0/0", "em/0/0/0/0/0", "em/0/0.0.0",
        "em/x/0/0/0", "em/0/c/0/0", "em/0/c/1/0/0", "em/0/c", "em/0/0-64_0-64_0-11", "em/0/0-63_0-64_0-10",
        "em/0/64-128_0-64_0-10",
        "em/0/00-64_0-64_0-10", "em/1/0-64_0-64_0-10", "em/0/0-64_0-64", f"em/0/{'9' * 3000}-1_0-64_0-10",
        "em/0/²-64_0-64_0-10", "em/0/0-64_0-64_0-10.gz", "em/0/+0-64_0-64_0-10", f"em/{'9' * 5000}/0/0/0",
        f"em/0/{'9' * 5000}/0/0", "em/0/٠/0/0", "em/index.html", "em/attributes.json", "em/0/.zgroup", "em/mesh/info",
    ],
)  # fmt: skip
def test_everything_else_is_missing(client: httpx.Client, dialect: str, path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"/{dialect}/{path}")
        assert answer.status_code == 404, path
        assert "html" not in answer.headers["content-type"]


def test_one_address_has_one_format(client: httpx.Client, dialect: str) -> None:
    found = {
        name
        for name in ("info", ".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json", "attributes.json")
        if client.get(f"/{dialect}/em/{name}").status_code == 200
    }
    expected = {"precomputed": {"info"}, "zarr": {".zgroup", ".zattrs", ".zmetadata"}, "zarr3": {"zarr.json"}}
    assert found == expected[dialect]


def test_ranges_and_validators_work_for_chunks_and_metadata(client: httpx.Client, dialect: str) -> None:
    for file in FILES[dialect]:
        path = f"/{dialect}/em/{file}"
        whole, head = client.get(path), client.head(path, headers={"Accept-Encoding": "gzip"})
        assert whole.status_code == head.status_code == 200
        assert head.headers["content-length"] == str(len(whole.content))
        assert head.headers["etag"] == whole.headers["etag"]
        assert client.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
        for value, part in {"bytes=3-9": slice(3, 10), "bytes=5-": slice(5, None), "bytes=-4": slice(-4, None)}.items():
            answer = client.get(path, headers={"Range": value})
            assert (answer.status_code, answer.content) == (206, whole.content[part])


@pytest.mark.parametrize("cached", [False, True])
def test_head_of_a_chunk_reads_no_store(dialect: str, cached: bool) -> None:
    source, paths = Counting(), (f"/{dialect}/em/{FILES[dialect][1]}", f"/s3/{dialect}/em/{FILES[dialect][1]}")
    with closing(open_cache()) as cache:
        sources = Sources(cache)
        sources.add("em", source, caching=Caching(enabled=cached))
        sources.add("lab/em", source, Rights(readers=frozenset({"lab"})))
        with serving(sources, (*DIALECTS, "s3")) as url, closing(httpx.Client(base_url=url)) as client:
            cold = [client.head(path, headers={"Range": "bytes=0-1"}) for path in paths]
            assert client.head(f"/{dialect}/em/0/nothing").status_code == 404
            assert client.head(f"/{dialect}/lab/em/{FILES[dialect][1]}").status_code == 401
            assert [client.head(path, headers={"If-None-Match": "*"}).status_code for path in paths] == [304, 304]
            assert source.reads == 0
            whole = [client.get(path) for path in paths]
            reads = source.reads
            warm = [client.head(path) for path in paths]
            assert source.reads == reads
            for before, full, after in zip(cold, whole, warm, strict=True):
                assert before.status_code == full.status_code == after.status_code == 200
                for name in ("content-length", "content-type", "accept-ranges", "cache-control"):
                    assert before.headers[name] == full.headers[name] == after.headers[name]
                assert "etag" not in before.headers
                assert after.headers.get("etag") == (full.headers["etag"] if cached else None)
            tag = whole[0].headers["etag"]
            assert client.head(paths[0], headers={"If-None-Match": tag}).status_code == 304
            assert client.head(paths[0], headers={"If-Match": '"other"'}).status_code == 412


def test_head_of_a_chunk_whose_length_depends_on_its_voxels_reads_it() -> None:
    source, sources = Counting("uint64", "labels"), Sources()
    sources.add("em", source)
    with serving(sources, DIALECTS) as url:
        head, whole = (httpx.request(method, f"{url}/precomputed/em/{FILES['precomputed'][1]}") for method in HEAD_GET)
        assert head.headers["content-length"] == str(len(whole.content))
        assert head.headers["etag"] == whole.headers["etag"]
        assert source.reads == 2


def test_writes_are_refused(client: httpx.Client, dialect: str) -> None:
    for method, status in (("PUT", 403), ("POST", 405), ("DELETE", 403)):
        assert client.request(method, f"/{dialect}/em/{FILES[dialect][0]}", content=b"x").status_code == status


def test_the_metadata_change_with_the_source_and_chunks_with_their_voxels() -> None:
    data = np.zeros((4, 5, 6), "uint16")
    uri, sources = stored(data), Sources()
    sources.add("em", uri)
    with serving(sources, DIALECTS) as url, closing(httpx.Client(base_url=url)) as client:
        paths = {dialect: f"/{dialect}/em/{FILES[dialect][1]}" for dialect in DIALECTS}
        paths["precomputed"] = "/precomputed/em/0/0-6_0-5_0-4"
        before = {path: client.get(path) for path in paths.values()}
        voxome.open(uri, mode="r+")[1, 1, 1] = 9
        for path, old in before.items():
            new = client.get(path, headers={"If-None-Match": old.headers["etag"]})
            assert new.status_code == 200
            assert np.frombuffer(new.content, "<u2").reshape(data.shape)[1, 1, 1] == 9


def test_volumes_that_a_format_lacks_are_refused_by_name(client: httpx.Client) -> None:
    for file in ("info", "0/0-4_0-3_0-2"):
        answer = client.get(f"/precomputed/complex/{file}")
        assert answer.status_code == 404
        assert "float64" in answer.json()["message"]
    assert json.loads(client.get("/zarr/complex/0/.zarray").content)["dtype"] == "<f8"
