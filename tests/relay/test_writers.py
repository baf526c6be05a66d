"""Who may write a source, but not read it, sees its metadata in every API, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from botocore.exceptions import ClientError
from numpy.testing import assert_array_equal
from relay.dialects.s3.service import CATALOGUE, TOKEN, client
from relay.serving import stored

import voxome
from voxome.relay.accounts import Accounts
from voxome.relay.app import create_app
from voxome.relay.dialect import open_dialects
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

NAME = "lab/exp/inbox"
INBOX = Rights(readers=frozenset({"curators"}), writers=frozenset({"lab"}))
VOXELS = noise((16, 16, 16), "uint64")
BOB = {"Authorization": f"Token {TOKEN}"}
METADATA = (
    f"/raw/{NAME}/info", f"/api/source?source={NAME}", f"/precomputed/{NAME}/info", f"/zarr/{NAME}/.zattrs",
    f"/zarr/{NAME}/0/.zarray", f"/zarr3/{NAME}/zarr.json", "/v1/collection/lab/experiment/exp/channel/inbox/",
    "/v1/collection/lab/experiment/exp/", "/v1/collection/lab/", "/v1/coord/CF_lab_exp/",
)  # fmt: skip
CONTENTS = (
    f"/raw/{NAME}/cutout?box=0:1,0:1,0:1", f"/api/cutout?source={NAME}&box=0:1,0:1,0:1",
    f"/api/ids?source={NAME}&box=0:1,0:1,0:1", f"/precomputed/{NAME}/0/0-16_0-16_0-16", f"/zarr/{NAME}/0/0/0/0",
    f"/zarr3/{NAME}/0/c/0/0/0", "/v1/cutout/lab/exp/inbox/0/0:1/0:1/0:1/", "/v1/ids/lab/exp/inbox/0/0:1/0:1/0:1/",
    f"/precomputed/{NAME}/mesh/1:0", f"/precomputed/{NAME}/segment_properties/info",
)  # fmt: skip
LISTS = ("/raw", "/api/sources", "/v1/collection/lab/experiment/exp/channel/", "/v1/collection/lab/experiment/exp/")


@pytest.fixture
def uri() -> str:
    return stored(VOXELS, voxel_size_nm=(8, 8, 8), kind="labels")


@pytest.fixture
def url(uri: str, tmp_path: Path) -> Iterator[str]:
    sources = Sources()
    sources.add(NAME, uri, INBOX)
    sources.add_store("drop", tmp_path, INBOX)
    relay = Relay(CATALOGUE, Accounts(CATALOGUE), "memory://unused", sources)
    dialects = open_dialects(relay, ["raw", "api", "precomputed", "zarr", "zarr3", "boss", "s3"])
    with in_thread(create_app(dialects)) as url:
        yield url


@pytest.mark.slow
def test_a_writer_sees_metadata_and_no_voxels_in_all_dialects(url: str, uri: str) -> None:
    with httpx.Client(base_url=url, headers=BOB, timeout=30) as bob:
        assert {path: bob.get(path).status_code for path in METADATA} == dict.fromkeys(METADATA, 200)
        assert {path: bob.get(path).status_code for path in CONTENTS} == dict.fromkeys(CONTENTS, 403)
        assert [path for path in LISTS if "inbox" in bob.get(path).text] == []
        body = io.BytesIO()
        np.save(body, np.ones((1, 1, 1), "uint64"))
        path = f"/raw/{NAME}/cutout?box=0:1,0:1,0:1"
        assert bob.put(path, content=body.getvalue()).status_code == 204
    assert voxome.open(uri)[0, 0, 0] == 1


def test_others_see_neither(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as nobody:
        for path in (*METADATA, *CONTENTS):
            assert nobody.get(path).status_code == 401, path


def test_a_writer_of_a_store_sees_the_metadata_of_its_volumes(url: str, tmp_path: Path) -> None:
    s3 = client(url)
    s3.put_object(Bucket="zarr3", Key=f"{NAME}/0/c/0/0/0", Body=VOXELS.astype("<u8").tobytes())
    assert s3.get_object(Bucket="zarr3", Key=f"{NAME}/0/zarr.json")["ContentLength"] > 0
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of((4, 4, 4), "uint8"))[...] = 1
    (tmp_path / "notes.txt").write_text("private")
    metadata = {"zarr.json", ".zarray", ".zattrs", ".zgroup"}
    files = [path for path in tmp_path.rglob("*") if path.is_file() and ".voxome-relay" not in path.parts]
    seen = set()
    for path in files:
        key = f"drop/{path.relative_to(tmp_path)}"
        with suppress(ClientError):
            s3.get_object(Bucket="zarr", Key=key)
            seen.add(path)
    assert seen == {path for path in files if path.name in metadata} != set()
    assert_array_equal(voxome.open(f"zarr://{tmp_path}/em.zarr")[...], 1)
