"""A relay that starts while a store is away serves what is cached and in the journal, and takes writes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.serving import pyramid, serving
from relay.writes.away import BOX, DATA, PATHS, URL, Setting, answers, decode, in_front_of_boss, put, waiting_in
from relay.writes.journals import wait_until
from standins.faulty_proxy import Answer, Cut, Fault, FaultyProxy

import voxome
from voxome.relay import source_checks
from voxome.relay.caching import Caching
from voxome.relay.config_file import parse_config
from voxome.relay.opening import opened, prepared
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.remotes import http
from voxome.testing.strategies import noise

CHUNK = "0:16,0:32,0:32"


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    monkeypatch.setattr(source_checks, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.001)
    with in_front_of_boss(tmp_path, monkeypatch) as one:
        yield one


def lab(client: httpx.Client) -> dict[str, Any]:
    """Return what the relay says of the source without voxels."""
    paths = ("/raw/lab/exp/em/info", "/precomputed/lab/exp/em/info", "/zarr/lab/exp/em/.zattrs")
    found = {path: client.get(path) for path in (*paths, "/api/source?source=lab/exp/em")}
    assert {path: one.status_code for path, one in found.items()} == dict.fromkeys(found, 200)
    return {path: one.json() for path, one in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Answer(503), Cut()])
def test_a_store_that_is_away_when_the_relay_starts_is_served_and_written(setting: Setting, fault: Fault) -> None:
    with setting.relay() as client:
        before, described = answers(client), lab(client)
        setting.fail(fault)
        assert put(client, 5, "8:16,0:16,0:16").status_code == 204
    expected = DATA.copy()
    expected[8:16, :16, :16] = 5
    for value in (7, 9):
        with setting.relay() as client:
            assert lab(client) == described
            assert_array_equal(decode(client.get(URL + "0:32,0:64,0:64")), expected)
            assert {dialect: one.status_code for dialect, one in answers(client).items()} == dict.fromkeys(PATHS, 200)
            assert put(client, value).status_code == 204
            expected[:8, :16, :16] = value
            assert_array_equal(decode(client.get(URL + "0:32,0:64,0:64")), expected)
            if value == 9:
                setting.heal()
                wait_until(lambda: not waiting_in(client))
                assert_array_equal(setting.stored(), expected)
                assert_array_equal(decode(client.get(URL + "0:32,0:64,0:64")), expected)
                assert answers(client)["raw"].content != before["raw"].content


@pytest.mark.slow
def test_what_is_neither_cached_nor_written_is_503_until_the_store_is_back(setting: Setting) -> None:
    with setting.relay(cache=False) as client:
        client.get(URL + BOX)
        setting.fail(Answer(503))
        assert put(client).status_code == 204
    with setting.relay(cache=False) as client:
        assert (decode(client.get(URL + BOX)) == 7).all()
        answer = client.get(URL + "0:32,0:64,0:64")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        setting.heal()
        wait_until(lambda: client.get(URL + "0:32,0:64,0:64").status_code == 200)


@pytest.mark.slow
def test_a_write_through_is_503_until_the_store_is_back(setting: Setting) -> None:
    with setting.relay(write="through") as client:
        client.get(URL + BOX)
        setting.fail(Answer(503))
    with setting.relay(write="through") as client:
        assert client.get(URL + BOX).status_code == 200
        assert put(client).status_code == 503
        setting.heal()
        wait_until(lambda: put(client).status_code == 204)
        assert (decode(client.get(URL + BOX)) == 7).all()


def test_what_is_too_old_is_not_served(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_checks, "_PATIENCE_S", 60)
    with setting.relay(ttl_s=600, stale_s=0) as client:
        assert client.get(URL + BOX).status_code == 200
        setting.fail(Answer(503))
    with setting.relay(ttl_s=0.01, stale_s=0) as client:
        assert client.get(URL + BOX).status_code == 503


@pytest.mark.slow
def test_a_volume_that_was_replaced_while_it_was_away_shows_nothing_of_the_old_one(tmp_path: Path) -> None:
    with in_front(tmp_path, noise((16, 32, 32), "uint8")) as (proxy, uri):
        with reading(tmp_path, uri) as client:
            first = client.get(f"/raw/em/cutout?box={CHUNK}").content
            proxy.chance(1.0, Answer(503), seed=0)
        with reading(tmp_path, uri) as client:
            assert client.get(f"/raw/em/cutout?box={CHUNK}").content == first
            shutil.rmtree(tmp_path / "em.zarr")
            other = noise((20, 20, 20), "uint16")
            pyramid(f"zarr://{tmp_path}/em.zarr", other)
            proxy.reset()
            wait_until(lambda: client.get("/raw/em/info").json().get("dtype") == "uint16")
            assert_array_equal(decode(client.get("/raw/em/cutout?box=0:20,0:20,0:20")), other)
            assert client.get(f"/raw/em/cutout?box={CHUNK}").status_code == 400


@contextmanager
def in_front(folder: Path, voxels: np.ndarray, format: str = "zarr") -> Iterator[tuple[FaultyProxy, str]]:
    """Yield a proxy in front of a pyramid that is served, and its URI there; nobody is patient."""
    served = Sources()
    uri = pyramid(f"zarr://{folder}/em.zarr", voxels, chunk=(16, 32, 32), voxel_size_nm=(8, 4, 4))
    served.add("em", uri, caching=Caching(ttl_s=0.1))
    voxome.configure(retries=0, stall_s=2)
    try:
        with serving(served, [format]) as url, FaultyProxy(url) as proxy:
            yield proxy, f"{format}://{proxy.url}/{format}/em"
    finally:
        voxome.configure(retries=None, stall_s=None)


@contextmanager
def reading(folder: Path, uri: str) -> Iterator[httpx.Client]:
    """Yield a client of a relay of a volume that is only read."""
    config = parse_config({"cache": {"folder": str(folder / "cache")}, "sources": {"em": {"uri": uri}}}, "test")
    with prepared(config) as shared, opened(shared) as app, in_thread(app) as url, httpx.Client(base_url=url) as client:
        yield client


def known(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "cache" / "index.sqlite")) as index:
        return {row[0] for row in index.execute("SELECT key FROM metadata")}


@pytest.mark.slow
@pytest.mark.parametrize("format", ["zarr", "precomputed"])
def test_levels_that_nobody_has_read_are_known_when_the_relay_starts_without_the_store(
    tmp_path: Path, format: str
) -> None:
    voxels, coarse = noise((16, 64, 64), "uint8"), "/raw/em/cutout?level=1&box=0:16,0:32,0:32"
    with in_front(tmp_path, voxels, format) as (proxy, uri):
        with reading(tmp_path, uri) as client:
            first = client.get(f"/raw/em/cutout?box={CHUNK}").content
            wait_until(lambda: known(tmp_path) == {"level/0", "level/1", "levels", "precomputed/folders"})
        proxy.chance(1.0, Answer(503), seed=0)
        with reading(tmp_path, uri) as client:
            assert client.get(f"/raw/em/cutout?box={CHUNK}").content == first
            paths = ("/precomputed/em/info", "/api/source?source=em", "/zarr/em/.zattrs", "/zarr3/em/zarr.json")
            described = [client.get(path) for path in paths]
            assert [one.status_code for one in described] == [200] * 4
            assert client.get(coarse).status_code == 503
            assert client.get("/raw/em/cutout?level=2&box=0:1,0:1,0:1").status_code == 404
            proxy.reset()
            wait_until(lambda: client.get(coarse).status_code == 200)
            assert_array_equal(decode(client.get(coarse)), voxels[:, ::2, ::2])
            assert [client.get(path).content for path in paths] == [one.content for one in described]
