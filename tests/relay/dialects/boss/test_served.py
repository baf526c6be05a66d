"""Sources of the relay as channels: volumes of any store, read by voxome's BossDB remote, never written."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from uuid import uuid4

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.dialects.boss.client import Client
from standins.boss import Boss, serving

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.relay.caching import Caching
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.catalogue.sql import SqlCatalogue
from voxome.relay.config import RelayConfig
from voxome.relay.config_file import parse_config
from voxome.relay.dialects.boss.publication import Indescribable, Publication, PublishedCatalogue
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment, Grant, Metadatum
from voxome.relay.opening import opened, prepared
from voxome.relay.rights import PUBLIC_READ, Rights
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.resources.create import create_source
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


def test_a_channel_without_writers_is_read_only(server, memory: str) -> None:
    boss = server(one(memory))
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
        admin.request("POST", "/v1/groups/lab", status=404, code=6001)  # it exists, as the readers of a source
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
def test_what_bossdb_lacks_is_refused_with_the_other_addresses(
    server, changes: dict[str, object], reason: str, memory: str
) -> None:
    uri, fields = f"memory://{uuid4().hex}", {"dtype": "uint8", "voxel_size_nm": (1, 1, 1), **changes}
    voxome.create(uri, voxome.VolumeSpec.of((2, 3, 4), **fields))
    sources = one(uri, Rights(readers=frozenset({"lab"})))
    sources.add("lab/exp/good", memory)
    boss = server(sources)
    with closing(Client(boss.url, boss.token)) as admin, closing(Client(boss.url, None)) as nobody:
        for path in (PATH, f"/v1/cutout/{NAME}/0/0:1/0:1/0:1", f"/v1/downsample/{NAME}", f"/v1/meta/{NAME}"):
            message = admin.request("GET", path, status=400, code=2003).json()["message"]
            assert reason in message
            assert f"/zarr/{NAME}" in message
            assert reason not in nobody.request("GET", path, status=401, code=3001).text
        assert admin.get("/v1/collection/lab/experiment/exp/channel") == {"channels": ["good"]}
        body = {"type": "image", "datatype": "uint8"}
        admin.request("POST", PATH, json=body, status=400, code=1003)


def test_sources_that_fail_or_do_not_fit_hide_no_others(server, memory: str, caplog: pytest.LogCaptureFixture) -> None:
    sources = one(memory)
    sources.add("lab/exp/missing", "memory://later")
    other = f"memory://{uuid4().hex}"
    voxome.create(other, voxome.VolumeSpec.of((2, 3, 4), "uint8", voxel_size_nm=(1, 1, 1)))
    sources.add("lab/exp/small", other)
    boss = server(sources)
    channels = "/v1/collection/lab/experiment/exp/channel"
    with closing(Client(boss.url, boss.token)) as client:
        assert client.get(f"{channels}/em")["name"] == "em"
        assert client.get(channels) == {"channels": ["em", "missing"]}
        for path in (f"{channels}/missing", "/v1/cutout/lab/exp/missing/0/0:1/0:1/0:1"):
            assert client.request("GET", path, status=503, code=9002).headers["retry-after"] == "1"
        refusal = client.request("GET", f"{channels}/small", status=400, code=2003).json()["message"]
        assert "differ from those of lab/exp/em" in refusal
        create("memory://later")
        time.sleep(1.1)  # a failure is kept for a second
        assert client.get(f"{channels}/missing")["datatype"] == "uint8"
    assert "lab/exp/missing cannot be opened" in caplog.text


def test_a_store_that_is_replaced_is_described_again(server, tmp_path: Path) -> None:
    uri = create(f"zarr://{tmp_path}/a.zarr")
    sources = Sources()
    sources.add(NAME, uri, caching=Caching(ttl_s=0.1))
    boss = server(sources)
    with closing(Client(boss.url, boss.token)) as client:
        assert client.get(PATH)["datatype"] == "uint8"
        client.request("PUT", PATH, json={"description": "mine"})
        shutil.rmtree(tmp_path / "a.zarr")
        create(uri, "uint16", start=(0, 0, 0))
        time.sleep(1.2)
        found = client.get(PATH)
        assert (found["datatype"], found["description"]) == ("uint16", "mine")
        assert client.get("/v1/coord/CF_lab_exp")["x_stop"] == SHAPE[2]
        assert_array_equal(client.read_at(f"{NAME}/0/0:40/0:30/0:9", "uint16", SHAPE), noise(SHAPE, "uint16"))


def test_edited_records_survive_a_restart(memory: str) -> None:
    catalogue = MemoryCatalogue()

    def channel() -> Channel:
        return PublishedCatalogue(catalogue, Publication(catalogue, one(memory), {})).get(Channel, *NAME.split("/"))

    before = channel()
    catalogue.change(before, lambda record: replace(record, description="mine", datatype="uint16"))
    assert channel() == replace(before, description="mine")
    counts = [len(catalogue.find(record)) for record in (Collection, Experiment, CoordinateFrame, Channel)]
    assert counts == [1, 1, 1, 1]


def test_a_channel_of_the_api_keeps_its_name(memory: str) -> None:
    catalogue = MemoryCatalogue()
    own = Channel(collection="lab", experiment="exp", name="em")
    catalogue.write(add=[own])
    with pytest.raises(Indescribable, match="choose another name"):
        PublishedCatalogue(catalogue, Publication(catalogue, one(memory), {})).get(Channel, *own.key)
    assert catalogue.find(Channel) == [own]


def test_a_source_that_is_no_longer_served_leaves_nothing_to_a_new_channel(memory: str) -> None:
    catalogue = MemoryCatalogue()
    key = dict(zip(("collection", "experiment", "channel"), NAME.split("/"), strict=True))
    PublishedCatalogue(catalogue, Publication(catalogue, one(memory), {})).get(Channel, *NAME.split("/"))
    grant = Grant(group="lab", **key, permissions=("read",))
    catalogue.write(add=[grant, Metadatum(**key, label="k", value="v")])
    later = Publication(catalogue, Sources(), {})
    published = PublishedCatalogue(catalogue, later)
    assert published.find(Channel) == []
    with pytest.raises(NotFound):
        published.get(Channel, *NAME.split("/"))
    new = Channel(collection="lab", experiment="exp", name="em")
    published.write(remove=later.leftovers(new), add=[new])
    assert [*catalogue.find(Grant), *catalogue.find(Metadatum)] == []
    assert published.get(Channel, *new.key) == new


def test_names_are_derived_or_given(server, memory: str) -> None:
    sources = Sources()
    for name in ("em", "lab/em", "lab/v1.2/left/em", "lab/secret/em"):
        rights = Rights(readers=frozenset({"lab"})) if "secret" in name else PUBLIC_READ
        sources.add(name, memory, rights)
    with serving(sources=sources, names={"em": "mine/brain/raw"}) as boss:
        admin, nobody = Client(boss.url, boss.token), Client(boss.url, None)
        assert admin.get("/v1/collection//") == {"collections": ["lab", "mine"]}
        assert admin.get("/v1/collection/lab/experiment/") == {"experiments": ["em", "secret", "v1_2_left"]}
        assert nobody.get("/v1/collection/lab/experiment/") == {"experiments": ["em", "v1_2_left"]}
        assert nobody.get("/v1/collection/lab")["experiments"] == ["em", "v1_2_left"]
        assert nobody.get("/v1/coord/") == {"coords": ["CF_lab_em", "CF_lab_v1_2_left", "CF_mine_brain"]}
        nobody.request("GET", "/v1/coord/CF_lab_secret", status=401)
        assert admin.get("/v1/coord/CF_lab_secret")["x_stop"] == 48
        for path in ("mine/brain/raw", "lab/em/em", "lab/v1_2_left/em"):
            assert_array_equal(nobody.read_at(f"{path}/0/{EVERYTHING}", "uint8", SHAPE), noise(SHAPE, "uint8"))
        admin.request("GET", "/v1/collection/em", status=404, code=4000)
        for path, body in (("collection/lab", {}), ("collection/lab/experiment/em", {"coord_frame": "CF_lab_em"})):
            admin.request("POST", f"/v1/{path}", json=body, status=400, code=1003)
            admin.request("PUT", f"/v1/{path}", json={"name": "other"}, status=400, code=1003)
            admin.request("DELETE", f"/v1/{path}", status=400, code=4003)
        admin.close()
        nobody.close()


@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed", "hdf5"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint64"])
def test_writable_sources_are_written_as_bossdb_does(server, tmp_path: Path, scheme: str, dtype: str) -> None:
    uri = f"{scheme}://{tmp_path}/a" + (".h5/raw" if scheme == "hdf5" else "")
    start = (0, 0, 0) if scheme == "hdf5" else START
    kind = "labels" if dtype == "uint64" else "image"
    before = noise(SHAPE, dtype)
    create(uri, dtype, start=start, kind=kind)
    boss = server(one(uri, Rights(writers=frozenset({"lab"}))))
    x, y, z = (f"{a}:{a + n}" for a, n in zip(reversed(start), reversed(SHAPE), strict=True))
    with closing(Client(boss.url, boss.token)) as admin, closing(Client(boss.url, boss.add_user("eve"))) as eve:
        new = np.where(noise(SHAPE, "bool", 1), noise(SHAPE, dtype, 2), 0).astype(dtype)
        eve.write_at(f"{NAME}/0/{x}/{y}/{z}", new, status=403)
        eve.request("PUT", f"/v1/cutout/to_black/{NAME}/0/{x}/{y}/{z}", status=403, code=3001)
        admin.write_at(f"{NAME}/0/{x}/{y}/{z}", new)
        expected = np.where(new, new, before)
        assert_array_equal(admin.read_at(f"{NAME}/0/{x}/{y}/{z}", dtype, SHAPE), expected)
        a, b, c = start
        admin.request("PUT", f"/v1/cutout/to_black/{NAME}/0/{c + 1}:{c + 9}/{b + 2}:{b + 3}/{a}:{a + 2}")
        expected[:2, 2:3, 1:9] = 0
        assert_array_equal(admin.read_at(f"{NAME}/0/{x}/{y}/{z}", dtype, SHAPE), expected)
    assert_array_equal(voxome.open(uri)[:], expected)


def test_levels_of_a_source_are_outdated_by_any_write_and_computed_again(server, tmp_path: Path) -> None:
    uri, whole = f"zarr://{tmp_path}/a.zarr", Box.of_shape((8, 32, 32))
    source = create_source(uri, voxome.VolumeSpec.of(whole.shape, "uint8", voxel_size_nm=(40, 4, 4)))
    for scale in ((1, 2, 2), (1, 4, 4)):
        ability(source, SupportsLevels).create_level(scale)
    sources = one(uri, Rights(writers=frozenset({"lab"})))
    boss = server(sources)
    path, data = f"/v1/downsample/{NAME}", noise(whole.shape, "uint8")
    with closing(Client(boss.url, boss.token)) as admin:
        assert admin.get(path)["status"] == "DOWNSAMPLED"
        sources.write(NAME, whole, data)  # as another dialect does
        assert admin.get(path)["status"] == "NOT_DOWNSAMPLED"
        admin.request("POST", path, status=201)
        deadline = time.monotonic() + 120
        while admin.get(path)["status"] != "DOWNSAMPLED" and time.monotonic() < deadline:
            time.sleep(0.05)
        mean = data.reshape(8, 16, 2, 16, 2).mean((2, 4))
        found = admin.read_at(f"{NAME}/1/0:16/0:16/0:8", "uint8", (8, 16, 16))
        assert np.abs(found - mean).max() <= 0.5
        assert admin.get(PATH)["downsample_status"] == "DOWNSAMPLED"


def test_names_are_given_in_the_configuration(memory: str) -> None:
    def config(name: str) -> RelayConfig:
        return parse_config({"dialects": ["boss"], "sources": {"em": {"uri": memory, "boss": name}}}, "relay.toml")

    for wrong in ("a/b", "a/b/c/d", "a/b/c.d", "a//c", "a/b/c/"):
        with pytest.raises(InvalidInput, match="boss"):
            config(wrong)
    with prepared(config("a/b/c")) as shared, opened(shared) as app, in_thread(app) as url:
        client = Client(url, None)
        assert client.get("/v1/collection/") == {"collections": ["a"]}
        assert_array_equal(client.read_at(f"a/b/c/0/{EVERYTHING}", "uint8", SHAPE), noise(SHAPE, "uint8"))
        client.close()


class Indexed:
    """Labels of which the store has an index."""

    spec = spec("uint64", kind="labels")
    searched = 0

    def read(self, box: Box) -> np.ndarray:
        self.searched += 1
        return np.zeros(box.shape, "uint64")

    def ids(self, box: Box) -> np.ndarray:
        return np.array([7], "uint64")

    def reserve_ids(self, count: int) -> range:
        return range(count)

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        if label != 7:
            raise NotFound("no such label")
        return Box((4, 6, 8), (5, 7, 9)) if exact else Box((4, 6, 8), (9, 9, 9))


def test_bounding_boxes_of_an_index_are_not_searched(server) -> None:
    sources, source = Sources(), Indexed()
    sources.add(NAME, source)
    boss = server(sources)
    with closing(Client(boss.url, boss.token)) as client:
        path = f"/v1/boundingbox/{NAME}/0"
        found = client.get(f"{path}/7?type=tight")
        assert [found[f"{axis}_range"] for axis in "tzyx"] == [[0, 1], [4, 5], [6, 7], [8, 9]]
        assert client.get(f"{path}/7")["x_range"] == [0, 512]
        client.request("GET", f"{path}/8", status=404, code=4004)
    assert source.searched == 0


def test_processes_that_describe_a_source_at_the_same_time_agree(memory: str, tmp_path: Path) -> None:
    sources = one(memory)
    sources.add("lab/exp/again", memory)

    def describe(number: int) -> list[object]:
        with closing(SqlCatalogue.in_file(tmp_path / "catalogue.sqlite")) as catalogue:
            published = PublishedCatalogue(catalogue, Publication(catalogue, sources, {}))
            return [
                published.get(Channel, "lab", "exp", ("em", "again")[number % 2]),
                published.get(Experiment, "lab", "exp"),
            ]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(describe, range(8)))
    for number, (channel, experiment) in enumerate(found):
        assert (channel, experiment) == (found[number % 2][0], found[0][1])


def test_requests_that_wait_for_a_description_hold_up_no_others(server, memory: str) -> None:
    class Slow:
        """A source that does not answer."""

        opened = Event()

        @property
        def spec(self) -> voxome.VolumeSpec:
            assert self.opened.wait(100)
            return spec()

        def read(self, box: Box) -> np.ndarray:
            return noise(SHAPE, "uint8")[box.within(DOMAIN)]

    sources, slow = one(memory), Slow()
    slow.opened.set()
    sources.add("slow/exp/em", slow)
    slow.opened.clear()
    boss = server(sources)
    with closing(Client(boss.url, boss.token)) as client, ThreadPoolExecutor(40) as threads:
        paths = ["/v1/collection/slow/experiment/exp", "/v1/collection/slow/experiment/exp/channel/em"] * 20
        requests = [threads.submit(httpx.get, boss.url + path, headers=boss.headers(), timeout=60) for path in paths]
        time.sleep(0.5)
        assert client.get(PATH)["name"] == "em"
        assert client.get("/v1/collection/") == {"collections": ["lab", "slow"]}
        assert not any(request.done() for request in requests)
        slow.opened.set()
        assert {request.result().status_code for request in requests} == {200}


def test_who_comes_while_a_source_is_described_gets_its_records(memory: str) -> None:
    catalogue, key = MemoryCatalogue(), tuple(NAME.split("/"))
    for _ in range(30):
        publication = Publication(catalogue, one(memory), {})
        published = PublishedCatalogue(catalogue, publication)
        catalogue.write(remove=catalogue.find(Channel))
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(published.get, [Channel] * 8, *([part] * 8 for part in key)))
        assert len(set(found)) == 1
