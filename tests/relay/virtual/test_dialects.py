"""Virtual layers and their variants in every dialect: voxels, statuses, writes and replaced sources."""

from __future__ import annotations

import io
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import Store, open_cache
from relay.serving import as_user, serving, stored
from relay.virtual.tools import installed

import voxome
from voxome.errors import CorruptData, StoreError
from voxome.relay.caching import Caching
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.virtual.recipe import Recipe
from voxome.testing.strategies import noise

DATA = noise((32, 32, 32), "uint8")
DIALECTS = ["raw", "zarr", "zarr3", "precomputed", "s3", "boss", "api"]
CHUNKS = {
    "raw": "/raw/{}/cutout?box=0:32,0:32,0:32",
    "zarr": "/zarr/{}/0/0/0/0",
    "zarr3": "/zarr3/{}/0/c/0/0/0",
    "precomputed": "/precomputed/{}/0/0-32_0-32_0-32",
    "s3": "/s3/zarr/{}/0/0/0/0",
    "boss": "/v1/cutout/{}/0/0:32/0:32/0:32/",
}
"""Address of all voxels of a volume."""
LAYER = "lab/em/over"


@contextmanager
def served(source: str | Store, name: str = "over", tool: Recipe | None = None) -> Iterator[tuple[Sources, str]]:
    with installed():
        sources = Sources(open_cache())
        sources.add("lab/em/raw", source, Rights(frozenset({"public"}), frozenset({"lab"})), Caching(True, ttl_s=1e-6))
        sources.add_virtual(f"lab/em/{name}", tool or Recipe("common.threshold", {"": "lab/em/raw"}, {"at": 100}))
        with serving(sources, DIALECTS, members={"ann": "lab"}) as url:
            yield sources, url


def voxels(url: str, dialect: str, name: str) -> np.ndarray:
    answer = httpx.get(url + CHUNKS[dialect].format(name), headers={"Accept": "application/npygz"}, timeout=30)
    assert answer.status_code == 200, answer.text
    content = answer.content
    if dialect == "boss":
        content = zlib.decompress(content)
    return np.frombuffer(content[-(32**3) :], "uint8").reshape(32, 32, 32)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", CHUNKS)
def test_a_layer_and_its_variants_have_an_address_and_show_a_write_at_once(dialect: str) -> None:
    with served(stored(DATA, voxel_size_nm=(8, 8, 8))) as (_, url):
        expected = DATA.copy()
        for _ in range(2):
            for name, at in ((LAYER, 100), (f"{LAYER};at=7.5", 7.5), (f"{LAYER}%3Bat%3D200", 200)):
                assert_array_equal(voxels(url, dialect, name), np.where(expected > at, 255, 0))
            expected[:4, :4, :4] = 255
            body = io.BytesIO()
            np.save(body, expected[:4, :4, :4])
            address = f"{url}/raw/lab/em/raw/cutout?box=0:4,0:4,0:4"
            written = httpx.put(address, content=body.getvalue(), headers=as_user("ann"))
            assert written.status_code == 204, written.text


@pytest.mark.slow
@pytest.mark.parametrize("dialect", CHUNKS)
def test_a_bad_value_is_400_and_an_unknown_layer_404(dialect: str) -> None:
    with served(stored(DATA, voxel_size_nm=(8, 8, 8))) as (_, url):
        for changes in (";at=x", ";at=", ";bt=1", ";", "%3Bat%3Dnan"):
            assert httpx.get(url + CHUNKS[dialect].format(f"{LAYER}{changes}")).status_code == 400, changes
        assert httpx.get(url + CHUNKS[dialect].format("lab/em/raw;at=1")).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("dialect", CHUNKS)
