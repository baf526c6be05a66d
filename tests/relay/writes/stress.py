"""Clients write through a relay whose processes are killed at random; afterwards its store is compared with a model.

Also a command: ``PYTHONPATH=tests python -m relay.writes.stress FOLDER --kills 100 --seed 1``.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import httpx
import numpy as np
from peers.process import free_port

import voxome
from voxome.geometry import Box

SHAPE, CLIENTS, WORKERS = (60, 128, 128), 6, 2
DEPTH = SHAPE[0] // CLIENTS
"""Sections of each client: 10, so that clients share chunks of 32; all chunks are twice the budget of the cache."""
TOKEN = "the-admins-token"
CONFIG = """
port = {port}
workers = {workers}
admin_token_env = "RELAY_ADMIN"
[cache]
folder = "{folder}/cache"
memory_mib = 1
disk_mib = 1
write_mib = 8
[sources.em]
uri = "{folder}/em.zarr"
writers = ["lab"]
cache = true
write = "back"
"""


@dataclass
class Outcome:
    """What became of a run.

    Attributes
    ----------
    confirmed, unconfirmed : int
        Writes with status 204, and tries that failed or were refused.
    reads : int
        Reads that were compared with what their client had written.
    kills : list of str
        What was killed, in order.
    wrong : list of str
        Reads that differed.
    """

    confirmed: int = 0
    unconfirmed: int = 0
    reads: int = 0
    kills: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class RelayProcess:
    """A relay that runs as a command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "relay.toml").write_text(CONFIG.format(port=self.port, workers=WORKERS, folder=folder))
        self.start()

    def start(self) -> None:
        records = ["--catalogue", str(self._folder / "catalogue.sqlite"), "--data", str(self._folder / "data")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "voxome.cli.main", "serve", str(self._folder / "relay.toml"), *records],
            env={**os.environ, "RELAY_ADMIN": TOKEN}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("Serving at")

    def children(self) -> list[int]:
        pid = self.process.pid
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [one for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]

    def kill_one(self, choose: random.Random) -> None:
        """Kill one of the processes that serve."""
        with suppress(ProcessLookupError, FileNotFoundError, IndexError):
            os.kill(choose.choice(self.children()), signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill the whole relay, and start it again."""
        with suppress(FileNotFoundError):
            children = self.children()
        self.process.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.communicate()
        self.start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=60)


def run(folder: Path, kills: int, seed: int = 0, between_s: float = 1.5) -> Outcome:
    """Kill processes of a relay, or all of it, while clients write; return what they saw, after comparing the store."""
    uri, choose, outcome = f"zarr://{folder}/em.zarr", random.Random(seed), Outcome()
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint16", chunk=(32, 32, 32)))
    model, ended = np.zeros(SHAPE, "uint16"), Event()
    relay = RelayProcess(folder)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(_client, relay.url, number, model, ended, outcome) for number in range(CLIENTS)]
        try:
            for number in range(kills):
                time.sleep(choose.uniform(0.1, between_s))
                outcome.kills.append("relay" if number % 2 else "process")
                if number % 2:
                    relay.kill_all()
                else:
                    relay.kill_one(choose)
            time.sleep(between_s)
        finally:
            ended.set()
        for client in clients:
            client.result()
    _wait_until_flushed(relay.url)
    relay.stop()
    stored = voxome.open(uri, expect=voxome.Volume)[...]
    if not np.array_equal(stored, model):
        wrong = np.argwhere(stored != model)
        outcome.wrong.append(f"{len(wrong)} voxels of the store, the first at {wrong[0]}")
    return outcome


def _client(url: str, number: int, model: np.ndarray, ended: Event, outcome: Outcome) -> None:
    """Write boxes of its own sections one after the other, each until it is confirmed, and read them."""
    random = np.random.default_rng(number)
    own = slice(number * DEPTH, (number + 1) * DEPTH)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as http:
        for value in _values(ended):
            box = _random_box(random, own)
            data = np.full(box.shape, value, "uint16")
            body = io.BytesIO()
            np.save(body, data)
            while not _confirmed(http, box, body.getvalue()):
                outcome.unconfirmed += 1
                time.sleep(0.05)
            outcome.confirmed += 1
            model[box.within(Box.of_shape(SHAPE))] = value
            answer = _read(http, own)
            if answer is not None:
                outcome.reads += 1
                read = np.load(io.BytesIO(answer))
                if not np.array_equal(read, model[own]):
                    outcome.wrong.append(f"client {number} after write {value} to {box}")


def _values(ended: Event) -> Iterator[int]:
    value = 0
    while not ended.is_set():
        value = value % 65535 + 1
        yield value


def _random_box(random: np.random.Generator, own: slice) -> Box:
    start, stop = [], []
    for low, high in ((own.start, own.stop), (0, SHAPE[1]), (0, SHAPE[2])):
        start.append(int(random.integers(low, high)))
        stop.append(int(random.integers(start[-1] + 1, high + 1)))
    return Box(tuple(start), tuple(stop))


def _confirmed(http: httpx.Client, box: Box, body: bytes) -> bool:
    with suppress(httpx.HTTPError):
        return http.put(f"/raw/em/cutout?box={box}", content=body).status_code == 204
    return False


def _read(http: httpx.Client, own: slice) -> bytes | None:
    with suppress(httpx.HTTPError):
        answer = http.get(f"/raw/em/cutout?box={own.start}:{own.stop},0:{SHAPE[1]},0:{SHAPE[2]}")
        if answer.status_code == 200:
            return answer.content
    return None


def _wait_until_flushed(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            metrics = httpx.get(f"{url}/metrics", timeout=30).text
            if 'voxome_relay_writes_waiting{source="em"} 0' in metrics:
                return
        time.sleep(0.2)
    raise AssertionError("the writes were not passed on to the store")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(run(arguments.folder, arguments.kills, arguments.seed))
