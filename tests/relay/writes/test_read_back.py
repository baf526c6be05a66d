"""What was written is read in every API at once, while its store is away: whole, in ranges, in lists, by its ids."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from numcodecs import blosc
from numpy.testing import assert_array_equal
from relay.writes.away import PATHS, SHAPE, URL, Setting, answers, decode, in_front_of_boss, waiting_in
from relay.writes.journals import wait_until
from standins.faulty_proxy import Answer

pytestmark = pytest.mark.slow

OLD, NEW = 5, 2**63 + 1
BOX = "0:16,0:64,0:64"
"""A chunk of every dialect, which is written as a whole."""
WRITTEN = [0, 0, 0, 16, 64, 64]
SOURCE, CHANNEL = "source=lab/exp/em", "lab/exp/em"


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    with in_front_of_boss(tmp_path, monkeypatch, np.full(SHAPE, OLD, "uint64")) as one:
        yield one


def write(client: httpx.Client, dialect: str, voxels: np.ndarray) -> httpx.Response:
    """Write a chunk in one dialect."""
    if dialect == "raw":
        stream = io.BytesIO()
        np.save(stream, voxels)
        return client.put(URL + BOX, content=stream.getvalue())
    if dialect == "boss":
        body, headers = blosc.compress(voxels, b"lz4", 1), {"Content-Type": "application/blosc"}
        return client.post(f"/v1/cutout/{CHANNEL}/0/0:64/0:64/0:16/", content=body, headers=headers)
    return client.put(PATHS[dialect], content=voxels.tobytes())


def ids_of(client: httpx.Client) -> dict[str, list[str]]:
    return {
        "api": client.get(f"/api/ids?{SOURCE}&box=0:32,0:64,0:64").json()["ids"],
        "boss": client.get(f"/v1/ids/{CHANNEL}/0/0:64/0:64/0:32/").json()["ids"],
    }


def boxes_of(client: httpx.Client) -> dict[str, list[int]]:
    api = client.get(f"/api/bounding-box?{SOURCE}&id={NEW}").json()
    boss = client.get(f"/v1/boundingbox/{CHANNEL}/0/{NEW}/?type=tight").json()
    return {
        "api": [*api["start"], *api["stop"]],
        "boss": [boss[f"{axis}_range"][end] for end in (0, 1) for axis in "zyx"],
    }


def sizes_of(client: httpx.Client, bucket: str) -> dict[str, int]:
    answer = client.get(f"/s3/{bucket}?list-type=2&prefix={CHANNEL}/", headers={"Authorization": ""})
    assert answer.status_code == 200, answer.text
    space = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}
    found = ElementTree.fromstring(answer.text).iterfind("s3:Contents", space)
    return {str(one.findtext("s3:Key", "", space)): int(one.findtext("s3:Size", "0", space)) for one in found}


@pytest.mark.parametrize(("dialect", "warm"), [("raw", True), ("boss", True), ("zarr", True), ("zarr3", False)])
def test_a_write_is_in_every_answer_of_every_api_while_the_store_is_away(
    setting: Setting, dialect: str, warm: bool
) -> None:
    expected = np.full(SHAPE, OLD, "uint64")
    expected[:16] = NEW
    with setting.relay() as client:
        assert client.get("/v1/collection/lab/experiment/exp/channel/em/").status_code == 200
        if warm:
            assert {one.status_code for one in answers(client).values()} == {200}
            client.get(URL + "0:32,0:64,0:64")
        setting.fail(Answer(503))
        put = write(client, dialect, expected[:16])
        assert put.status_code in (201, 204), put.text

        whole, heads = answers(client), answers(client, "HEAD")
        for name, answer in whole.items():
            assert answer.status_code == heads[name].status_code == 200, name
            assert answer.headers["content-length"] == heads[name].headers["content-length"]
            if name != "raw":
                digest = f'"{hashlib.md5(answer.content).hexdigest()}"'
                assert digest == answer.headers["etag"] == heads[name].headers["etag"]
                headers = {"Range": "bytes=8-23"} | ({"Authorization": ""} if name == "s3" else {})
                part = client.get(PATHS[name], headers=headers)
                assert (part.status_code, part.content) == (206, answer.content[8:24])
        if dialect in PATHS and dialect != "raw":
            assert put.headers["etag"] == whole[dialect].headers["etag"]
        for name in ("zarr", "zarr3", "s3"):
            assert_array_equal(np.frombuffer(whole[name].content, "<u8"), expected[:16].ravel())
        assert (decode(client.get(URL + BOX)) == NEW).all()
        cutout = client.get(f"/v1/cutout/{CHANNEL}/0/0:64/0:64/0:16/", headers={"Accept": "application/blosc"})
        assert_array_equal(np.frombuffer(blosc.decompress(cutout.content), "<u8"), expected[:16].ravel())
        assert (np.load(io.BytesIO(client.get(f"/api/cutout?{SOURCE}&box={BOX}").content)) == NEW).all()
        for bucket in ("zarr", "zarr3", "precomputed"):
            for key, size in sizes_of(client, bucket).items():
                head = client.head(f"/s3/{bucket}/{key}", headers={"Authorization": ""})
                assert (head.status_code, int(head.headers["content-length"])) == (200, size), key
        if warm:
            assert ids_of(client) == {"api": [str(OLD), str(NEW)], "boss": [str(OLD), str(NEW)]}
            assert boxes_of(client) == {"api": WRITTEN, "boss": WRITTEN}
        else:
            assert client.get(f"/api/ids?{SOURCE}&box={BOX}").json()["ids"] == [str(NEW)]
            assert client.get(f"/v1/ids/{CHANNEL}/0/0:64/0:64/0:16/").json()["ids"] == [str(NEW)]
            assert client.get(f"/api/ids?{SOURCE}&box=0:32,0:64,0:64").status_code == 503
            assert client.get(f"/v1/boundingbox/{CHANNEL}/0/{NEW}/").status_code == 503

        setting.heal()
        wait_until(lambda: not waiting_in(client))
        for name, after in answers(client).items():
            assert (after.content, after.headers.get("etag")) == (whole[name].content, whole[name].headers.get("etag"))
        assert_array_equal(setting.stored(), expected)
        assert boxes_of(client) == {"api": WRITTEN, "boss": WRITTEN}
