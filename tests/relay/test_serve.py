"""The server as a command: persistence, permissions and output."""

from __future__ import annotations

import io
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.dialects.boss.client import Client

import voxome
from voxome.cli.main import main

pytestmark = pytest.mark.slow

TOKEN = "an-admin-token-that-is-secret"
COMMAND = [sys.executable, "-W", "error", "-m", "voxome.cli.main", "serve"]


@contextmanager
def running(folder: Path, *more: str, stop: int = signal.SIGTERM) -> Iterator[str]:
    """Yield the URL of a server that stores everything in `folder`; check its output for secrets at the end."""
    storage = ["--catalogue", str(folder / "names.sqlite"), "--data", str(folder / "voxels")]
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *storage, "--admin-token-env", "RELAY_TOKEN", *more],
        env={**os.environ, "RELAY_TOKEN": TOKEN}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("Serving at ").strip()
    finally:
        process.send_signal(stop)
        output = "".join(process.communicate(timeout=100))
    assert TOKEN not in output
    assert "Error" not in output, output


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Function that returns what the command says before it fails; it starts no server, so it needs no process."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["serve", *arguments])
        assert ended.value.code == 1
        return capsys.readouterr().err

    return run


def token(*arguments: str) -> str:
    command = [*COMMAND[:-1], "relay", "token", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(1, 255, (21, 70, 130), dtype="uint8")
    with running(tmp_path, stop=signal.SIGKILL) as url, closing(Client(url, TOKEN)) as client:
        client.project()
        client.channel("raw")
        client.write("raw/0/0:130/0:70/0:21", data)
        client.request("POST", "/v1/meta/col/?key=k&value=v", status=201)
        client.request("POST", "/v1/sso/user/bob", json={"password": "open sesame"}, status=201)
        client.request("PUT", "/v1/collection/col/experiment/exp/channel/raw", json={"public": True})
    bob = token("create", "bob", "--catalogue", str(tmp_path / "names.sqlite"))
    with running(tmp_path, "--allow-origin", "*") as url:
        with closing(Client(url, None)) as nobody:
            assert_array_equal(nobody.read("raw/0/0:130/0:70/0:21", "uint8", data.shape), data)
            nobody.request("GET", "/v1/meta/col/", status=401, code=3001)
            answer = nobody.request("GET", "/v1/coord", headers={"Origin": "https://viewer"})
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


def test_sources_are_served_by_name_and_admins_write_where_they_may(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(1, 255, (9, 30, 40), dtype="uint8")
    for name in ("em", "copy"):
        spec = voxome.VolumeSpec.of(data.shape, "uint8", voxel_size_nm=(40, 4, 4))
        voxome.create(f"zarr://{tmp_path}/{name}.zarr", spec)[:] = data
    sources = [f"lab/exp/em={tmp_path}/em.zarr", f"{tmp_path}/copy.zarr"]
    with running(tmp_path, *sources, "--writable", "copy") as url:
        with closing(Client(url, None)) as nobody:
            assert_array_equal(nobody.read_at("lab/exp/em/0/0:40/0:30/0:9", "uint8", data.shape), data)
            answer = nobody.request("GET", "/raw/copy/cutout?box=1:3,0:30,0:40")
            assert_array_equal(np.load(io.BytesIO(answer.content)), data[1:3])
            nobody.request("PUT", "/raw/copy/cutout?box=0:1,0:1,0:1", content=b"", status=401)
        body = io.BytesIO()
        np.save(body, np.zeros((1, 1, 1), "uint8"))
        box = "/raw/{}/cutout?box=0:1,0:1,0:1"
        with closing(Client(url, TOKEN)) as admin:
            admin.request("PUT", box.format("copy"), content=body.getvalue(), status=204)
            admin.request("PUT", box.format("lab/exp/em"), content=body.getvalue(), status=403)
    assert voxome.open(f"zarr://{tmp_path}/copy.zarr")[0, 0, 0] == 0


def test_wrong_options_are_explained(tmp_path: Path, fails: Callable[..., str]) -> None:
    catalogue = str(tmp_path / "names.sqlite")
    config = tmp_path / "relay.toml"
    assert "RELAY_NONE" in fails("--admin-token-env", "RELAY_NONE")
    assert "catalogue and data need each other" in fails("--catalogue", catalogue)
    assert "has no path" in fails("zarr://")
    assert "suggests no name" in fails("zarr:///")
    assert "did you mean 'zarr'" in fails("zar:///data/a")
    assert "/missing/a does not exist" in fails("a=/missing/a")
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 2), "uint8"))
    local = f"a={tmp_path}/a.npy"
    assert "two volumes would be served as a" in fails("a.npy", "b/a.npy")
    assert "--writable b: no volume" in fails(local, "--writable", "b")
    assert "boss" in fails(local, "--dialect", "bos")
    config.write_text("[sources.a]\nurl = 'a.npy'\nttl_s = 0")
    explained = fails(str(config))
    for part in (str(config), "did you mean 'sources.a.uri'", "ttl_s: expected more than 0"):
        assert part in explained
    config.write_text("[sources.a]\nttl_s = 5")
    assert "sources.a: neither uri nor tool is given" in fails(str(config))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_relay_with_a_certificate_serves_https(tmp_path: Path, fails: Callable[..., str], workers: str) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with running(tmp_path, "--tls-certificate", certificate, "--tls-key", key, "--workers", workers) as url:
        assert url.startswith("https://")
        assert httpx.get(f"{url}/health", verify=ssl.create_default_context(cafile=certificate)).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/health")
    assert "tls.key: missing" in fails("--tls-certificate", certificate)


def test_a_port_in_use_is_reported(tmp_path: Path, fails: Callable[..., str]) -> None:
    with running(tmp_path) as url:
        assert "in use" in fails("--port", url.rpartition(":")[2])
