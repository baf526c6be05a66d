"""Chunks and metadata that clients send to a volume, in the formats in which it is served."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
import tensorstore as ts
from numpy.testing import assert_array_equal
from relay.serving import as_user, serving, stored

import voxome
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

LAB = Rights(writers=frozenset({"lab"}))
SHAPE = (70, 64, 100)
BOB = as_user("bob")
CHUNKS = {"zarr": "em/0/1/0/1", "zarr3": "em/0/c/1/0/1", "precomputed": "em/0/54-90_0-64_65-71"}
"""The last chunk along z and x, in each format."""
DESCRIPTIONS = {"zarr": "em/0/.zarray", "zarr3": "em/0/zarr.json", "precomputed": "em/info"}
PART = (slice(64, None), slice(None), slice(64, None))


@pytest.fixture
def uri() -> str:
    return stored(noise(SHAPE, "uint16"), start=(1, 0, -10), fill=7)


@pytest.fixture
def url(uri: str) -> Iterator[str]:
    sources = Sources()
    sources.add("em", uri, LAB)
    sources.add("fixed", stored(noise((5, 6, 7), "uint8")), PUBLIC_READ)
    sources.add("labels", stored(np.zeros(SHAPE, "uint64"), kind="labels"), LAB)
    sources.add("mask", stored(np.zeros((5, 6, 7), "bool")), LAB)
    sources.add("half", stored(np.zeros((5, 6, 7), "float16")), LAB)
    dialects = ["zarr", "zarr3", "precomputed", "raw"]
    with serving(sources, dialects, members={"bob": "lab", "eve": None}, allow_origins=["*"]) as url:
        yield url


@pytest.fixture(params=["zarr", "zarr3", "precomputed"])
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def chunk_of(part: np.ndarray, format: str) -> bytes:
    """The file of the last chunk, whole in zarr, with numbers beyond the volume that nobody may see."""
    if format == "precomputed":
        return part.tobytes()
    whole = np.full((64, 64, 64), 999, "uint16")
    whole[tuple(slice(n) for n in part.shape)] = part
    return whole.tobytes()


@pytest.mark.slow
def test_a_chunk_is_written_and_shows_in_all_formats(url: str, uri: str, format: str) -> None:
    before, part = voxome.open(uri)[...], noise((6, 64, 36), "uint16", seed=1)
    answer = httpx.put(f"{url}/{format}/{CHUNKS[format]}", content=chunk_of(part, format), headers=BOB)
    assert answer.status_code == 204, answer.text
    expected = before.copy()
    expected[PART] = part
    assert_array_equal(voxome.open(uri)[...], expected)
    for one, path in CHUNKS.items():
        found = httpx.get(f"{url}/{one}/{path}")
        kept = np.frombuffer(found.content, "<u2")
        if one == "precomputed":
            assert_array_equal(kept.reshape(part.shape), part)
        else:
            whole = kept.reshape(64, 64, 64)
            assert_array_equal(whole[:6, :, :36], part)
            assert (whole[6:] == 7).all()
            assert (whole[:, :, 36:] == 7).all()
        if one == format:
            assert answer.headers["etag"] == found.headers["etag"] == httpx.head(f"{url}/{one}/{path}").headers["etag"]


def test_a_deleted_chunk_reads_as_the_fill_value(url: str, uri: str, format: str) -> None:
    before = voxome.open(uri)[...]
    assert httpx.delete(f"{url}/{format}/{CHUNKS[format]}", headers=BOB).status_code == 204
    expected = before.copy()
    expected[PART] = 7
    assert_array_equal(voxome.open(uri)[...], expected)
    assert httpx.get(f"{url}/{format}/{CHUNKS[format]}").status_code == 200


@pytest.mark.parametrize("change", ["short", "long", "empty", "huge"])
def test_a_chunk_of_a_wrong_size_is_refused(url: str, uri: str, format: str, change: str) -> None:
    before, right = voxome.open(uri)[...], chunk_of(noise((6, 64, 36), "uint16"), format)
    wrong = {"short": right[:-1], "long": right + b"\0", "empty": b"", "huge": right * 9}[change]
    answer = httpx.put(f"{url}/{format}/{CHUNKS[format]}", content=wrong, headers=BOB)
    assert answer.status_code == (413 if change == "huge" else 400), answer.text
    assert_array_equal(voxome.open(uri)[...], before)


@pytest.mark.slow
def test_metadata_that_are_equal_change_nothing_and_others_are_refused(url: str, format: str) -> None:
    path = f"{url}/{format}/{DESCRIPTIONS[format]}"
    served = httpx.get(path)
    same = json.dumps(dict(reversed(served.json().items()))).encode()
    assert httpx.put(path, content=same, headers=BOB).headers["etag"] == served.headers["etag"]
    other = json.dumps({**served.json(), "shape": [1, 1, 1]}).encode()
    answer = httpx.put(path, content=other, headers=BOB)
    assert (answer.status_code, "other metadata" in answer.json()["message"]) == (409, True)
    assert httpx.put(path, content=b"{", headers=BOB).status_code == 400
    assert httpx.delete(path, headers=BOB).status_code == 409
    assert httpx.get(path).content == served.content


def test_a_description_without_the_copy_of_others_is_equal(url: str) -> None:
    path = f"{url}/zarr3/em/zarr.json"
    own = {key: value for key, value in httpx.get(path).json().items() if key != "consolidated_metadata"}
    assert httpx.put(path, content=json.dumps(own).encode(), headers=BOB).status_code == 204


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
def test_only_writers_write(url: str, format: str, verb: str) -> None:
    path, fixed = f"{url}/{format}/{CHUNKS[format]}", {"precomputed": "0/0-7_0-6_0-5", "zarr3": "0/c/0/0/0"}
    body = {"content": bytes(10**6)} if verb == "PUT" else {}
    for headers, status in (({}, 401), (as_user("eve"), 403), ({"Authorization": "Token x"}, 401)):
        assert httpx.request(verb, path, headers=headers, **body).status_code == status  # type: ignore[arg-type]
    name = fixed.get(format, "0/0/0/0")
    assert httpx.request(verb, f"{url}/{format}/fixed/{name}", headers=BOB, **body).status_code == 403  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["em", "em/", "em/other", "em/0/9/9/9", "em/0/c/9/9/9", "em/0/0-64_0-64_0-64", "x/info"]
)
def test_other_files_cannot_be_written(url: str, format: str, path: str) -> None:
    assert httpx.put(f"{url}/{format}/{path}", content=b"x", headers=BOB).status_code == 404
    assert httpx.delete(f"{url}/{format}/{path}", headers=BOB).status_code == 404


@pytest.mark.slow
def test_conditions_of_writes_are_kept(url: str, uri: str, format: str) -> None:
    path, body = f"{url}/{format}/{CHUNKS[format]}", chunk_of(noise((6, 64, 36), "uint16", seed=1), format)
    before, etag = voxome.open(uri)[...], httpx.head(path).headers["etag"]
    for condition in ({"If-None-Match": "*"}, {"If-Match": '"x"'}, {"If-None-Match": etag}):
        assert httpx.put(path, content=body, headers={**BOB, **condition}).status_code == 412
        assert httpx.delete(path, headers={**BOB, **condition}).status_code == 412
    assert_array_equal(voxome.open(uri)[...], before)
    new = httpx.put(path, content=body, headers={**BOB, "If-Match": etag}).headers["etag"]
    assert httpx.put(path, content=body, headers={**BOB, "If-Match": etag}).status_code == 412
    assert httpx.put(path, content=body, headers={**BOB, "If-Match": new.strip('"')}).headers["etag"] == new


@pytest.mark.slow
def test_gzip_is_decoded_up_to_the_size_of_the_chunk(url: str, uri: str, format: str) -> None:
    path, body = f"{url}/{format}/{CHUNKS[format]}", chunk_of(noise((6, 64, 36), "uint16", seed=1), format)
    coded = {**BOB, "Content-Encoding": "gzip"}
    packed = gzip.compress(body)
    bomb = gzip.compress(bytes(10**8))
    for content, status in ((bomb, 413), (packed[:-9], 400), (packed + b"x", 400), (body, 400)):
        assert httpx.put(path, content=content, headers=coded).status_code == status
    assert httpx.put(path, content=packed, headers={**BOB, "Content-Encoding": "br"}).status_code == 400
    assert httpx.put(path, content=packed, headers=coded).status_code == 204
    assert_array_equal(voxome.open(uri)[PART], noise((6, 64, 36), "uint16", seed=1))


@pytest.mark.slow
def test_compressed_labels_are_decoded(url: str) -> None:
    labels = np.arange(6 * 64 * 36, dtype="uint64").reshape(6, 64, 36) + 2**63
    store = {"driver": "http", "base_url": f"{url}/precomputed/labels/", "headers": []}
    path = f"{url}/precomputed/labels/0/64-100_0-64_64-70"
    shape = [36, 64, 6]
    scale = {
        "size": shape, "chunk_size": shape, "resolution": [1, 1, 1], "key": "0",
        "encoding": "compressed_segmentation", "compressed_segmentation_block_size": [8, 8, 8],
    }  # fmt: skip
    memory, context = {"driver": "memory"}, ts.Context()
    spec = {
        "driver": "neuroglancer_precomputed", "kvstore": memory, "scale_metadata": scale,
        "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
    }  # fmt: skip
    ts.open(spec, create=True, context=context).result().write(labels.T[..., None]).result()
    content = ts.KvStore.open(memory, context=context).result()["0/0-36_0-64_0-6"]
    assert httpx.put(path, content=content, headers=BOB).status_code == 204
    found = ts.open({"driver": "neuroglancer_precomputed", "kvstore": store}).result()[64:, :, 64:, 0].read().result()
    assert_array_equal(found.T, labels)
    for garbage in (content[:-1], content[:100], b"", bytes(1000), noise((9000,), "uint8").tobytes()):
        assert httpx.put(path, content=garbage, headers=BOB).status_code == 400, len(garbage)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype", "good", "bad"),
    [("mask", "uint8", 1, 2), ("half", "<f4", 0.5, 1e-9), ("half", "<f4", np.inf, 1e9)],
)
def test_numbers_that_the_volume_cannot_store_are_refused(
    url: str, name: str, dtype: str, good: float, bad: float
) -> None:
    path = f"{url}/precomputed/{name}/0/0-7_0-6_0-5"
    assert httpx.put(path, content=np.full(210, good, dtype).tobytes(), headers=BOB).status_code == 204
    assert httpx.put(path, content=np.full(210, bad, dtype).tobytes(), headers=BOB).status_code == 400
    assert_array_equal(np.frombuffer(httpx.get(path).content, dtype), np.full(210, good, dtype))
    if name == "mask":
        assert httpx.put(f"{url}/zarr/mask/0/0/0/0", content=b"\x02" * 210, headers=BOB).status_code == 400


@pytest.mark.slow
def test_writes_of_different_formats_to_one_chunk_are_all_there(url: str, uri: str) -> None:
    whole = chunk_of(np.zeros((6, 64, 36), "uint16"), "zarr")

    def add(number: int) -> None:
        box = f"65:71,{number}:{number + 1},54:90"
        npy = io.BytesIO()
        np.save(npy, np.full((6, 1, 36), number, "uint16"))
        assert httpx.put(f"{url}/raw/em/cutout?box={box}", content=npy.getvalue(), headers=BOB).status_code == 204

    def rewrite(number: int) -> None:
        path = f"{url}/zarr/{CHUNKS['zarr']}"
        while True:
            found = httpx.get(path)
            array = np.frombuffer(found.content, "<u2").reshape(64, 64, 64).copy()
            array[:, number] = number
            conditions = {**BOB, "If-Match": found.headers["etag"]}
            if httpx.put(path, content=array.tobytes(), headers=conditions).status_code == 204:
                return

    assert httpx.put(f"{url}/zarr/{CHUNKS['zarr']}", content=whole, headers=BOB).status_code == 204
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (add if n % 2 else rewrite)(n), range(16)))
    assert_array_equal(voxome.open(uri)[64:, :16, 64:], np.broadcast_to(np.arange(16)[:, None], (6, 16, 36)))
