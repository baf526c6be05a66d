"""Sources of the relay as channels: volumes of any store, read by voxome's BossDB remote, never written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.dialects.boss.client import Client
from standins.boss import Boss, serving

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.geometry import Box
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss.publish import publish
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.sources import Sources
from voxome.resources.open import create_source
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

SHAPE, START = (9, 30, 40), (4, 6, 8)
DOMAIN = Box.of_shape(SHAPE, START)
NAME, PATH = "lab/exp/em", "/v1/collection/lab/experiment/exp/channel/em"
EVERYTHING = "8:48/6:36/4:13"


def spec(dtype: str = "uint8", **changes: object) -> voxome.VolumeSpec:
    return voxome.VolumeSpec.of(SHAPE, dtype, **{"start": START, "voxel_size_nm": (40, 4, 4), **changes})


def create(uri: str, dtype: str = "uint8", **changes: object) -> str:
    voxome.create(uri, spec(dtype, **changes))[:] = noise(SHAPE, dtype)
    return uri


@pytest.fixture
def memory() -> str:
    return create(f"memory://{uuid4().hex}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """Return a function that serves sources and configures the bossdb remote for the server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    with ExitStack() as stack:

        def serve(sources: Sources) -> Boss:
            boss = stack.enter_context(serving(sources=sources))
            monkeypatch.setenv("VOXOME_BOSSDB_HOST", boss.url)
            monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", boss.token)
            return boss

        yield serve


def one(uri: str, rights: Rights = PUBLIC_READ) -> Sources:
    sources = Sources()
    sources.add(NAME, uri, rights)
    return sources


@pytest.mark.parametrize("scheme", ["memory", "zarr", "n5", "precomputed", "hdf5"])
@pytest.mark.parametrize("dtype", ["uint8", "uint64"])
def test_a_volume_of_any_store_is_read_through_bossdb(server, tmp_path: Path, scheme: str, dtype: str) -> None:
    where = {"memory": uuid4().hex, "hdf5": f"{tmp_path}/a.h5/raw"}.get(scheme, f"{tmp_path}/a")
    domain = DOMAIN if scheme != "hdf5" else Box.of_shape(SHAPE)
    kind = "labels" if dtype == "uint64" else "image"
    stored = voxome.open(create(f"{scheme}://{where}", dtype, kind=kind, start=domain.start))
    server(one(f"{scheme}://{where}"))
    served = voxome.open("bossdb://lab/exp/em")
    assert served.spec.domain == stored.spec.domain
    for field in ("dtype", "kind", "voxel_size_nm", "offset_nm"):
        assert getattr(served.spec, field) == getattr(stored.spec, field)
    assert_array_equal(served[:], noise(SHAPE, dtype))
    part = Box((5, 7, 9), (6, 20, 40))
    assert_array_equal(served.cutout(part), noise(SHAPE, dtype)[part.within(domain)])


def test_times_and_offset_are_those_of_the_volume(server) -> None:
    uri = f"memory://{uuid4().hex}"
    shape = (3, *SHAPE)
    movie = voxome.VolumeSpec.of(
        shape, "uint16", axes=("t", "z", "y", "x"), voxel_size_nm=(40, 4, 4), offset_nm=(400, 0, -8)
    )
    voxome.create(uri, movie)[:] = noise(shape, "uint16")
    server(one(uri))
    served = voxome.open("bossdb://lab/exp/em")
    assert served.axes == ("t", "z", "y", "x")
    assert served.spec.offset_nm == (400, 0, -8)
    assert_array_equal(served[1:3], noise(shape, "uint16")[1:3])


def test_a_layer_that_is_computed_when_it_is_read_is_a_channel(server) -> None:
    class Inverted:
        """The negative of noise, computed for each box."""

        spec = spec()

        def read(self, box: Box) -> np.ndarray:
            return ~noise(SHAPE, "uint8")[box.within(DOMAIN)]

    sources = Sources()
    sources.add(NAME, Inverted())
    server(sources)
    part = Box((5, 7, 9), (6, 20, 40))
    assert_array_equal(voxome.open("bossdb://lab/exp/em").cutout(part), ~noise(SHAPE, "uint8")[part.within(DOMAIN)])


