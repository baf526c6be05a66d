"""Requests of Neuroglancer's ``boss://`` layers, as the client in its wheel composes them, and their statuses.

It requests everything without a token first, and with ``Bearer`` after 401, 403, 500 or 504; it repeats 503, and draws
a chunk with another status black. Its chunks have 512, 512, 16 voxels (x, y, z) from the start of the frame, at all
levels. It reads all channels of an experiment before it shows one of them.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from relay.serving import serving

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.resources.create import create_source

pytestmark = pytest.mark.slow

SHAPE = (20, 600, 700)
ORIGIN = "https://viewer.example"
NPYGZ, JPEG = "application/npygz", "image/jpeg"
FIRST, LAST, COARSE = "0/0:512/0:512/0:16", "0/512:700/512:600/16:20", "1/0:350/0:300/16:20"


def volume(folder: Path, name: str, dtype: str) -> tuple[str, np.ndarray]:
    """Return the URI of a volume of two levels, and the voxels of the finest."""
    z, y, x = np.indices(SHAPE)
    data = ((x + y + 8 * z) % 251 * (1 if dtype == "uint8" else 17)).astype(dtype)
    uri = f"zarr://{folder}/{name}.zarr"
    kind = "labels" if dtype == "uint64" else "image"
    source = create_source(uri, voxome.VolumeSpec.of(SHAPE, dtype, voxel_size_nm=(40, 4, 4), kind=kind))
    source.write(source.spec.domain, data)
    level = ability(source, SupportsLevels).create_level((1, 2, 2))  # type: ignore[union-attr]
    level.write(level.spec.domain, data[:, ::2, ::2])
    return uri, data


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    folder, sources, voxels = tmp_path_factory.mktemp("served"), Sources(), {}
    for name, dtype in (("em", "uint8"), ("wide", "uint16"), ("seg", "uint64")):
        uri, voxels[name] = volume(folder, name, dtype)
        sources.add(f"open/exp/{name}", uri)
        sources.add(f"closed/exp/{name}", uri, Rights(readers=frozenset({"lab"})))
    sources.add("lost/exp/em", f"zarr://{folder}/none.zarr")
    with serving(sources, ["boss"], members={"ann": "lab", "eve": None}, allow_origins=[ORIGIN]) as url:
        yield url, voxels


def get(url: str, path: str, token: str | None = None, accept: str = "*/*") -> httpx.Response:
    headers = {"Origin": ORIGIN, "Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = httpx.get(url + path, headers=headers, timeout=30)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    return answer


REQUESTS = [
    ("collection/", "*/*"),
    ("collection/{c}/experiment/", "*/*"),
    ("collection/{c}/experiment/exp/", "*/*"),
    ("collection/{c}/experiment/exp/channel/em/", "*/*"),
    ("collection/{c}/experiment/exp/channel/wide/", "*/*"),
    ("collection/{c}/experiment/exp/channel/seg/", "*/*"),
    ("coord/CF_{c}_exp/", "*/*"),
    ("downsample/{c}/exp/em", "*/*"),
    (f"cutout/{{c}}/exp/em/{FIRST}/", JPEG),
    (f"cutout/{{c}}/exp/em/{LAST}/", JPEG),
    (f"cutout/{{c}}/exp/em/{COARSE}/", JPEG),
    (f"cutout/{{c}}/exp/em/{LAST}/", NPYGZ),
    (f"cutout/{{c}}/exp/wide/{LAST}/", NPYGZ),
    (f"cutout/{{c}}/exp/wide/{LAST}/?window=100,4000", JPEG),
    (f"cutout/{{c}}/exp/wide/{LAST}/?window=100,4000", NPYGZ),
    (f"cutout/{{c}}/exp/seg/{COARSE}/", NPYGZ),
]


@pytest.mark.parametrize(("path", "accept"), REQUESTS)
def test_requests_of_the_client(served: tuple[str, Any], path: str, accept: str) -> None:
    url, _ = served
    is_open = "{c}" not in path
    assert get(url, "/latest/" + path.format(c="open"), accept=accept).status_code == 200
    closed = "/latest/" + path.format(c="closed")
    is_list = path == "collection/{c}/experiment/"
    nobody = get(url, closed, accept=accept)
    assert nobody.status_code == (200 if is_open or is_list else 401)
    assert get(url, closed, "eve-token", accept).status_code == (200 if is_open or is_list else 403)
    if is_list:
        assert nobody.json() == {"experiments": []}
    answer = get(url, closed, "ann-token", accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(accept.replace("*/*", "application/json"))
    assert get(url, closed, "forged", accept).status_code == 401


def test_what_the_client_reads_of_a_layer(served: tuple[str, Any]) -> None:
    url, _ = served
    experiment = get(url, "/latest/collection/open/experiment/exp/").json()
    assert experiment["channels"] == ["em", "seg", "wide"]
    assert (experiment["num_hierarchy_levels"], experiment["collection"], experiment["name"]) == (2, "open", "exp")
    channel = get(url, "/latest/collection/open/experiment/exp/channel/seg/").json()
    needed = ("type", "downsample_status", "description", "datatype", "name", "base_resolution")
    assert [channel[name] for name in needed] == ["annotation", "DOWNSAMPLED", "", "uint64", "seg", 0]
    frame = get(url, f"/latest/coord/{experiment['coord_frame']}/").json()
    assert [frame[f"{a}_voxel_size"] for a in "xyz"] + [frame["voxel_unit"]] == [4, 4, 40, "nanometers"]
    levels = get(url, "/latest/downsample/open/exp/seg").json()
    assert levels["num_hierarchy_levels"] == 2
    assert levels["voxel_size"] == {"0": [4, 4, 40], "1": [8, 8, 40]}
    assert levels["extent"] == {"0": [700, 600, 20], "1": [350, 300, 20]}


def test_the_chunks_have_the_voxels(served: tuple[str, dict[str, np.ndarray]]) -> None:
    url, voxels = served
    for name in voxels:
        body = get(url, f"/latest/cutout/open/exp/{name}/{LAST}/", accept=NPYGZ).content
        assert_array_equal(np.load(io.BytesIO(zlib.decompress(body))), voxels[name][16:, 512:, 512:])
    body = get(url, f"/latest/cutout/open/exp/seg/{COARSE}/", accept=NPYGZ).content
    assert_array_equal(np.load(io.BytesIO(zlib.decompress(body))), voxels["seg"][16:, ::2, ::2])
    strip = np.asarray(Image.open(io.BytesIO(get(url, f"/latest/cutout/open/exp/em/{LAST}/", accept=JPEG).content)))
    assert strip.shape == (4 * 88, 188)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"cutout/open/exp/em/2{FIRST[1:]}/", 400),
        (f"cutout/open/exp/none/{FIRST}/", 404),
        ("collection/none/experiment/exp/", 404),
        ("collection/lost/experiment/exp/", 503),
        (f"cutout/lost/exp/em/{FIRST}/", 503),
    ],
)
def test_what_is_missing_or_fails_starts_no_login(served: tuple[str, Any], path: str, status: int) -> None:
    answer = get(served[0], f"/latest/{path}", accept=JPEG)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert ("retry-after" in answer.headers) == (status == 503)
