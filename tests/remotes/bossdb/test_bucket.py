"""Channels whose voxels are in a cloud bucket (`storage_type` cloudvol)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from peers.s3 import BUCKET, Bucket
from remotes.bossdb.conftest import Peer
from standins.faulty_proxy import Alter, FaultyProxy

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.remotes.bossdb.projects import Channels
from voxome.remotes.bossdb.records import Channel
from voxome.remotes.bossdb.service import api_at
from voxome.remotes.http import Api
from voxome.testing.strategies import noise

SHAPE, SIZE = (20, 40, 60), (40.0, 4.0, 8.0)
RECORD: dict[str, Any] = {"name": "em", "type": "image", "datatype": "uint8", "storage_type": "cloudvol"}


class Archive:
    """BossDB with a channel that names a bucket; the bucket and the API have different voxels."""

    def __init__(self, peer: Peer, proxy: FaultyProxy, bucket: Bucket) -> None:
        self.proxy, self.bucket, self.names = proxy, bucket, (uuid4().hex, "exp", "em")
        self.path, self.public = f"{uuid4().hex}/em", False
        spec = VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=SIZE)
        peer.make(self.names, spec, levels=3)
        self.over_api = np.full(SHAPE, 7, np.uint8)
        peer.put(self.names, (0, 0, 0), self.over_api)

    @property
    def uri(self) -> str:
        return f"bossdb://{'/'.join(self.names)}"

    def store(self, **changes: Any) -> NDArray[Any]:
        """Create the volume in the bucket, with its voxels at resolutions 0 and 1; return those of resolution 0."""
        spec = VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=SIZE, chunk=(8, 16, 16)).replace(**changes)
        volume = voxome.create(f"precomputed://{self.bucket.uri(self.path)}", spec)
        volume[...] = model = noise(spec.domain.shape, spec.dtype)
        coarse: Any = volume.source.create_level((1, 2, 2))  # type: ignore[attr-defined]
        coarse.write(coarse.spec.domain, np.ascontiguousarray(model[:, ::2, ::2]))
        return model

    @property
    def cutouts(self) -> int:
        """Number of cutouts that the API sent."""
        return sum("/cutout/" in request.target for request in self.proxy.seen)


@pytest.fixture
def archive(peer: Peer, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with FaultyProxy(peer.url) as proxy:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", proxy.url)
        monkeypatch.setenv("VOXOME_S3_HOST", bucket.url)
        archive = Archive(peer, proxy, bucket)

        def name_bucket(body: bytes) -> bytes:
            fields = {
                "storage_type": "cloudvol",
                "bucket": BUCKET,
                "cv_path": f"/{archive.path}",
                "public": archive.public,
            }
            return json.dumps(json.loads(body) | fields).encode()

        proxy.chance(1, Alter(name_bucket), seed=0, target="GET .*/channel/em")
        yield archive


@pytest.mark.slow
def test_voxels_are_read_from_the_bucket(archive: Archive) -> None:
    model = archive.store()
    volume = voxome.open(archive.uri, expect=voxome.Volume)
    assert_array_equal(volume[...], model)
    assert_array_equal(volume[3:9, 5:33, 7:50], model[3:9, 5:33, 7:50])
    assert_array_equal(volume.level(1)[...], model[:, ::2, ::2])
    assert_array_equal(voxome.open(f"{archive.uri}/1", expect=voxome.Volume)[...], model[:, ::2, ::2])
    assert volume.spec.read_chunk == (8, 16, 16)
    assert volume.spec.attributes["precomputed"] == f"precomputed://s3://{BUCKET}/{archive.path}"
    assert archive.cutouts == 0
    volume.level(2)[...]
    assert archive.cutouts > 0, "the bucket has no such level"


@pytest.mark.slow
def test_a_volume_that_is_open_for_writing_is_read_through_the_api(archive: Archive) -> None:
    archive.store()
    volume = voxome.open(archive.uri, mode="r+", expect=voxome.Volume)
    assert_array_equal(volume[...], archive.over_api)
    assert volume.spec.read_chunk == (16, 512, 512)


@pytest.mark.slow
def test_voxels_outside_the_volume_of_the_bucket_are_read_through_the_api(archive: Archive) -> None:
    domain = VolumeSpec.of((10, 40, 60), "uint8").domain
    model = archive.store(domain=domain)
    volume = voxome.open(archive.uri, expect=voxome.Volume)
    assert volume.shape == SHAPE
    assert_array_equal(volume[:10], model)
    assert_array_equal(volume[...], archive.over_api)
    assert_array_equal(volume[:10], model)


@pytest.mark.slow
def test_a_bucket_that_denies_access_is_tried_with_the_other_credentials(
    archive: Archive, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, archive.public = archive.store(), True
    with FaultyProxy(bucket.url) as s3:
        monkeypatch.setenv("VOXOME_S3_HOST", s3.url)
        assert_array_equal(voxome.open(archive.uri, expect=voxome.Volume)[...], model)
        sent = [{name.lower() for name in one.headers} for one in s3.seen if one.target.endswith("/info")]
    assert ["authorization" in headers for headers in sent[:2]] == [False, True], (
        "the channel is public, the bucket not"
    )
    assert archive.cutouts == 0


@pytest.mark.slow
def test_narrower_voxels_are_widened(archive: Archive, peer: Peer) -> None:
    archive.names = (uuid4().hex, "exp", "em")
    peer.make(archive.names, VolumeSpec.of(SHAPE, "uint16", voxel_size_nm=SIZE))
    model = archive.store()
    volume = voxome.open(archive.uri, expect=voxome.Volume)
    assert volume.dtype == "uint16"
    assert_array_equal(volume[...], model)
    assert archive.cutouts == 0


def remove_everything(archive: Archive) -> None:
    archive.path = "nothing/here"


def damage_a_chunk(archive: Archive) -> None:
    archive.store()
    key = next(key for key in archive.bucket.keys(f"{archive.path}/") if key.endswith("8_4_40/0-16_0-16_0-8"))
    archive.bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"damaged")


def forget_the_voxel_size(archive: Archive) -> None:
    archive.store()
    key = f"{archive.path}/info"
    info = json.loads(archive.bucket.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    for scale in info["scales"]:
        scale["resolution"] = [0, 0, 0]
    archive.bucket.client.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(info).encode())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (remove_everything, "not a precomputed layer"),
        (damage_a_chunk, "em"),
        (
            lambda archive: archive.store(dtype=np.dtype("uint16")),
            "the dtype there is uint16, that of the channel uint8",
        ),
        (
            lambda archive: archive.store(voxel_size_nm=(40.0, 8.0, 8.0)),
            r"the voxel size there is 40,8,8 nm",
        ),
        (forget_the_voxel_size, "the voxel size there is unknown, that of the channel"),
        (
            lambda archive: archive.store(domain=VolumeSpec.of((30, 40, 60), "uint8").domain),
            r"the extent there is 0:30,0:40,0:60, which is not in that of the channel, 0:20,0:40,0:60",
        ),
    ],
)
def test_a_bucket_that_cannot_be_read_is_named_and_the_api_is_used(
    archive: Archive, damage: Callable[[Archive], None], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage(archive)
    with caplog.at_level(logging.WARNING, "voxome"):
        volume = voxome.open(archive.uri, expect=voxome.Volume)
        assert_array_equal(volume[...], archive.over_api)
        assert_array_equal(volume[:9], archive.over_api[:9])
    (record,) = [one for one in caplog.records if "bucket cannot be read" in one.getMessage()]
    assert "through the BossDB API" in record.getMessage()
    assert re.search(cause, record.getMessage())


@pytest.mark.parametrize(
    ("fields", "uri"),
    [
        ({"bucket": "b", "cv_path": "/lab/exp/em/"}, "precomputed://s3://b/lab/exp/em"),
        ({"bucket": "b", "cv_path": ""}, "precomputed://s3://b/col/exp/em"),
        ({"bucket": None, "cv_path": None}, None),
        ({"bucket": "b", "cv_path": "/lab/em", "storage_type": "spdb"}, None),
    ],
)
def test_the_bucket_of_a_channel_is_known_from_its_record(fields: dict[str, Any], uri: str | None) -> None:
    assert Channel.from_json({**RECORD, **fields}, ("col", "exp")).precomputed == uri


@pytest.mark.parametrize(
    ("host", "uri"),
    [("https://api.bossdb.io", "precomputed://s3://bossdb-open-data/col/exp/em"), ("https://boss.lab.org", None)],
)
def test_only_the_public_server_has_a_bucket_that_channels_need_not_name(
    host: str, uri: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Api, "json", lambda *_, **__: RECORD)
    assert Channels(api_at(host)).get("col", "exp", "em").precomputed == uri
