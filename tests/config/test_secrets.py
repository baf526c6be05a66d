"""No token or password appears in errors and their causes, logs, output, objects or records."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from standins import boss, dvid
from standins.faulty_proxy import Answer, Cut, Fault, FaultyProxy

import voxome
from voxome.cli.main import main
from voxome.config import profiles
from voxome.config.file import read_config
from voxome.contracts.uri import Uri
from voxome.errors import VoxomeError
from voxome.remotes import http
from voxome.remotes.bossdb.remote import BossdbRemote
from voxome.remotes.dvid.remote import DvidRemote
from voxome.remotes.http import Api
from voxome.resources.recognition import get_remote
from voxome.storage import tensorstore
from voxome.workflow.options import RunOptions
from voxome.workflow.run_tool import run_tool

pytestmark = pytest.mark.slow

SECRET = "zq7-never-to-be-shown"
ROOT = "ab" * 16
ECHO = f"you sent Authorization: Token {SECRET} and ?admintoken={SECRET}".encode()
FAULTS: list[Fault] = [
    Answer(401, ECHO),
    Answer(403, b'{"status": 403, "code": 1, "message": "denied, ' + SECRET.encode() + b'"}'),
    Answer(404, b"nothing here"),
    Answer(500, ECHO),
    Answer(200, b"<html>" + ECHO),
    Answer(302, b"", {"Location": f"/again?access_token={SECRET}"}),
    Cut(),
    Cut(5),
]
WHERE = ["environment", "file", "variable"]
SPEC = voxome.VolumeSpec.of((4, 8, 8), "uint8", chunk=(4, 8, 8), voxel_size_nm=(8, 8, 8))


class Emitted:
    """Everything that a user or a log reader could see."""

    def __init__(self, log: pytest.LogCaptureFixture, output: pytest.CaptureFixture[str], folder: Path) -> None:
        self._log, self._output, self._folder = log, output, folder
        self._texts: list[str] = []

    def keep(self, *things: object) -> None:
        self._texts += [text for thing in things for text in (str(thing), repr(thing))]

    def attempt(self, work: Callable[[], Any]) -> None:
        """Call `work`, which may fail; keep its result, or the error with its causes and context."""
        try:
            self.keep(work())
        except (VoxomeError, SystemExit, KeyError) as error:
            self._texts += traceback.format_exception(error)
            seen: BaseException | None = error
            chain = [seen]
            while seen is not None and len(chain) < 20:
                self.keep(seen)
                chain.append(seen := seen.__cause__ or seen.__context__)

    def check(self) -> None:
        written = [file for file in self._folder.rglob("*") if file.is_file()]
        texts = [*self._texts, self._log.text, *self._output.readouterr()]
        for text in (*texts, *(str(record.__dict__) for record in self._log.records)):
            at = text.find(SECRET)
            assert at < 0, f"…{text[max(0, at - 200) : at + 60]}…"
        for file in written:
            assert SECRET.encode() not in file.read_bytes(), file


@pytest.fixture
def emitted(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emitted]:
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(http, "RETRIES", 1)
    monkeypatch.setattr(Api.__init__, "__kwdefaults__", {**(Api.__init__.__kwdefaults__ or {}), "retries": 1})
    monkeypatch.setenv("VOXOME_RETRIES", "1")
    monkeypatch.setattr(tensorstore, "_SHARED", {})
    monkeypatch.setattr(tensorstore, "_DELAYS", {"initial_delay": "1ms", "max_delay": "2ms"})
    caplog.set_level(logging.DEBUG)
    (tmp_path / "seen").mkdir()
    yield (found := Emitted(caplog, capfd, tmp_path / "seen"))
    found.check()


def configure(patch: pytest.MonkeyPatch, folder: Path, where: str, kind: str, host: str) -> None:
    """Configure a host and its token in one of the supported ways."""
    lines = [f'[profiles.default.{kind}]\nhost = "{host}"']
    if where == "environment":
        patch.setenv(f"VOXOME_{kind.upper()}_HOST", host)
        patch.setenv(f"VOXOME_{kind.upper()}_TOKEN", SECRET)
    elif where == "file":
        lines.append(f'token = "{SECRET}"')
    else:
        lines.append('token_env = "ANY_NAME"')
        patch.setenv("ANY_NAME", SECRET)
    file = folder / f"{kind}.toml"
    file.write_text("\n".join(lines))
    patch.setenv("VOXOME_CONFIG", str(file))
    read_config.cache_clear()


@pytest.mark.parametrize("where", WHERE)
def test_bossdb_shows_no_token(where: str, emitted: Emitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with FaultyProxy() as proxy:
        configure(monkeypatch, tmp_path, where, "bossdb", proxy.url)
        emitted.keep(profiles.store_profile("bossdb"), profiles.in_use())
        remote = BossdbRemote()
        for host in (proxy.url, proxy.url.replace("//", f"//me:{SECRET}@")):
            uri = Uri.parse(f"bossdb://{host}/a/b/c")
            server = remote.connect(uri)
            emitted.keep(server, vars(server))
            for fault in FAULTS:
                proxy.reset()
                proxy.chance(1, fault, seed=0)
                emitted.attempt(lambda: remote.open(uri))  # noqa: B023
                emitted.attempt(lambda: list(remote.list(uri)))  # noqa: B023
                emitted.attempt(lambda: remote.create(uri, SPEC))  # noqa: B023
                emitted.attempt(lambda: remote.delete(uri))  # noqa: B023
                emitted.attempt(server.collections.list)
                emitted.attempt(lambda: server.metadata("a", "b")["k"])  # noqa: B023
                emitted.attempt(lambda: main(["ls", f"bossdb://{host}"]))  # noqa: B023
            emitted.attempt(lambda: remote.open(Uri.parse(f"bossdb://{host}/a/b")))  # noqa: B023
        assert {one.headers["Authorization"] for one in proxy.seen} == {f"Token {SECRET}"}


@pytest.mark.parametrize("where", WHERE)
def test_dvid_shows_no_token(where: str, emitted: Emitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with FaultyProxy() as proxy:
        configure(monkeypatch, tmp_path, where, "dvid", proxy.url)
        monkeypatch.setenv("VOXOME_DVID_ADMIN_HOST", proxy.url)
        monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", SECRET)
        remote, bare = DvidRemote(), proxy.url.removeprefix("http://")
        for host in (bare, f"me:{SECRET}@{bare}"):
            uri = Uri.parse(f"dvid://{host}/{ROOT}/grey")
            server, version = (
                remote.connect(Uri.parse(f"dvid://{host}")),
                remote.connect(Uri.parse(f"dvid://{host}/{ROOT}")),
            )
            emitted.keep(server, vars(server), version, vars(version), version.labels(), version.keyvalue("k"))
            for fault in FAULTS:
                proxy.reset()
                proxy.chance(1, fault, seed=0)
                emitted.attempt(lambda: remote.open(uri))  # noqa: B023
                emitted.attempt(lambda: list(remote.list(uri)))  # noqa: B023
                emitted.attempt(lambda: remote.create(uri, SPEC))  # noqa: B023
                emitted.attempt(lambda: server.create_repo("a"))  # noqa: B023
                emitted.attempt(lambda: version.labels().merge(1, [2]))  # noqa: B023
                emitted.attempt(lambda: version.labels().cleave(1, [2]))  # noqa: B023
                emitted.attempt(lambda: len(version.keyvalue("k")["a"]))  # noqa: B023
                emitted.attempt(lambda: main(["ls", f"dvid://{host}"]))  # noqa: B023
        assert {one.headers.get("Authorization") for one in proxy.seen} == {f"Bearer {SECRET}"}
        assert any(f"admintoken={SECRET}" in one.target for one in proxy.seen)


@pytest.mark.parametrize("way", ["environment", "file"])
def test_s3_shows_no_credentials(way: str, emitted: Emitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    credentials = {"aws_access_key_id": "AKIDPUBLIC", "aws_secret_access_key": SECRET, "aws_session_token": SECRET}
    query = ""
    if way == "environment":
        for name, value in credentials.items():
            monkeypatch.setenv(name.upper(), value)
    else:
        file = tmp_path / "credentials"
        file.write_text("[lab]\n" + "\n".join(f"{name} = {value}" for name, value in credentials.items()))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        query = "&profile=lab"
    with FaultyProxy() as proxy:
        for fault in (Answer(403, b"<Error><Message>no</Message></Error>"), Answer(500), Answer(200, b"<html>"), Cut()):
            proxy.reset()
            proxy.chance(1, fault, seed=0)
            for scheme in ("zarr", "n5", "precomputed"):
                _use(emitted, f"{scheme}://s3://bucket/a?endpoint={proxy.url}{query}")
        assert proxy.seen


@pytest.mark.parametrize("fault", [Answer(401, b"who are you?"), Answer(500), Answer(200, b"<html>"), Cut()])
def test_passwords_in_addresses_are_not_shown(fault: Fault, emitted: Emitted) -> None:
    with FaultyProxy() as proxy:
        proxy.chance(1, fault, seed=0)
        host = proxy.url.replace("//", f"//me:{SECRET}@")
        emitted.attempt(lambda: Api(host.replace("http", "ftp")))
        emitted.attempt(lambda: Api(f"http://me:{SECRET}@host:port"))
        emitted.attempt(lambda: Api(host, retries=0).json("GET", "/x"))
        for scheme in ("zarr", "n5", "precomputed"):
            _use(emitted, f"{scheme}://{host}/a")


@pytest.mark.parametrize(
    "work",
    [
        lambda address: voxome.create(f"{address}/a.zarr", SPEC),
        lambda address: repr(Uri.parse(f"zarr://{address}/a")),
        lambda address: str(Uri.parse(f"zarr://{address.replace('@', '@more@')}/a")),
    ],
)
def test_text_about_an_address_has_no_secret(work: Callable[[str], object]) -> None:
    try:
        text = str(work(f"http://me:{SECRET}@127.0.0.1:9"))
    except VoxomeError as error:
        text = str(error)
    assert SECRET not in text
    assert "more" not in text


def _use(emitted: Emitted, uri: str) -> None:
    """Use a volume as a user would."""
    emitted.keep(str(Uri.parse(uri)))
    emitted.attempt(lambda: voxome.open(uri))
    emitted.attempt(lambda: voxome.open(uri)[...])
    emitted.attempt(lambda: voxome.create(uri, SPEC))
    emitted.attempt(lambda: list(get_remote(Uri.parse(uri).scheme).list(Uri.parse(uri))))
    emitted.attempt(lambda: main(["info", uri]))


def test_errors_in_the_configuration_show_no_secret(
    emitted: Emitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.toml"
    monkeypatch.setenv("VOXOME_CONFIG", str(file))
    for text in (f'tokn = "{SECRET}"', f'token = ["{SECRET}"]', f'token = "{SECRET}', f'options = "{SECRET}"'):
        file.write_text(f"[profiles.default.bossdb]\n{text}\n")
        read_config.cache_clear()
        emitted.attempt(lambda: profiles.store_profile("bossdb"))


@pytest.mark.parametrize("kind", ["bossdb", "dvid"])
def test_records_of_transfers_and_runs_contain_no_secret(
    kind: str, emitted: Emitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing stored by successful work contains a secret."""
    seen, data = tmp_path / "seen", np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    with boss.serving() as archive, dvid.serving(SECRET) as proofreading:
        if kind == "bossdb":
            configure(monkeypatch, tmp_path, "environment", kind, archive.url)
            monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", archive.token)
            uri = f"bossdb://{archive.url}/a/b/c"
        else:
            configure(monkeypatch, tmp_path, "environment", kind, proofreading)
            query = {"admintoken": SECRET}
            httpx.post(f"{proofreading}/api/repos", params=query, json={"root": ROOT}).raise_for_status()
            uri = f"dvid://{proofreading.removeprefix('http://')}/{ROOT}/c"
        voxome.create(uri, SPEC)[...] = data
        emitted.keep(voxome.transfer(uri, f"zarr://{seen}/copy.zarr", state=seen / "state"))
        options = RunOptions(block=(4, 8, 8))
        emitted.keep(run_tool("common.threshold", {"image": uri, "at": 9}, store=seen / "run", options=options))
        files = [file.read_bytes() for file in seen.rglob("*") if file.is_file()]
        assert any(uri.encode() in content for content in files)
        assert not any(archive.token.encode() in content for content in files)
