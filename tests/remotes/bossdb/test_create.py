"""Creation, listing and deletion of channels."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from standins.boss import Boss

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidInput,
    InvalidUri,
    NotFound,
    UnknownName,
    UnsupportedFormat,
)
from voxome.geometry import Box
from voxome.remotes.bossdb.client import BossDB
from voxome.remotes.bossdb.remote import BossdbRemote

SPEC = VolumeSpec.of((5, 6, 7), "uint16", voxel_size_nm=(40, 4, 8))


@pytest.fixture
def remote() -> BossdbRemote:
    return BossdbRemote()


@pytest.fixture
def above() -> str:
    return f"{uuid4().hex}/exp"


def at(*parts: str) -> Uri:
    return Uri("bossdb", "/".join(parts))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dtype": np.dtype("float32")}, "float32"),
        ({"dtype": np.dtype("int16")}, "int16"),
        ({"fill": 7}, "fill value 7"),
        ({"voxel_size_nm": None}, "voxel size"),
        ({"domain": Box((-1, 0, 0), (4, 6, 7))}, "negative"),
        ({"domain": Box((0,) * 4, (2, 5, 6, 7)), "axes": tuple("czyx")}, "c/z/y/x"),
        ({"domain": Box((1, 0, 0, 0), (2, 5, 6, 7)), "axes": tuple("tzyx")}, "time must start at 0"),
        ({"domain": Box((0, 0, 0), (5, 0, 7))}, "without voxels"),
    ],
)
def test_unsupported_specs_are_refused(remote: BossdbRemote, above: str, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedFormat, match=named):
        remote.create(at(above, "em"), SPEC.replace(**changes))
    with pytest.raises(NotFound):
        list(remote.list(at(above.split("/")[0])))


def test_options_of_the_encoding(remote: BossdbRemote, above: str, boss: Boss) -> None:
    name = f"frame-{uuid4().hex}"
    encoding = {"coordinate_frame": name, "levels": 3, "hierarchy_method": "isotropic"}
    spec = SPEC.replace(encoding=encoding, attributes={"description": "a section", "other": [1]})
    source = remote.create(at(above, "em"), spec)
    assert [level.scale for level in source.levels] == [(1, 1, 1), (2, 2, 2), (4, 4, 4)]
    created = BossDB(boss.url).channels.get(*above.split("/"), "em")
    assert (created.type, created.dtype, created.description) == ("image", "uint16", "a section")
    assert source.spec.attributes == {"description": "a section", "other": [1]}
    assert BossDB(boss.url).coordinate_frames.get(name).box == SPEC.domain
    remote.create(at(above, "other"), SPEC.replace(encoding={"sources": ["em"]}))
    assert BossDB(boss.url).channels.get(*above.split("/"), "other").sources == ("em",)
    with pytest.raises(UnknownName, match="levels"):
        remote.create(at(above, "third"), SPEC.replace(encoding={"level": 3}))


@pytest.mark.slow
def test_labels_need_a_source_image(remote: BossdbRemote, above: str, boss: Boss) -> None:
    labels = SPEC.replace(kind="labels", dtype=np.dtype("uint64"))
    with pytest.raises(InvalidInput, match="sources"):
        remote.create(at(above, "seg"), labels)
    remote.create(at(above, "em"), SPEC)
    remote.create(at(above, "seg"), labels)
    created = BossDB(boss.url).channels.get(*above.split("/"), "seg")
    assert (created.type, created.sources) == ("annotation", ("em",))
    remote.create(at(above, "em2"), SPEC)
    with pytest.raises(InvalidInput, match="several: em, em2"):
        remote.create(at(above, "seg2"), labels)
    remote.create(at(above, "seg2"), labels.replace(encoding={"sources": ["em2"]}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"domain": Box((0, 0, 0), (5, 6, 8))}, r"spans 0:5,0:6,0:7 \(z, y, x\), not 0:5,0:6,0:8"),
        ({"voxel_size_nm": (40, 4, 4)}, r"40,4,8 nm"),
        ({"encoding": {"levels": 2}}, "levels is 1, not 2"),
        ({"encoding": {"coordinate_frame": "another"}}, "not another"),
        ({"domain": Box((0,) * 4, (2, 5, 6, 7)), "axes": tuple("tzyx")}, "time_samples is 1, not 2"),
    ],
)
def test_an_existing_experiment_must_agree(
    remote: BossdbRemote, above: str, changes: dict[str, Any], named: str
) -> None:
    remote.create(at(above, "em"), SPEC)
    with pytest.raises(InvalidInput, match=named):
        remote.create(at(above, "other"), SPEC.replace(**changes))
    assert [info.uri for info in remote.list(at(above))] == [f"bossdb://{above}/em"]


@pytest.mark.slow
def test_an_existing_frame_must_agree_before_an_experiment_is_created(remote: BossdbRemote, above: str) -> None:
    collection = above.split("/")[0]
    name = f"frame-{uuid4().hex}"
    remote.create(at(above, "em"), SPEC.replace(encoding={"coordinate_frame": name}))
    wider = SPEC.replace(domain=Box((0, 0, 0), (5, 6, 8)), encoding={"coordinate_frame": name})
    with pytest.raises(InvalidInput, match="spans"):
        remote.create(at(collection, "second", "em"), wider)
    assert [info.uri for info in remote.list(at(collection))] == [f"bossdb://{above}"]
    remote.create(at(collection, "second", "em"), SPEC.replace(encoding={"coordinate_frame": name}))


@pytest.mark.slow
def test_collections_experiments_and_channels_are_listed(remote: BossdbRemote, above: str, boss: Boss) -> None:
    remote.create(at(above, "em"), SPEC)
    collection = above.split("/")[0]
    assert f"bossdb://{collection}" in [info.uri for info in remote.list(at(""))]
    assert [(i.uri, i.type) for i in remote.list(at(collection))] == [(f"bossdb://{above}", "experiment")]
    assert [(i.uri, i.type) for i in remote.list(at(above, "em"))] == [(f"bossdb://{above}/em", "volume")]
    far = list(remote.list(at(boss.url, above)))
    assert [info.uri for info in far] == [f"bossdb://{boss.url}/{above}/em"]
    assert remote.open(Uri.parse(far[0].uri)).spec.domain == SPEC.domain


def test_channels_and_empty_parents_are_deleted(remote: BossdbRemote, above: str) -> None:
    remote.create(at(above, "em"), SPEC)
    with pytest.raises(InvalidInput):
        remote.delete(at(above))
    with pytest.raises(InvalidUri):
        remote.delete(at(above, "em", "0"))
    for uri in (at(above, "em"), at(above), at(above.split("/")[0])):
        remote.delete(uri)
        with pytest.raises(NotFound):
            list(remote.list(uri))


@pytest.mark.slow
def test_concurrent_creation_creates_one(remote: BossdbRemote, above: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(lambda name: remote.create(at(above, name), SPEC), ["a", "b", "c", "d"]))
    assert len(created) == len(list(remote.list(at(above)))) == 4


def test_a_resolution_cannot_be_created(remote: BossdbRemote, above: str) -> None:
    with pytest.raises(InvalidUri, match="leave out /1"):
        remote.create(at(above, "em", "1"), SPEC)


def test_an_existing_channel_is_not_overwritten(remote: BossdbRemote, above: str) -> None:
    remote.create(at(above, "em"), SPEC)
    with pytest.raises(AlreadyExists):
        remote.create(at(above, "em"), SPEC)


@pytest.mark.slow
def test_public_data_need_no_account(
    remote: BossdbRemote, above: str, boss: Boss, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = remote.create(at(above, "em"), SPEC)
    source.write(SPEC.domain, np.full(SPEC.domain.shape, 5, np.uint16))
    admin = BossDB(boss.url)
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "public")
    with pytest.raises(AccessDenied):
        remote.open(at(above, "em"))
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", boss.token)
    collection, experiment = above.split("/")
    admin.collections.make_public(collection)
    admin.experiments.make_public(collection, experiment)
    admin.channels.make_public(collection, experiment, "em")
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "public")
    opened = remote.open(at(above, "em"))
    assert (opened.read(SPEC.domain) == 5).all()
    assert [info.uri for info in remote.list(at(above))] == [f"bossdb://{above}/em"]
    with pytest.raises(AccessDenied):
        remote.open(at(above, "em"), mode="r+").write(SPEC.domain, np.ones(SPEC.domain.shape, np.uint16))
    monkeypatch.delenv("VOXOME_BOSSDB_TOKEN")
    monkeypatch.delenv("VOXOME_BOSSDB_HOST")
    assert (remote.open(at(boss.url, above, "em")).read(SPEC.domain) == 5).all()