def test_who_may_not_read_a_layer_learns_nothing_of_its_parameters(dialect: str) -> None:
    with installed():
        sources = Sources(open_cache())
        sources.add("lab/em/raw", stored(DATA, voxel_size_nm=(8, 8, 8)), Rights(frozenset({"lab"})))
        sources.add_virtual(LAYER, Recipe("common.threshold", {"": "lab/em/raw"}, {"at": 100}))
        with serving(sources, DIALECTS, members={"ann": "lab", "bob": "other"}) as url:
            bob = [(as_user("bob"), {403})] if dialect != "s3" else []  # which takes no tokens
            for headers, status in [({}, {401, 403}), *bob]:
                for changes in ("", ";at=5", ";at=x", ";bt=1"):
                    address = url + CHUNKS[dialect].format(f"{LAYER}{changes}")
                    assert httpx.get(address, headers=headers).status_code in status, changes
            if bob:
                address = url + CHUNKS[dialect].format(f"{LAYER};at=5")
                assert httpx.get(address, headers=as_user("ann")).status_code == 200


@pytest.mark.slow
def test_variants_are_in_no_list_but_that_of_their_own_files() -> None:
    with served(stored(DATA, voxel_size_nm=(8, 8, 8))) as (_, url):
        assert ";" not in httpx.get(f"{url}/s3/zarr?list-type=2").text
        assert httpx.get(f"{url}/raw").json()["sources"] == [LAYER, "lab/em/raw"]
        own = httpx.get(f"{url}/s3/zarr", params={"list-type": "2", "prefix": f"{LAYER};at=5/"})
        assert own.text.count("<Key>") == 6
        assert f"<Key>{LAYER};at=5/0/0/0/0</Key>" in own.text
        assert httpx.get(f"{url}/s3/zarr?list-type=2&prefix={LAYER};at=x/").status_code == 400
        assert "<Key>" not in httpx.get(f"{url}/s3/zarr?list-type=2&prefix=lab/em/raw;at=5/").text
        described = httpx.get(f"{url}/api/source", params={"source": f"{LAYER};at=5"}).json()
        assert (described["name"], described["writable"]) == (f"{LAYER};at=5", False)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", CHUNKS)
@pytest.mark.parametrize("error", [StoreError("reset"), TimeoutError("late"), CorruptData("garbage")])
def test_trouble_upstream_is_503_and_never_voxels(dialect: str, error: Exception) -> None:
    store = Store(DATA)
    store.spec = store.spec.replace(voxel_size_nm=(8, 8, 8))
    with served(store) as (sources, url):
        sources.spec(LAYER)
        assert httpx.get(f"{url}/raw/{LAYER}/info").status_code == 200

        def fail() -> None:
            raise error

        store.before_read = fail
        failed = httpx.get(url + CHUNKS[dialect].format(LAYER), timeout=30)
        store.before_read = lambda: None
        assert failed.status_code == 503
        assert failed.headers["retry-after"]
        assert_array_equal(voxels(url, dialect, LAYER), np.where(DATA > 100, 255, 0))


@pytest.mark.parametrize("dialect", CHUNKS)
def test_an_error_of_the_tool_is_503_and_names_the_tool(dialect: str) -> None:
    with served(stored(DATA, voxel_size_nm=(8, 8, 8)), "bad", Recipe("lab.failing", {"": "lab/em/raw"})) as (_, url):
        failed = httpx.get(url + CHUNKS[dialect].format("lab/em/bad"), timeout=30)
    assert failed.status_code == 503
    assert "lab.failing" in failed.text
    assert "/secret/path" not in failed.text


@pytest.mark.slow
def test_a_source_made_again_as_another_type_shows_nothing_of_the_old(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/em.zarr"
    spec = voxome.VolumeSpec.of((32, 32, 32), "uint8", voxel_size_nm=(8, 8, 8))
    voxome.create(uri, spec)[...] = DATA
    with served(uri) as (_, url):
        assert_array_equal(voxels(url, "zarr", LAYER), np.where(DATA > 100, 255, 0))
        shutil.rmtree(tmp_path / "em.zarr")
        voxome.create(uri, spec.replace(dtype="uint64"))[...] = 0
        for dialect in CHUNKS:
            assert not voxels(url, dialect, LAYER).any()
            assert not voxels(url, dialect, f"{LAYER};at=7").any()
