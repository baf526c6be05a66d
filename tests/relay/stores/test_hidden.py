"""Strangers do not find out what is in a store that they may not use, in any API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from relay.serving import as_user, serving

import voxome
from voxome.relay.accounts import PUBLIC
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources

READERS = Rights(frozenset({"lab"}), frozenset({"lab"}))
PATHS = {
    "raw": ("GET", "/raw/hidden/{}.zarr/info"),
    "raw cutout": ("GET", "/raw/hidden/{}.zarr/cutout?box=0:1,0:1,0:1"),
    "raw write": ("PUT", "/raw/hidden/{}.zarr/cutout?box=0:1,0:1,0:1"),
    "api": ("GET", "/api/source?source=hidden/{}.zarr"),
    "api cutout": ("GET", "/api/cutout?source=hidden/{}.zarr&box=0:1,0:1,0:1"),
    "precomputed": ("GET", "/precomputed/hidden/{}.zarr/info"),
    "precomputed mesh": ("GET", "/precomputed/hidden/{}.zarr/mesh/info"),
    "zarr": ("GET", "/zarr/hidden/{}.zarr/.zattrs"),
    "zarr3": ("GET", "/zarr3/hidden/{}.zarr/zarr.json"),
    "chunk": ("GET", "/zarr3/hidden/{}.zarr/0/c/0/0/0"),
    "write": ("PUT", "/zarr3/hidden/{}.zarr/0/c/0/0/0"),
    "delete": ("DELETE", "/zarr3/hidden/{}.zarr/0/c/0/0/0"),
    "folder": ("GET", "/zarr3/hidden/in/{}.zarr/zarr.json"),
    "version": ("GET", "/zarr3/hidden/{}.zarr@1/zarr.json"),
    "s3": ("GET", "/s3/zarr3/hidden/{}.zarr/zarr.json"),
    "s3 head": ("HEAD", "/s3/zarr3/hidden/{}.zarr/zarr.json"),
    "s3 precomputed": ("GET", "/s3/precomputed/hidden/{}.zarr/info"),
    "s3 list": ("GET", "/s3/zarr3?list-type=2&prefix=hidden/{}.zarr/"),
    "s3 list precomputed": ("GET", "/s3/precomputed?list-type=2&prefix=hidden/{}.zarr/"),
    "edits": ("GET", "/view/edits/hidden/{}.zarr?since=1"),
    "edits of layers": ("GET", "/view/edits?layer=hidden/{}.zarr"),
    "parameters": ("GET", "/view/parameters?layer=hidden/{}.zarr"),
    "view": ("GET", "/view/state?layer=hidden/{}.zarr"),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("hidden")
    for path in ("a.zarr", "in/a.zarr"):
        voxome.create(f"zarr://{folder}/{path}", voxome.VolumeSpec.of((4, 4, 4), "uint8", voxel_size_nm=(1, 1, 1)))
    sources = Sources()
    sources.add_store("hidden", folder, READERS)
    sources.add_store("open", folder.parent / "open", Rights(frozenset({PUBLIC})))
    with serving(
        sources, ["raw", "api", "precomputed", "zarr", "zarr3", "s3", "view"], members={"ann": "lab", "bob": None}
    ) as url:
        yield url


@pytest.mark.parametrize("api", PATHS)
def test_what_is_there_and_what_is_not_are_refused_alike(url: str, api: str) -> None:
    method, path = PATHS[api]
    strangers = [{}] if api.startswith("s3") else [{}, as_user("bob")]
    for headers in strangers:
        there, missing = (httpx.request(method, url + path.format(one), headers=headers) for one in ("a", "b"))
        assert there.status_code == missing.status_code, (there.text, missing.text)
        assert there.text.replace("a.zarr", "b.zarr") == missing.text
        if "edits of" not in api and "parameters" not in api and "list" not in api:
            assert there.status_code in ((403,) if headers else (401, 403))


def test_those_who_may_use_a_store_get_what_is_there_and_404_for_what_is_not(url: str) -> None:
    for path in ("/raw/hidden/{}.zarr/info", "/zarr3/hidden/{}.zarr/zarr.json", "/precomputed/hidden/{}.zarr/info"):
        assert httpx.get(url + path.format("a"), headers=as_user("ann")).status_code == 200
        assert httpx.get(url + path.format("b"), headers=as_user("ann")).status_code == 404
    assert httpx.get(f"{url}/zarr3/open/b.zarr/zarr.json").status_code == 404
