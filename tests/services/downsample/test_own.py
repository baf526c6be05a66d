"""Stores that compute levels themselves: BossDB on request, DVID whenever voxels are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from services.labelled import stored
from standins import boss

import voxome
from voxome.errors import InvalidInput, StoreError, UnsupportedFormat
from voxome.remotes.bossdb.downsampling import Progress, compute_levels
from voxome.resources.volume import Volume
from voxome.tools.common.cells.methods import downsample_array


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Volume]:
    with boss.serving() as server:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", server.url)
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", server.token)
        spec = voxome.VolumeSpec.of((16, 64, 64), "uint8", voxel_size_nm=(40, 4, 4))
        volume = voxome.create("bossdb://c/e/em", spec, encoding={"levels": 3})
        volume[...] = np.random.default_rng(0).integers(1, 255, (16, 64, 64), np.uint8)
        yield volume


@pytest.mark.slow
def test_bossdb_computes_its_levels(channel: Volume) -> None:
    report = voxome.downsample(channel)
    assert (report.provenance.way, report.provenance.parameters) == ("own", {"status": "DOWNSAMPLED"})
    assert [level.shape for level in report.levels] == [(16, 64, 64), (16, 32, 32), (16, 16, 16)]
    assert voxome.open(channel.uri, expect=Volume, level=2)[...].all()
    assert voxome.downsample(channel.uri, service="own").provenance.way == "own"


@pytest.mark.slow
def test_voxome_computes_the_levels_of_bossdb_on_request(channel: Volume) -> None:
    data = channel[...]
    report = voxome.downsample(channel, service="local", existing=True, levels=3)
    assert report.provenance.way == "local"
    expected = downsample_array(data, channel.domain, (1, 4, 4), "mean")
    assert np.array_equal(voxome.open(channel.uri, expect=Volume, level=2)[...], expected)


def test_options_of_levels_are_not_for_a_store_that_has_its_own_rules(channel: Volume) -> None:
    with pytest.raises(InvalidInput, match=r"rules of its own; leave out method, levels, or choose service='local'"):
        voxome.downsample(channel, service="own", method="max", levels=2)


@pytest.mark.slow
def test_dvid_keeps_its_levels(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with stored("dvid", tmp_path, monkeypatch) as uri:
        with pytest.raises(UnsupportedFormat, match=r"without coarser levels.*encoding=\{'levels': 3\}"):
            voxome.downsample(uri)
        other = voxome.create(f"{uri}2", voxome.open(uri, expect=Volume).spec, encoding={"levels": 2})
        other[...] = voxome.open(uri, expect=Volume)[...]
        report = voxome.downsample(other)
        assert (report.provenance.way, len(report.levels)) == ("own", 3)


class Server:
    """Statuses of a server, one a request."""

    def __init__(self, *statuses: str) -> None:
        self.statuses, self.started = list(statuses), 0

    def status(self, *names: str) -> Progress:
        return Progress(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0], {})

    def start(self, *names: str) -> None:
        self.started += 1


@pytest.mark.parametrize(
    ("statuses", "started"),
    [
        (("NOT_DOWNSAMPLED", "QUEUED", "IN_PROGRESS", "DOWNSAMPLED"), 1),
        (("FAILED", "IN_PROGRESS", "DOWNSAMPLED"), 1),
        (("IN_PROGRESS", "IN_PROGRESS", "DOWNSAMPLED"), 0),
        (("DOWNSAMPLED",), 0),
    ],
)
def test_the_server_is_started_unless_it_runs_or_has_ended(statuses: tuple[str, ...], started: int) -> None:
    server: Any = Server(*statuses)
    assert compute_levels(server, ("c", "e", "em"), wait=True) == "DOWNSAMPLED"
    assert server.started == started


def test_a_failure_of_the_server_is_an_error() -> None:
    server: Any = Server("NOT_DOWNSAMPLED", "FAILED")
    with pytest.raises(StoreError, match=r"c/e/em: the server reports FAILED.*--service local"):
        compute_levels(server, ("c", "e", "em"), wait=True)
    running: Any = Server("IN_PROGRESS")
    assert compute_levels(running, ("c", "e", "em"), wait=False) == "IN_PROGRESS"
