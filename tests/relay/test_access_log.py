"""The access log: what a line says, and what it never does."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from relay.cache.caches import open_cache
from relay.serving import as_user, serving, stored
from standins.faulty_proxy import Answer, FaultyProxy

import voxome
from voxome.errors import InvalidInput
from voxome.redaction import RedactedFormatter
from voxome.relay.access_log import open_log
from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.app import create_app
from voxome.relay.caching import Caching
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.dialects.s3.keys import create_key_pair
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

DATA = noise((32, 32, 32), "uint8")
CUTOUT = "/raw/lab/em/x/cutout?box=0:32,0:32,0:32"


class Logged:
    """A relay with an access log in memory."""

    def __init__(self, url: str, records: list[dict[str, Any]], catalogue: MemoryCatalogue) -> None:
        self.url, self.records, self.catalogue = url, records, catalogue

    def get(self, path: str, **headers: str) -> dict[str, Any]:
        """Return the record of a request."""
        before = len(self.records)
        httpx.get(self.url + path, headers=headers)
        while len(self.records) == before:
            time.sleep(0.01)
        return self.records[-1]


@contextmanager
def logged(uri: str = "", rights: Rights | None = None) -> Iterator[Logged]:
    catalogue = MemoryCatalogue()
    records: list[dict[str, Any]] = []
    catalogue.write(add=[User(name="ann"), Token(digest=digest("ann-token"), user="ann")])
    catalogue.write(add=[Membership(group="lab", user="ann", rank="member")])
    with closing(open_cache()) as cache:
        sources = Sources(cache)
        sources.add("lab/em/x", uri or stored(DATA, voxel_size_nm=(4, 4, 4)), rights or Rights(), Caching(enabled=True))
        relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources)
        with in_thread(create_app(open_dialects(relay), log=records.append)) as url:
            yield Logged(url, records, catalogue)


@pytest.mark.slow
def test_a_line_says_who_read_what_and_how_it_was_found() -> None:
    with logged() as relay:
        first = relay.get(CUTOUT, **as_user("ann"))
        second = relay.get(CUTOUT)
    for record, caller, cache in [(first, "ann", "fwd=miss; stored"), (second, "", "hit")]:
        assert record["method"] == "GET"
        assert record["path"] == CUTOUT
        assert record["status"] == 200
        assert record["bytes"] == DATA.nbytes + 128
        assert 0 < record["ms"] < 10_000
        assert record["client"] == "127.0.0.1"
        assert (record["source"], record["dialect"]) == ("lab/em/x", "raw")
        assert (record["caller"], record["cache"]) == (caller, cache)
        assert record["time"].endswith("Z")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "dialect", "source", "status"),
    [
        ("/v1/cutout/lab/em/x/0/0:4/0:4/0:4", "boss", "lab/em/x", 200),
        ("/zarr/lab/em/x/.zattrs", "zarr", "lab/em/x", 200),
        ("/precomputed/lab/em/x/info", "precomputed", "lab/em/x", 200),
        ("/s3/zarr/lab/em/x/.zattrs", "s3", "lab/em/x", 200),
        ("/raw/none/info", "raw", "", 404),
        ("/raw", "raw", "", 200),
    ],
)
def test_a_line_names_the_dialect_and_the_source(path: str, dialect: str, source: str, status: int) -> None:
    with logged() as relay:
        record = relay.get(path)
    assert (record["dialect"], record["source"], record["status"]) == (dialect, source, status)


@pytest.mark.parametrize("format", ["json", "text"])
def test_line_breaks_in_a_path_or_a_name_do_not_make_lines(format: str, tmp_path: Path) -> None:
    with open_log(str(tmp_path / "log"), format) as write, logged() as relay:
        relay.catalogue.write(add=[User(name="a\nb"), Token(digest=digest("odd"), user="a\nb")])
        write(relay.get("/raw/x%0a%0D2026%20GET/info%00?box=%0a1", Authorization="Bearer odd"))
    text = (tmp_path / "log").read_text()
    assert text.count("\n") == len(text.splitlines()) == 1
    assert "/raw/x%0a%0D2026%20GET/info%00?box=%0A1" in text


def test_a_file_that_was_moved_away_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with open_log(str(file), "json") as write, logged() as relay:
        record = relay.get("/raw")
        write(record)
        file.rename(tmp_path / "log.1")
        write(record)
    assert [json.loads(one.read_text()) for one in (file, tmp_path / "log.1")] == [record, record]


def test_a_log_that_cannot_be_opened_is_an_error_and_one_that_fails_later_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidInput, match="cannot be opened"), open_log(str(tmp_path / "none" / "log"), "json"):
        pass
    with suppress(OSError), open_log("/dev/full", "json") as write:
        write({})
        write({})
    assert [one.message for one in caplog.records] == [
        "the access log could not be written: [Errno 28] No space left on device"
    ]


def secrets_of(url: str, relay: Logged) -> list[str]:
    """Send requests that carry all kinds of secrets; return the secrets."""
    key = create_key_pair(relay.catalogue, "ann")
    headers = {"Cookie": "session=a-cookie-value", **as_user("ann")}
    for path in (CUTOUT, "/v1/cutout/lab/em/x/0/0:4/0:4/0:4", "/precomputed/lab/em/x/info", "/view/state", "/metrics"):
        httpx.get(url + path, headers=headers)
        httpx.get(f"{url}{path}{'&' if '?' in path else '?'}token=ann-token&a-query-value", headers=headers)
        httpx.get(url + path, headers={"Authorization": "Bearer wrong-token-value"})
    config = Config(signature_version="s3v4", retries={"max_attempts": 1})
    options = {"endpoint_url": f"{url}/s3", "aws_access_key_id": key.access_key, "region_name": "us-east-1"}
    s3 = boto3.client(
        "s3",
        aws_secret_access_key=key.secret,
        config=config,
        **options,
    )
    for action in (s3.list_objects_v2, s3.get_bucket_location):
        with suppress(ClientError):  # where the store fails
            action(Bucket="zarr")
    signed = s3.generate_presigned_url("get_object", {"Bucket": "zarr", "Key": "lab/em/x/.zattrs"})
    httpx.get(signed)
    signature = signed.partition("X-Amz-Signature=")[2].partition("&")[0]
    return [
        "ann-token", digest("ann-token"), digest("ann-token")[:12], "a-cookie-value", "a-query-value", key.secret,
        "wrong-token-value", signature, "X-Amz-Signature", "upstream-secret",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("answers", [200, 500])
def test_no_log_at_any_level_has_a_secret(answers: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    behind = Sources()
    behind.add("em", stored(DATA))
    voxome.configure(retries=0)
    formatter = RedactedFormatter()
    try:
        with ExitStack() as stack:
            proxy = stack.enter_context(FaultyProxy(stack.enter_context(serving(behind, ["zarr"]))))
            if answers != 200:
                proxy.script("zarr", *[Answer(answers)] * 999)
            user = "" if answers == 200 else "me:upstream-secret@"
            uri = f"zarr://{proxy.url.replace('://', f'://{user}')}/zarr/em/0"
            relay = stack.enter_context(logged(uri))
            with caplog.at_level(logging.DEBUG):
                secrets = secrets_of(relay.url, relay)
    finally:
        voxome.configure(retries=None)
    for format in ("json", "text"):
        with open_log(str(tmp_path / "log"), format) as write:
            for record in relay.records:
                write(record)
    ours = [one for one in caplog.records if one.name.startswith(("voxome", "uvicorn", "asyncio", "starlette"))]
    text = (tmp_path / "log").read_text() + "\n".join(map(formatter.format, ours))
    assert len(relay.records) > 15
    assert (answers in {record["status"] for record in relay.records}) == (answers == 200)
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_command_logs_to_a_file_and_to_standard_output(tmp_path: Path, workers: str) -> None:
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of(DATA.shape, "uint8"))[:] = DATA
    log = tmp_path / "access.log"
    for target in (str(log), "-"):
        process = subprocess.Popen(
            [sys.executable, "-m", "voxome.cli.main", "serve", "--port", "0", "--workers", workers, "--access-log",
             target, "--log-level", "debug", f"{tmp_path}/em.zarr"],
            env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        url = process.stdout.readline().removeprefix("Serving at ").strip()
        for _ in range(10):
            httpx.get(f"{url}/raw/em/info?token=a-secret", headers={"Authorization": "Bearer another-secret"})
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=100)
        assert process.returncode == 0
        lines = log.read_text() if target != "-" else output
        records = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
        assert [record["path"] for record in records] == ["/raw/em/info"] * 10
        assert "secret" not in lines + output + errors
