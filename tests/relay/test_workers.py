"""A relay of several processes is one: one fetch, writes and revocations seen at once, dead processes replaced."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.testing.strategies import noise

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by /proc"),
]

TOKEN, SHAPE = "an-admin-token", (64, 64, 64)
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
CONFIG = """
port = 0
workers = 3
admin_token_env = "RELAY_TOKEN"

[sources.em]
uri = "{folder}/em.zarr"
writers = ["lab"]
cache = true

[sources.private]
uri = "{folder}/em.zarr"
readers = ["lab"]
"""


def stored_in(folder: Path) -> list[str]:
    return ["--catalogue", str(folder / "catalogue.sqlite"), "--data", str(folder / "data")]


class Server:
    """A relay that runs as a command."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url

    def workers(self) -> set[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
        return {child for child, command in commands.items() if b"spawn_main" in command}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=30)

    def read(self, box: str) -> np.ndarray:
        answer = self.get(f"/raw/em/cutout?box={box}")
        assert answer.status_code == 200, answer.text
        return np.load(io.BytesIO(answer.content))

    def write(self, box: str, voxels: np.ndarray, token: str = TOKEN) -> int:
        body = io.BytesIO()
        np.save(body, voxels)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.put(
            f"{self.url}/raw/em/cutout?box={box}", content=body.getvalue(), headers=headers, timeout=30
        ).status_code


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    uri = f"zarr://{folder}/em.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8", chunk=(32, 32, 32)))[:] = noise(SHAPE, "uint8")
    (folder / "relay.toml").write_text(CONFIG.format(folder=folder))
    process = subprocess.Popen(
        [sys.executable, "-m", "voxome.cli.main", "serve", str(folder / "relay.toml"), *arguments],
        env={**os.environ, "RELAY_TOKEN": TOKEN, "TMPDIR": str(folder)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield Server(process, process.stdout.readline().removeprefix("Serving at ").strip())
    finally:
        process.terminate()
        process.communicate(timeout=100)
    assert not list(folder.glob("voxome-relay-*"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("relay")) as running:
        yield running


def test_a_write_by_one_process_is_read_from_all(server: Server) -> None:
    assert len(server.workers()) == 3
    for value in range(3):
        for _ in range(10):
            server.read("0:64,0:64,0:64")
        assert server.write("0:9,0:9,0:9", np.full((9, 9, 9), value, "uint8")) == 204
        for _ in range(40):
            assert (server.read("0:9,0:9,0:9") == value).all()


def test_boxes_that_share_chunks_are_written_at_the_same_time(server: Server) -> None:
    boxes = [(z, y) for z in range(0, 64, 8) for y in range(0, 64, 16)]

    def write(box: tuple[int, int]) -> int:
        z, y = box
        return server.write(f"{z}:{z + 8},{y}:{y + 16},10:30", np.full((8, 16, 20), z + y + 1, "uint8"))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, boxes)) == {204}
    read = server.read("0:64,0:64,10:30")
    for z, y in boxes:
        assert (read[z : z + 8, y : y + 16] == z + y + 1).all()
    assert_array_equal(server.read("0:64,0:64,30:64"), noise(SHAPE, "uint8")[:, :, 30:])


def test_metrics_are_those_of_all_processes_and_show_only_what_the_caller_may_read(server: Server) -> None:
    def read_bytes() -> int:
        matched = re.search(r'read_bytes_total{source="em"} (\d+)', server.get("/metrics").text)
        assert matched is not None
        return int(matched[1])

    before = read_bytes()
    for _ in range(20):
        server.read("0:10,0:10,0:10")
    assert read_bytes() == before + 20_000
    assert "private" not in server.get("/metrics").text
    assert "private" in server.get("/metrics", **ADMIN).text
    assert "voxome_relay_cache_disk_bytes" in server.get("/metrics").text
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/ready").json() == {"ready": True, "problems": [], "warnings": []}


def test_processes_may_open_as_many_files_as_connections(server: Server) -> None:
    for worker in server.workers():
        found = re.search(r"Max open files +(\d+) +(\d+)", Path(f"/proc/{worker}/limits").read_text())
        assert found is not None
        assert int(found[1]) > 2000 or found[1] == found[2]


def test_processes_that_die_are_replaced(server: Server) -> None:
    for _ in range(2):
        before = server.workers()
        victim = before.pop()
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 120
        while len(server.workers() - {victim}) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(server.workers() - {victim}) == 3
        for _ in range(20):
            assert server.read("0:9,0:9,30:39").shape == (9, 9, 9)
    assert server.write("0:1,0:1,0:1", np.ones((1, 1, 1), "uint8")) == 204


def test_tokens_are_known_and_revoked_at_once_in_all_processes(tmp_path: Path) -> None:
    catalogue = ["--catalogue", str(tmp_path / "catalogue.sqlite")]

    def token(*arguments: str) -> str:
        command = [sys.executable, "-m", "voxome.cli.main", "relay", "token", *arguments, *catalogue]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with serving(tmp_path, *catalogue, "--data", str(tmp_path / "data")) as server:
        bob = token("create", "bob", "--group", "lab", "--expires", "1h")
        headers = {"Authorization": f"Bearer {bob}"}
        box = "box=0:1,0:1,0:1"
        assert [server.get(f"/raw/private/cutout?{box}").status_code for _ in range(6)] == [401] * 6
        assert [server.get(f"/raw/private/cutout?{box}", **headers).status_code for _ in range(6)] == [200] * 6
        assert server.write("0:1,0:1,0:1", np.ones((1, 1, 1), "uint8"), bob) == 204
        identifier = token("list").splitlines()[1].split()[0]
        token("revoke", identifier)
        assert [server.get(f"/raw/private/cutout?{box}", **headers).status_code for _ in range(6)] == [401] * 6


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    with serving(tmp_path, "--cache", str(tmp_path / "cache"), *stored_in(tmp_path)) as server:
        workers = server.workers()
        server.process.kill()
        deadline = time.monotonic() + 120
        while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_a_relay_whose_processes_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_text("port = 0\nworkers = 2\ndialects = ['bos']\n")
    command = [sys.executable, "-m", "voxome.cli.main", "serve", str(tmp_path / "relay.toml")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "did you mean 'boss'" in ran.stderr
    assert "could not start" in ran.stderr


def test_a_file_that_one_process_may_write_is_not_written_by_several(tmp_path: Path) -> None:
    voxome.create(f"hdf5://{tmp_path}/a.h5/raw", voxome.VolumeSpec.of((8, 8, 8), "uint8"))
    command = [sys.executable, "-m", "voxome.cli.main", "serve", f"a={tmp_path}/a.h5/raw", "--writable", "a"]
    ran = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "a can be written by one process only" in ran.stderr


def test_a_cache_folder_has_one_relay(tmp_path: Path) -> None:
    with serving(tmp_path, "--cache", str(tmp_path / "cache")):
        command = [sys.executable, "-m", "voxome.cli.main", "serve", "--port", "0", "--cache", str(tmp_path / "cache")]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "another relay uses the cache" in ran.stderr
