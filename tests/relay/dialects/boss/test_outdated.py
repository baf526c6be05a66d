"""Whether the levels of a source are outdated, when it is written before or while BossDB's API is used."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from relay.serving import pyramid

from voxome.errors import AlreadyExists, NotFound, StoreError
from voxome.geometry import Box
from voxome.relay.accounts import Accounts
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss.downsampler import Downsampler
from voxome.relay.dialects.boss.records import Channel, LevelsJob, OutdatedLevels
from voxome.relay.dialects.boss.state import BossState
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources

WRITERS = Rights(writers=frozenset({"lab"}))
VOXELS = np.ones((8, 16, 16), "uint8")
DOMAIN = Box.of_shape(VOXELS.shape)


def state_of(catalogue: MemoryCatalogue, uri: str, *names: str) -> BossState:
    sources = Sources()
    for name in names:
        sources.add(name, uri, WRITERS)
    return BossState(Relay(catalogue, Accounts(catalogue), "memory://unused", sources))


def status(boss: BossState, name: str = "raw") -> str:
    return boss.catalogue.get(Channel, "col", "exp", name).downsample_status


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return pyramid(f"zarr://{tmp_path}/em.zarr", VOXELS, voxel_size_nm=(10, 10, 10))


def test_levels_are_outdated_if_the_source_was_written_before_it_was_a_channel(uri: str) -> None:
    catalogue = MemoryCatalogue()
    boss = state_of(catalogue, uri, "col/exp/raw")
    boss.sources.write("col/exp/raw", DOMAIN, VOXELS)
    assert status(boss) == "NOT_DOWNSAMPLED"
    renamed = state_of(catalogue, uri, "col/exp/new", "col/exp/newer")
    assert [status(renamed, name) for name in ("new", "newer")] == ["NOT_DOWNSAMPLED"] * 2


def test_levels_that_are_written_themselves_outdate_none(uri: str) -> None:
    boss = state_of(MemoryCatalogue(), uri, "col/exp/raw")
    boss.sources.write("col/exp/raw", Box.of_shape((8, 8, 8)), VOXELS[:, ::2, ::2], level=1)
    assert status(boss) == "DOWNSAMPLED"


def test_levels_are_outdated_before_their_source_is_written(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = MemoryCatalogue()
    boss = state_of(catalogue, uri, "col/exp/raw")
    assert status(boss) == "DOWNSAMPLED"
    seen = []

    def die(*_: Any) -> None:
        seen.append(status(boss))
        raise StoreError("killed")

    source = boss.sources.find("col/exp/raw").open_level(0)
    monkeypatch.setattr(source, "write", die)
    with pytest.raises(StoreError):
        boss.sources.write("col/exp/raw", DOMAIN, VOXELS)
    assert seen == ["NOT_DOWNSAMPLED"]
    assert status(state_of(catalogue, uri, "col/exp/raw")) == "NOT_DOWNSAMPLED"


def test_a_write_that_is_refused_outdates_nothing(uri: str) -> None:
    boss = state_of(MemoryCatalogue(), uri, "col/exp/raw")

    def refuse() -> None:
        raise AlreadyExists("changed by somebody else")

    assert status(boss) == "DOWNSAMPLED"
    with pytest.raises(AlreadyExists):
        boss.sources.write("col/exp/raw", DOMAIN, VOXELS, check=refuse)
    assert status(boss) == "DOWNSAMPLED"


def test_a_job_that_begins_before_a_write_has_ended_is_outdated(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boss = state_of(MemoryCatalogue(), uri, "col/exp/raw")
    channel = boss.catalogue.get(Channel, "col", "exp", "raw")
    source: Any = boss.sources.find("col/exp/raw").open_level(0)
    write = source.write

    def begin(*args: Any) -> None:
        boss.catalogue.write(add=[LevelsJob(uid=channel.uid)])
        boss.change(channel.uid, downsample_status="IN_PROGRESS")
        write(*args)

    monkeypatch.setattr(source, "write", begin)
    boss.sources.write("col/exp/raw", DOMAIN, VOXELS)
    assert boss.catalogue.get(LevelsJob, channel.uid).outdated


def test_what_is_kept_of_outdated_levels_ends_when_they_are_computed(uri: str) -> None:
    boss = state_of(MemoryCatalogue(), uri, "col/exp/raw")
    for outdated in (True, True, False, False):
        boss.set_outdated("col/exp/raw", outdated)
        assert bool(boss.catalogue.find(OutdatedLevels)) == outdated
    with pytest.raises(NotFound):
        boss.set_outdated("none", True)


def test_levels_that_were_computed_are_not_outdated_under_later_names(uri: str) -> None:
    catalogue = MemoryCatalogue()
    boss = state_of(catalogue, uri, "col/exp/raw")
    boss.sources.write("col/exp/raw", DOMAIN, VOXELS)
    channel = boss.catalogue.get(Channel, "col", "exp", "raw")
    with closing(Downsampler(boss)) as downsampler:
        downsampler.start(channel)
        deadline = time.monotonic() + 120
        while boss.catalogue.find(LevelsJob) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert status(boss) == "DOWNSAMPLED"
    assert status(state_of(catalogue, uri, "col/exp/new"), "new") == "DOWNSAMPLED"
