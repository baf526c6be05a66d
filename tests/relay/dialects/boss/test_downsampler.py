"""Jobs that compute levels: one for all processes, taken over when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import pytest
from numpy.testing import assert_array_equal
from relay.dialects.boss.client import Client

from voxome.geometry import Box
from voxome.relay.accounts import Accounts
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss.downsampler import Downsampler
from voxome.relay.dialects.boss.errors import Refused
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment, LevelsJob
from voxome.relay.dialects.boss.state import BossState
from voxome.relay.relay import Relay
from voxome.testing.strategies import noise
from voxome.tools.common.cells.methods import downsample_array

SHAPE = (1, 8, 64, 64)
DATA = noise(SHAPE, "uint8")
CHANNEL = Channel(collection="c", experiment="e", name="em")


class Processes:
    """Several processes of a relay, as far as the dialect knows, and a channel with voxels."""

    def __init__(self) -> None:
        catalogue, data = MemoryCatalogue(), f"memory://{uuid4().hex}"
        extent: dict[str, Any] = {}
        for axis, stop in zip("zyx", SHAPE[1:], strict=True):
            extent |= {f"{axis}_start": 0, f"{axis}_stop": stop, f"{axis}_voxel_size": 1}
        experiment = Experiment(collection="c", name="e", coord_frame="f", num_hierarchy_levels=3)
        catalogue.write(add=[Collection(name="c"), CoordinateFrame(name="f", **extent), experiment, CHANNEL])
        self.states = [BossState(Relay(catalogue, Accounts(catalogue), data)) for _ in range(2)]
        self.states[0].voxels.put(self.pyramid, 0, Box.of_shape(SHAPE), DATA)
        self.puts: list[tuple[int, Box]] = []
        self.before: Callable[[], object] = lambda: None
        for state in self.states:
            self._spy(state)
        self._stack = ExitStack()

    @property
    def pyramid(self) -> Any:
        return self.states[0].pyramid(self.channel)

    @property
    def channel(self) -> Channel:
        return self.states[0].refresh(CHANNEL.uid)

    def start(self, number: int) -> Downsampler:
        return self._stack.enter_context(closing(Downsampler(self.states[number])))

    def wait(self, *statuses: str) -> None:
        deadline = time.monotonic() + 120
        while self.channel.downsample_status not in statuses or self.states[0].catalogue.find(LevelsJob):
            assert time.monotonic() < deadline, self.channel.downsample_status
            time.sleep(0.01)

    def check(self) -> None:
        for level in (1, 2):
            expected = downsample_array(DATA[0], Box.of_shape(SHAPE[1:]), (1, 2**level, 2**level), "mean")
            domain = self.pyramid.domain(level)
            assert_array_equal(self.states[1].voxels.read(self.pyramid, level, domain)[0], expected)

    def close(self) -> None:
        self._stack.close()

    def _spy(self, state: BossState) -> None:
        put = state.voxels.put

        def noted(pyramid: Any, level: int, box: Box, data: Any) -> None:
            self.puts.append((level, box))
            self.before()
            put(pyramid, level, box, data)

        state.voxels.put = noted  # type: ignore[method-assign]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    monkeypatch.setattr("voxome.relay.dialects.boss.downsampler._LOOK_S", 0.02)
    monkeypatch.setattr("voxome.relay.dialects.boss.downsampler._DEAD_S", 100.0)  # however slow this machine is
    monkeypatch.setattr("voxome.relay.dialects.boss.downsample._BLOCK", (1, 8, 8, 8))
    with closing(Processes()) as one:
        yield one


def wait_for_stop(*downsamplers: Downsampler) -> None:
    """Wait until one of them is to stop."""
    while not any(one._stop.is_set() for one in downsamplers):
        time.sleep(0.01)


def test_one_of_several_processes_computes_the_levels(processes: Processes) -> None:
    first, second = processes.start(0), processes.start(1)
    second.start(processes.channel)
    with pytest.raises(Refused, match="IN_PROGRESS"):
        first.start(processes.channel)
    processes.wait("DOWNSAMPLED")
    processes.check()
    assert len(processes.puts) == len(set(processes.puts)) == 4 + 16


def test_the_job_of_a_dead_process_is_taken_over_where_it_was(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxome.relay.dialects.boss.downsampler._DEAD_S", 0.3)
    first = processes.start(0)
    processes.before = lambda: len(processes.puts) < 12 or wait_for_stop(first)
    first.start(processes.channel)
    while len(processes.puts) < 12:
        time.sleep(0.01)
    first.close()  # before it has finished; of a process that is killed, the owner stays
    jobs = processes.states[0].catalogue.find(LevelsJob)
    assert [(job.owner, job.blocks >= 1) for job in jobs] == [("", True)]
    catalogue = processes.states[0].catalogue
    catalogue.change(jobs[0], lambda job: LevelsJob(uid=job.uid, owner="killed", beat=7, blocks=job.blocks))
    begun, processes.puts = time.monotonic(), []
    processes.start(1)
    processes.wait("DOWNSAMPLED")
    assert time.monotonic() - begun >= 0.3
    processes.check()
    assert len(processes.puts) <= 15


def test_another_process_stops_it(processes: Processes) -> None:
    first, second = processes.start(0), processes.start(1)
    processes.before = lambda: wait_for_stop(first, second)
    first.start(processes.channel)
    while not processes.puts:
        time.sleep(0.01)
    second.cancel(processes.channel)
    processes.wait("NOT_DOWNSAMPLED")
    assert len(processes.puts) < 20


def test_levels_are_outdated_by_a_write_while_they_are_computed(processes: Processes) -> None:
    go, begun = Event(), Event()

    def hold() -> None:
        begun.set()
        go.wait(100)

    processes.before = hold
    processes.start(0).start(processes.channel)
    assert begun.wait(100)
    processes.states[1].mark_levels_outdated(CHANNEL.uid)
    go.set()
    processes.wait("NOT_DOWNSAMPLED")
    assert len(processes.puts) == 20


def test_a_channel_that_is_deleted_leaves_no_job(processes: Processes) -> None:
    processes.before = lambda: time.sleep(0.02)
    processes.start(0).start(processes.channel)
    while not processes.puts:
        time.sleep(0.01)
    catalogue = processes.states[0].catalogue
    catalogue.write(remove=catalogue.find(Channel))
    deadline = time.monotonic() + 120
    while catalogue.find(LevelsJob) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert catalogue.find(LevelsJob) == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by /proc")
def test_levels_are_computed_although_all_workers_are_killed(tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text('port = 0\nworkers = 2\nadmin_token_env = "RELAY_TOKEN"\ndialects = ["boss"]\n')
    environment = {**os.environ, "RELAY_TOKEN": "a-token", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "voxome.cli.main", "serve", str(config)]
    relay = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert relay.stdout is not None
    try:
        url = relay.stdout.readline().removeprefix("Serving at ").strip()
        with closing(Client(url, "a-token")) as client:
            frame = {f"{axis}_start": 0 for axis in "xyz"} | {"x_stop": 512, "y_stop": 512, "z_stop": 64}
            client.project({**frame, **{f"{axis}_voxel_size": 1 for axis in "xyz"}}, hierarchy_method="isotropic")
            client.channel("raw")
            data = noise((64, 512, 512), "uint8")
            client.write("raw/0/0:512/0:512/0:64", data)
            client.request("POST", "/v1/downsample/col/exp/raw", status=201)
            assert client.get("/v1/downsample/col/exp/raw")["status"] == "IN_PROGRESS"
            workers = Path(f"/proc/{relay.pid}/task/{relay.pid}/children").read_text().split()
            for worker in workers:
                if b"spawn_main" in Path(f"/proc/{worker}/cmdline").read_bytes():
                    os.kill(int(worker), signal.SIGKILL)
        deadline = time.monotonic() + 120
        with closing(Client(url, "a-token")) as client:
            client.http.timeout = httpx.Timeout(60)  # until workers have started again
            while client.get("/v1/downsample/col/exp/raw")["status"] != "DOWNSAMPLED":
                assert time.monotonic() < deadline
                time.sleep(0.2)
            found = client.read("raw/2/0:128/0:128/0:16", "uint8", (16, 128, 128))
        assert_array_equal(found, downsample_array(data, Box.of_shape(data.shape), (4, 4, 4), "mean"))
    finally:
        relay.terminate()
        relay.wait(100)
        relay.stdout.close()
