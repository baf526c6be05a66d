"""Volumes that clients create in a store, and that are sources from then on."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tensorstore as ts
from numpy.testing import assert_array_equal
from relay.dialects.s3.service import BOB, TOKEN, client, code_of, keys_of, serving_stores, with_store
from relay.serving import pyramid

from voxome.testing.strategies import noise

AUTHORIZATION = {"Authorization": f"Token {TOKEN}"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving_stores(with_store(tmp_path)) as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", BOB.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", BOB.secret)


def store_of(url: str, path: str, bucket: str = "zarr3") -> dict[str, Any]:
    return {
        "driver": "s3", "bucket": bucket, "path": f"{path}/", "endpoint": f"{url}/s3", "aws_region": "us-east-1",
        "aws_credentials": {"type": "environment"},
    }  # fmt: skip


def create(url: str, path: str, shape: tuple[int, ...] = (40, 50, 60), **options: Any) -> Any:
    metadata = {
        "shape": shape, "data_type": "uint16", "fill_value": 3,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16, 32, 32]}},
        "codecs": [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}], **options,
    }  # fmt: skip
    spec = {"driver": "zarr3", "kvstore": store_of(url, path), "metadata": metadata}
    return ts.open(spec, create=True, context=ts.Context()).result()


def cutout(url: str, name: str, box: str) -> np.ndarray:
    answer = httpx.get(f"{url}/raw/{name}/cutout?box={box}")
    assert answer.status_code == 200, answer.text
    found: np.ndarray = np.load(io.BytesIO(answer.content))
    return found


def write(url: str, name: str, box: str, voxels: np.ndarray) -> None:
    body = io.BytesIO()
    np.save(body, voxels)
    answer = httpx.put(f"{url}/raw/{name}/cutout?box={box}", content=body.getvalue(), headers=AUTHORIZATION)
    assert answer.status_code == 204, answer.text


@pytest.mark.slow
def test_tensorstore_creates_resizes_and_writes_parts(url: str) -> None:
    begin, data = time.monotonic(), noise((40, 50, 60), "uint16")
    array = create(url, "scratch/a/b")
    array.write(data).result()
    array[10:20, 5:45, 30:60].write(9).result()
    larger = array.resize(exclusive_max=[48, 50, 70]).result()
    larger[40:, :, 60:].write(4).result()
    smaller = array.resize(exclusive_max=[45, 50, 70]).result()
    data[10:20, 5:45, 30:60] = 9
    expected = np.full((45, 50, 70), 3, "uint16")
    expected[:40, :, :60] = data
    expected[40:, :, 60:] = 4
    assert_array_equal(smaller.read().result(), expected)
    assert time.monotonic() - begin < 50
    assert_array_equal(cutout(url, "scratch/a/b", "0:45,0:50,0:70"), expected)
    with pytest.raises(ValueError, match="ALREADY_EXISTS"):
        create(url, "scratch/a/b")


@pytest.mark.slow
def test_an_array_is_a_source_in_all_formats_once_it_is_there(url: str) -> None:
    assert httpx.get(f"{url}/raw/scratch/a/info").status_code == 404
    array, data = create(url, "scratch/a"), noise((40, 50, 60), "uint16")
    assert (cutout(url, "scratch/a", "0:40,0:50,0:60") == 3).all()
    array.write(data).result()
    assert_array_equal(cutout(url, "scratch/a", "0:40,0:50,0:60"), data)
    for driver, format in (("zarr", "zarr"), ("zarr3", "zarr3"), ("neuroglancer_precomputed", "precomputed")):
        path = "" if format == "precomputed" else "/0"
        spec = {"driver": driver, "kvstore": {"driver": "http", "base_url": f"{url}/{format}/scratch/a{path}/"}}
        found = ts.open(spec).result().read().result()
        assert_array_equal(found[..., 0].T if format == "precomputed" else found, data)
    s3 = client(url)
    info = json.loads(s3.get_object(Bucket="precomputed", Key="scratch/a/info")["Body"].read())
    assert info["scales"][0]["size"] == [60, 50, 40]
    assert "scratch/a/info" in keys_of(s3, "precomputed", Prefix="scratch/a/")
    assert keys_of(s3, "zarr", Prefix="scratch/a/z") == ["scratch/a/zarr.json"]


@pytest.mark.slow
def test_one_address_has_the_metadata_of_one_format(url: str) -> None:
    create(url, "scratch/a").write(1).result()
    s3 = client(url)
    for bucket in ("zarr", "zarr3"):
        for name in (".zarray", ".zgroup", ".zattrs", ".zmetadata", "info", "c/9/9/9", "c/0", "0/zarr.json", "../x"):
            code, status = code_of(lambda name=name, b=bucket: s3.get_object(Bucket=b, Key=f"scratch/a/{name}"))
            assert (status, code) in ((404, "NoSuchKey"), (400, "InvalidArgument"), (404, "404")), name
    assert code_of(lambda: s3.get_object(Bucket="zarr3", Key="zarr.json")) == ("NoSuchKey", 404)
    for format, names in (
        ("zarr", ("zarr.json", "info")),
        ("zarr3", (".zattrs", "info")),
        ("precomputed", ("zarr.json",)),
    ):
        for name in names:
            answer = httpx.get(f"{url}/{format}/scratch/a/{name}")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


@pytest.mark.slow
def test_writes_show_in_both_directions_and_change_the_version(url: str) -> None:
    array, path = create(url, "scratch/a"), "/raw/scratch/a/cutout?box=0:16,0:32,0:32"
    array.write(1).result()
    etags = [httpx.get(f"{url}/zarr3/scratch/a/0/c/0/0/0").headers["etag"]]
    write(url, "scratch/a", "0:4,0:4,0:4", np.full((4, 4, 4), 7, "uint16"))
    assert (array[:4, :4, :4].read().result() == 7).all()
    array[2:6, :, :].write(8).result()
    assert httpx.get(url + path).status_code == 200
    found = cutout(url, "scratch/a", "0:16,0:32,0:32")
    assert (found[:2, :4, :4] == 7).all()
    assert (found[2:6] == 8).all()
    etags.append(httpx.get(f"{url}/zarr3/scratch/a/0/c/0/0/0").headers["etag"])
    client(url).delete_object(Bucket="zarr3", Key="scratch/a/c/0/0/0")
    assert (cutout(url, "scratch/a", "0:16,0:32,0:32") == 3).all()
    etags.append(httpx.get(f"{url}/zarr3/scratch/a/0/c/0/0/0").headers["etag"])
    assert len(set(etags)) == 3


@pytest.mark.slow
def test_parts_of_one_chunk_that_are_written_over_s3_and_as_boxes_are_all_there(url: str) -> None:
    array = create(url, "scratch/a", (16, 32, 32))

    def add(number: int) -> None:
        if number % 2:
            write(url, "scratch/a", f"0:16,{number}:{number + 1},0:32", np.full((16, 1, 32), number, "uint16"))
        else:
            array[:, number].write(number).result()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(32)))
    expected = np.broadcast_to(np.arange(32, dtype="uint16")[:, None], (16, 32, 32))
    assert_array_equal(cutout(url, "scratch/a", "0:16,0:32,0:32"), expected)


@pytest.mark.slow
def test_an_array_that_is_deleted_and_created_again_has_nothing_of_the_old(url: str) -> None:
    create(url, "scratch/a").write(1).result()
    assert (cutout(url, "scratch/a", "0:40,0:50,0:60") == 1).all()
    ts.KvStore.open(store_of(url, "scratch/a")).result().delete_range(ts.KvStore.KeyRange()).result()
    assert httpx.get(f"{url}/raw/scratch/a/info").status_code == 404
    assert keys_of(client(url), "zarr3") == []
    create(url, "scratch/a", (5, 6, 7), data_type="uint64", fill_value=0)
    info = httpx.get(f"{url}/raw/scratch/a/info").json()
    assert (info["dtype"], info["stop"]) == ("uint64", [5, 6, 7])
    assert (cutout(url, "scratch/a", "0:5,0:6,0:7") == 0).all()


@pytest.mark.slow
def test_a_group_is_a_source_when_all_its_levels_are_there(url: str, tmp_path: Path) -> None:
    made = pyramid(f"zarr://{tmp_path}/made.zarr", noise((16, 64, 64), "uint8"), chunk=(16, 32, 32))
    folder = Path(made.removeprefix("zarr://"))
    s3, files = client(url), sorted(one for one in folder.rglob("*") if one.is_file())
    files.sort(key=lambda one: (len(one.relative_to(folder).parts), str(one)))
    seen: list[int] = []
    for file in files:
        key = f"scratch/g/{file.relative_to(folder)}"
        s3.put_object(Bucket="zarr3", Key=key, Body=file.read_bytes())
        seen.append(httpx.get(f"{url}/raw/scratch/g/info").status_code)
    assert (seen[0], seen[-1]) == (404, 200)
    info = httpx.get(f"{url}/raw/scratch/g/info").json()
    assert info["levels"] == 2
    assert_array_equal(cutout(url, "scratch/g", "0:16,0:64,0:64"), noise((16, 64, 64), "uint8"))
    assert httpx.get(f"{url}/raw/scratch/g/0/info").status_code == 404  # a level, not a source of its own
    s3.delete_object(
        Bucket="zarr3", Key=f"scratch/g/{'1/zarr.json' if (folder / '1/zarr.json').exists() else '1/.zarray'}"
    )
    assert httpx.get(f"{url}/raw/scratch/g/info").status_code == 404


@pytest.mark.parametrize("text", ["{", "[]", '{"node_type": "array"}', '{"zarr_format": 3, "node_type": "group"}', ""])
def test_metadata_that_describe_no_volume_are_only_an_object(url: str, text: str) -> None:
    s3 = client(url)
    s3.put_object(Bucket="zarr3", Key="scratch/a/zarr.json", Body=text.encode())
    assert httpx.get(f"{url}/raw/scratch/a/info").status_code == 404
    assert s3.get_object(Bucket="zarr3", Key="scratch/a/zarr.json")["Body"].read() == text.encode()


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
def test_a_volume_whose_chunks_are_larger_than_the_largest_cutout_is_only_objects(url: str, sharded: bool) -> None:
    inner = [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}]
    for name, size, status in (("small", 512, 200), ("large", 1024, 404)):
        shape = [size, 1024, 520]
        shard = {"chunk_shape": shape, "codecs": inner, "index_codecs": [{"name": "bytes"}, {"name": "crc32c"}]}
        codecs = [{"name": "sharding_indexed", "configuration": shard}] if sharded else inner
        grid = {"name": "regular", "configuration": {"chunk_shape": shape}}
        create(url, f"scratch/{name}", tuple(shape), chunk_grid=grid, codecs=codecs, data_type="uint16")
        assert httpx.get(f"{url}/raw/scratch/{name}/info").status_code == status
    assert "scratch/large/zarr.json" in keys_of(client(url), "zarr3")


def test_a_volume_that_is_a_link_is_no_source(url: str, tmp_path: Path) -> None:
    create(url, "scratch/a")
    (tmp_path / "outside").mkdir()
    (tmp_path / "scratch/a").rename(tmp_path / "outside/a")
    (tmp_path / "scratch/link").symlink_to(tmp_path / "outside/a")
    assert httpx.get(f"{url}/raw/scratch/link/info").status_code == 404


@pytest.mark.slow
def test_a_volume_of_a_private_store_is_private(url: str) -> None:
    create(url, "private/a")
    for path in ("raw/private/a/info", "zarr3/private/a/zarr.json", "precomputed/private/a/info"):
        assert httpx.get(f"{url}/{path}").status_code == 401
        assert httpx.get(f"{url}/{path}", headers=AUTHORIZATION).status_code == 200


@pytest.mark.slow
def test_chunks_are_written_in_every_format(url: str) -> None:
    array = create(url, "scratch/a", (16, 32, 32))
    data = noise((16, 32, 32), "uint16")
    for format, key in (("zarr", "0/0/0/0"), ("zarr3", "0/c/0/0/0"), ("precomputed", "0/0-32_0-32_0-16")):
        array.write(1).result()
        answer = httpx.put(f"{url}/{format}/scratch/a/{key}", content=data.tobytes(), headers=AUTHORIZATION)
        assert answer.status_code == 204, answer.text
        assert_array_equal(array.read().result(), data)
    array.write(1).result()
    client(url).put_object(Bucket="precomputed", Key="scratch/a/0/0-32_0-32_0-16", Body=data.tobytes())
    assert_array_equal(array.read().result(), data)
