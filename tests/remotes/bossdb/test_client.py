"""The client of a server: projects, groups, permissions, users, downsampling."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from standins.boss import Boss

from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnknownName, VoxomeError
from voxome.geometry import Box
from voxome.redaction import Secret
from voxome.remotes.bossdb.client import BossDB
from voxome.remotes.bossdb.permissions import Permissions
from voxome.remotes.bossdb.records import Channel, Collection, CoordinateFrame, Experiment
from voxome.remotes.bossdb.remote import BossdbRemote

FRAME = CoordinateFrame("frame", Box((0, 2, 4), (20, 30, 40)), (0.03, 0.004, 0.008), "micrometers", "a frame")


@pytest.fixture
def boss_db(boss: Boss) -> BossDB:
    return BossdbRemote().connect(Uri("bossdb", boss.url))


@pytest.fixture
def names(boss_db: BossDB) -> tuple[str, str, str]:
    """Create a channel in an experiment in a new collection."""
    collection = uuid4().hex
    frame = CoordinateFrame(f"{collection}-frame", FRAME.box, FRAME.voxel_size)
    boss_db.collections.create(Collection(collection, "all of it"))
    boss_db.coordinate_frames.create(frame)
    boss_db.experiments.create(Experiment(collection, "exp", frame.name, levels=3, time_samples=2))
    boss_db.channels.create(Channel(collection, "exp", "em", dtype="uint16"))
    return collection, "exp", "em"


def test_the_configured_server_is_connected(boss: Boss) -> None:
    assert repr(BossdbRemote().connect(Uri("bossdb", ""))) == f"BossDB('{boss.url}')"


def test_collections(boss_db: BossDB) -> None:
    name = uuid4().hex
    assert boss_db.collections.create(Collection(name, "first")).description == "first"
    assert name in boss_db.collections.list()
    assert boss_db.collections.update(name, description="second").description == "second"
    boss_db.collections.make_public(name)
    assert boss_db.collections.get(name).public
    assert boss_db.collections.update(name, name=f"{name}-b").name == f"{name}-b"
    with pytest.raises(UnknownName, match="description"):
        boss_db.collections.update(f"{name}-b", descripton="typo")
    with pytest.raises((InvalidInput, AlreadyExists)):
        boss_db.collections.create(Collection(f"{name}-b"))
    boss_db.collections.delete(f"{name}-b")
    with pytest.raises(NotFound):
        boss_db.collections.get(f"{name}-b")


def test_coordinate_frames(boss_db: BossDB) -> None:
    created = boss_db.coordinate_frames.create(FRAME)
    assert created == boss_db.coordinate_frames.get("frame") == FRAME
    assert created.voxel_size_nm == pytest.approx((30, 4, 8))
    assert "frame" in boss_db.coordinate_frames.list()
    assert boss_db.coordinate_frames.update("frame", description="other").description == "other"
    with pytest.raises(UnknownName):
        boss_db.coordinate_frames.update("frame", box=FRAME.box)
    with pytest.raises(InvalidInput):
        boss_db.coordinate_frames.make_public("frame")
    boss_db.coordinate_frames.delete("frame")
    with pytest.raises(NotFound):
        boss_db.coordinate_frames.get("frame")


def test_experiments(boss_db: BossDB, names: tuple[str, str, str]) -> None:
    collection, *_ = names
    assert boss_db.experiments.list(collection) == ["exp"]
    found = boss_db.experiments.get(collection, "exp")
    assert (found.levels, found.time_samples, found.hierarchy_method) == (3, 2, "anisotropic")
    assert found.coordinate_frame == f"{collection}-frame"
    assert boss_db.experiments.update(collection, "exp", levels=4, description="x").levels == 4
    boss_db.experiments.make_public(collection, "exp")
    assert boss_db.experiments.get(collection, "exp").public
    with pytest.raises(InvalidInput):
        boss_db.experiments.delete(collection, "exp")
    with pytest.raises(InvalidInput, match="2 names"):
        boss_db.experiments.get(collection)


def test_channels(boss_db: BossDB, names: tuple[str, str, str]) -> None:
    collection, experiment, channel = names
    assert boss_db.channels.list(collection, experiment) == ["em"]
    new = Channel(collection, experiment, "seg", "annotation", "uint64", "labels", sources=("em",))
    created = boss_db.channels.create(new)
    assert (created.type, created.dtype, created.sources) == ("annotation", "uint64", ("em",))
    assert boss_db.channels.update(*names, description="raw").description == "raw"
    boss_db.channels.make_public(*names)
    assert boss_db.channels.get(*names).public
    boss_db.channels.delete(collection, experiment, "seg")
    assert boss_db.channels.list(collection, experiment) == [channel]


def test_groups(boss_db: BossDB, boss: Boss) -> None:
    user = f"u{uuid4().hex}"
    boss.add_user(user)
    boss_db.groups.create("lab")
    assert "lab" in boss_db.groups.list()
    assert "lab" in boss_db.groups.list(mine="maintainer")
    assert boss_db.groups.get("lab").owner == "admin"
    for people in (boss_db.groups.members, boss_db.groups.maintainers):
        assert not people.has("lab", user)
        people.add("lab", user)
        people.add("lab", user)
        assert people.has("lab", user)
        assert user in people.list("lab")
        people.remove("lab", user)
        assert user not in people.list("lab")
    boss_db.groups.delete("lab")
    with pytest.raises(NotFound):
        boss_db.groups.get("lab")


def test_permissions(boss_db: BossDB, names: tuple[str, str, str]) -> None:
    group = f"g{uuid4().hex}"
    boss_db.groups.create(group)
    permissions = boss_db.permissions
    permissions.add(group, *names, rights=["read", "read_volumetric_data"])
    permissions.add(group, *names, rights=["update"])
    assert permissions.get(group, *names) == {"read", "read_volumetric_data", "update"}
    permissions.replace(group, *names, rights={"read"})
    assert Permissions(group, names, frozenset({"read"})) in permissions.list(*names)
    assert permissions.list(group=group) == [Permissions(group, names, frozenset({"read"}))]
    permissions.remove(group, *names)
    assert permissions.get(group, *names) == frozenset()
    for rights in (["read_volumetric_data"], ["raed"], "read"):
        with pytest.raises(InvalidInput, match="assign_group"):
            permissions.add(group, *names[:2], rights=rights)


@pytest.mark.slow
def test_users(boss_db: BossDB) -> None:
    name, password = f"u{uuid4().hex}", Secret("very-secret-1A!")
    boss_db.users.create(name, first_name="Ada", last_name="L", email="ada@example.org", password=password)
    assert name in str(boss_db.users.get(name))
    assert boss_db.users.roles(name) == []
    boss_db.users.add_role(name, "resource-manager")
    assert boss_db.users.roles(name) == ["resource-manager"]
    boss_db.users.remove_role(name, "resource-manager")
    with pytest.raises(VoxomeError) as caught:
        boss_db.users.create(name, first_name="A", last_name="B", email="x", password=password)
    assert "very-secret" not in str(caught.value)
    boss_db.users.delete(name)
    with pytest.raises(NotFound):
        boss_db.users.get(name)


@pytest.mark.slow
def test_downsampling_is_started_once_and_reports_its_progress(boss_db: BossDB, names: tuple[str, str, str]) -> None:
    assert boss_db.downsampling.status(*names).status == "NOT_DOWNSAMPLED"
    boss_db.downsampling.start(*names)
    for _ in range(6000):
        if boss_db.downsampling.status(*names).status == "DOWNSAMPLED":
            break
        time.sleep(0.02)
    assert boss_db.downsampling.status(*names).status == "DOWNSAMPLED"
    assert list(boss_db.downsampling.status(*names).scales) == [0, 1, 2]
    with pytest.raises(AlreadyExists):
        boss_db.downsampling.start(*names)
