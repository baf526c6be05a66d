"""The server as a command: what it keeps, whom it lets in, what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.dialects.boss.client import Client

pytestmark = pytest.mark.slow

TOKEN = "an-admin-token-that-is-secret"
COMMAND = [sys.executable, "-W", "error", "-m", "voxome.relay"]


@contextmanager
def running(folder: Path, *more: str, stop: int = signal.SIGTERM) -> Iterator[str]:
    """The URL of a server that keeps its things in `folder`; its output is checked for secrets at the end."""
    kept = ["--catalogue", str(folder / "names.sqlite"), "--data", str(folder / "voxels")]
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *kept, "--admin-token-env", "RELAY_TOKEN", *more],
        env={**os.environ, "RELAY_TOKEN": TOKEN}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("serving at ").strip()
    finally:
        process.send_signal(stop)
        said = "".join(process.communicate(timeout=30))
    assert TOKEN not in said
    assert "Error" not in said, said


def fails(*arguments: str) -> str:
    ran = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1, ran
    return ran.stderr


def test_all_is_there_after_a_kill(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(1, 255, (21, 70, 130), dtype="uint8")
    with running(tmp_path, stop=signal.SIGKILL) as url, closing(Client(url, TOKEN)) as client:
        client.project()
        client.channel("raw")
        client.write("raw/0/0:130/0:70/0:21", data)
        client.ask("POST", "/v1/meta/col/?key=k&value=v", status=201)
        client.ask("POST", "/v1/sso/user/bob", json={"password": "open sesame"}, status=201)
        client.ask("PUT", "/v1/collection/col/experiment/exp/channel/raw", json={"public": True})
    kept = ["--catalogue", str(tmp_path / "names.sqlite")]
    made = subprocess.run([*COMMAND, *kept, "--new-token-for", "bob"], capture_output=True, text=True, check=True)
    bob = made.stdout.strip()
    with running(tmp_path, "--allow-origin", "*") as url:
        with closing(Client(url, None)) as nobody:
            assert_array_equal(nobody.read("raw/0/0:130/0:70/0:21", "uint8", data.shape), data)
            nobody.ask("GET", "/v1/meta/col/", status=403, code=3001)
            answer = nobody.ask("GET", "/v1/coord", headers={"Origin": "https://viewer"})
            assert answer.headers["access-control-allow-origin"] == "*"
        with closing(Client(url, bob)) as user:
            assert user.get("/v1/sso/user/bob")["username"] == "bob"
        with closing(Client(url, TOKEN)) as admin:
            assert admin.get("/v1/meta/col/?key=k")["value"] == "v"
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("names.sqlite*"))
    for secret in (TOKEN, bob, "sesame"):
        assert secret.encode() not in stored
    names = {path.name for path in (tmp_path / "voxels").iterdir()}
    assert all(len(name) == 32 for name in names)


def test_faults_of_the_command_line(tmp_path: Path) -> None:
    catalogue = str(tmp_path / "names.sqlite")
    assert "RELAY_NONE" in fails("--admin-token-env", "RELAY_NONE")
    assert "--data" in fails("--catalogue", catalogue)
    assert "no user bob" in fails("--catalogue", catalogue, "--new-token-for", "bob")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with running(tmp_path) as url:
        assert "in use" in fails("--port", url.rpartition(":")[2])