def test_levels_that_halve_are_served_and_others_are_not(server, tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    source = create_source(uri, voxome.VolumeSpec.of((8, 32, 32), "uint8", voxel_size_nm=(40, 4, 4)))
    pyramid = ability(source, SupportsLevels)
    for factor, scale in enumerate([(1, 2, 2), (1, 4, 4), (1, 16, 16)], 1):
        level = pyramid.create_level(scale)
        level.write(level.spec.domain, np.full(level.spec.domain.shape, factor, "uint8"))
    boss = server(one(uri))
    served = voxome.open("bossdb://lab/exp/em")
    assert [volume.shape for volume in map(served.level, range(3))] == [(8, 32, 32), (8, 16, 16), (8, 8, 8)]
    for number in (1, 2):
        assert (served.level(number)[:] == number).all()
    with closing(Client(boss.url, boss.token)) as client:
        assert client.get("/v1/downsample/lab/exp/em")["num_hierarchy_levels"] == 3
        client.request("GET", "/v1/cutout/lab/exp/em/3/0:1/0:1/0:1", status=400, code=1002)
        beyond = client.read_at("lab/exp/em/2/0:32/0:32/0:8", "uint8", (8, 32, 32))
    assert (beyond[:, :8, :8] == 2).all()
    assert beyond.sum() == 2 * 8 * 8 * 8


def test_a_served_channel_is_read_only(server, memory: str) -> None:
    boss = server(one(memory, Rights(writers=frozenset({"admin"}))))
    with closing(Client(boss.url, boss.token)) as admin:
        ones = np.ones((1, 1, 1), "uint8")
        admin.write_at("lab/exp/em/0/8:9/6:7/4:5", ones, status=403, code=3001)
        admin.request("PUT", f"/v1/cutout/to_black/{NAME}/0/8:9/6:7/4:5", status=403, code=3001)
        admin.request("POST", f"/v1/downsample/{NAME}", status=409, code=2006)
        admin.request("DELETE", PATH, status=403, code=3001)
        for changes in ({"name": "other"}, {"public": False}):
            admin.request("PUT", PATH, json=changes, status=400, code=1003)
        changed = admin.request("PUT", PATH, json={"description": "from a store"}).json()
        assert changed["description"] == "from a store"
        assert "served" not in changed
        admin.request("POST", f"/v1/meta/{NAME}/?key=k&value=v", status=201)
    assert_array_equal(voxome.open(memory)[:], noise(SHAPE, "uint8"))


def test_rights_of_the_source_decide_who_reads(server, memory: str) -> None:
    sources = one(memory, Rights(readers=frozenset({"lab"})))
    sources.add("open/exp/em", memory)
    boss = server(sources)
    with ExitStack() as stack:
        tokens = (boss.token, boss.add_user("bob"), boss.add_user("eve"), None)
        admin, bob, eve, nobody = (stack.enter_context(closing(Client(boss.url, token))) for token in tokens)
        admin.request("POST", "/v1/groups/lab", status=201)
        admin.request("POST", "/v1/groups/lab/members/bob", status=204)
        admin.request("POST", "/v1/groups/all", status=201)
        admin.request("POST", "/v1/groups/all/members/eve", status=204)
        grant = {"group": "all", "collection": "lab", "experiment": "exp", "channel": "em"}
        admin.request("POST", "/v1/permissions/", json={**grant, "permissions": ["read_volumetric_data"]}, status=201)
        for client, status in ((admin, 200), (bob, 200), (eve, 403), (nobody, 401)):
            for path in (
                PATH,
                "/v1/collection/lab",
                "/v1/collection/lab/experiment/exp",
                f"/v1/cutout/{NAME}/0/{EVERYTHING}",
            ):
                client.request("GET", path, status=status)
            names = ["lab", "open"] if status == 200 else ["open"]
            assert client.get("/v1/collection") == {"collections": names}
            assert client.get("/v1/collection/open/experiment/exp/channel/em")["public"] is True


def test_a_failing_store_is_a_server_error(server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = create(f"zarr://{tmp_path}/a.zarr")
    boss = server(one(uri))
    for path in (tmp_path / "a.zarr").rglob("*"):
        if path.is_file() and "zarr" not in path.name:
            path.write_bytes(b"broken")
    with closing(Client(boss.url, boss.token)) as client:
        message = client.request("GET", f"/v1/cutout/{NAME}/0/{EVERYTHING}", status=503, code=9002).json()["message"]
    assert NAME in message
    assert str(tmp_path) not in message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": "float32"}, "data type is float32"),
        ({"voxel_size_nm": None}, "voxel size is unknown"),
        ({"start": (-1, 0, 0)}, "below 0"),
        ({"axes": ("c", "y", "x")}, "axes are c/y/x"),
    ],
)
def test_sources_that_bossdb_cannot_describe_are_left_out(
    changes: dict[str, object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    uri, fields = f"memory://{uuid4().hex}", {"dtype": "uint8", "voxel_size_nm": (1, 1, 1), **changes}
    voxome.create(uri, voxome.VolumeSpec.of((2, 3, 4), **fields))
    catalogue = MemoryCatalogue()
    with caplog.at_level(logging.WARNING):
        publish(catalogue, one(uri))
    assert catalogue.find(Channel) == []
    assert f"{NAME} is not served" in caplog.text
    assert reason in caplog.text


def test_sources_that_fail_or_do_not_fit_hide_no_others(memory: str, caplog: pytest.LogCaptureFixture) -> None:
    sources = one(memory)
    sources.add("lab/exp/missing", "memory://none")
    other = f"memory://{uuid4().hex}"
    voxome.create(other, voxome.VolumeSpec.of((2, 3, 4), "uint8", voxel_size_nm=(1, 1, 1)))
    sources.add("lab/exp/small", other)
    sources.add("two/parts", memory)
    catalogue = MemoryCatalogue()
    publish(catalogue, sources)
    assert [channel.served for channel in catalogue.find(Channel)] == [NAME]
    for text in ("lab/exp/missing is not served", "lab/exp/small is not served as a channel of BossDB: extent"):
        assert text in caplog.text


def test_edited_records_survive_a_restart(memory: str) -> None:
    catalogue, sources = MemoryCatalogue(), one(memory)
    publish(catalogue, sources)
    channel = catalogue.get(Channel, "lab", "exp", "em")
    catalogue.change(channel, lambda record: replace(record, description="mine", datatype="uint16"))
    publish(catalogue, sources)
    assert catalogue.get(Channel, "lab", "exp", "em") == replace(channel, description="mine")
    counts = [len(catalogue.find(record)) for record in (Collection, Experiment, CoordinateFrame, Channel)]
    assert counts == [1, 1, 1, 1]


def test_a_channel_of_the_api_keeps_its_name(memory: str, caplog: pytest.LogCaptureFixture) -> None:
    catalogue = MemoryCatalogue()
    own = Channel(collection="lab", experiment="exp", name="em")
    catalogue.write(add=[own])
    publish(catalogue, one(memory))
    assert catalogue.find(Channel) == [own]
    assert "choose another name" in caplog.text
