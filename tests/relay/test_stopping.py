"""After SIGTERM a relay is not ready at once, answers what is under way, ends streams, and exits with 0."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from standins.faulty_proxy import FaultyProxy, Stall

import voxome
from voxome.contracts.spec import VolumeKind
from voxome.relay.stopping import AnswerInterrupted, EventStream, Stopping
from voxome.testing.strategies import noise

SHAPE = (32, 32, 32)


async def stream(stopping: Stopping, events: AsyncIterator[str]) -> list[Any]:
    """Return the messages of a stream."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    await EventStream(stopping, events)({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    return messages


async def for_ever() -> AsyncIterator[str]:
    while True:
        yield ":\n\n"
        await asyncio.sleep(3600)


@pytest.mark.parametrize("before", [True, False])
def test_a_stream_of_events_ends_when_the_server_stops(before: bool) -> None:
    async def run() -> list[Any]:
        stopping = Stopping()
        if before:
            stopping.begin()
        else:
            asyncio.get_running_loop().call_later(0.1, stopping.begin)
        async with asyncio.timeout(5):
            return await stream(stopping, for_ever())

    messages = asyncio.run(run())
    assert messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_a_stream_that_is_cancelled_for_another_reason_says_so() -> None:
    async def run() -> None:
        task = asyncio.ensure_future(stream(Stopping(), for_ever()))
        await asyncio.sleep(0.1)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


class SlowFiles(SimpleHTTPRequestHandler):
    """Files, of which chunks take some time."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if "/c/" in self.path:
            time.sleep(2)
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@contextmanager
def store(folder: Path, kind: VolumeKind = "image") -> Iterator[str]:
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", chunk=SHAPE, kind=kind)
    voxome.create(f"zarr://{folder}/em.zarr", spec)[:] = noise(SHAPE, "uint8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SlowFiles, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def relay(folder: Path, source: str, **options: float) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a relay that runs as a command, and its URL."""
    lines = [f"{name} = {value}" for name, value in options.items()]
    (folder / "relay.toml").write_text("\n".join(["port = 0", *lines, f'[sources.em]\nuri = "{source}"']))
    command = [sys.executable, "-m", "voxome.cli.main", "serve", str(folder / "relay.toml")]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process, process.stdout.readline().removeprefix("Serving at ").strip()
    finally:
        process.kill()
        process.communicate(timeout=100)


def wait_for(reached: Callable[[], bool], seconds: float = 100) -> None:
    """Wait until a condition holds."""
    begin = time.monotonic()
    while not reached():
        assert time.monotonic() - begin < seconds
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_relay_that_stops_is_not_ready_and_answers_what_is_under_way(tmp_path: Path, workers: int) -> None:
    with (
        store(tmp_path) as url,
        relay(tmp_path, f"zarr://{url}/em.zarr", drain_s=3, workers=workers) as (process, relay_url),
        ThreadPoolExecutor(4) as pool,
    ):
        httpx.get(f"{relay_url}/raw/em/info", timeout=30)
        events = pool.submit(httpx.get, f"{relay_url}/view/events/relay", timeout=60)
        cutout = pool.submit(httpx.get, f"{relay_url}/raw/em/cutout?box=0:32,0:32,0:32", timeout=60)
        time.sleep(0.5)
        assert httpx.get(f"{relay_url}/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: httpx.get(f"{relay_url}/ready").status_code == 503)
        assert "stopping" in httpx.get(f"{relay_url}/ready").text
        assert httpx.get(f"{relay_url}/raw/em/info").status_code == 200
        assert cutout.result().status_code == 200
        assert len(cutout.result().content) == 32**3 + 128
        assert events.result().status_code == 200
        assert process.wait(100) == 0
        assert "Error" not in process.stderr.read()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_relay_stops_in_time_whatever_a_store_does(tmp_path: Path, workers: int) -> None:
    with store(tmp_path) as url, FaultyProxy(url) as proxy:
        source = f"zarr://{proxy.url}/em.zarr"
        with (
            relay(tmp_path, source, shutdown_s=1, workers=workers) as (process, relay_url),
            ThreadPoolExecutor() as pool,
        ):
            httpx.get(f"{relay_url}/raw/em/info", timeout=30)
            proxy.script("/c/", *[Stall()] * 99)
            cutout = pool.submit(httpx.get, f"{relay_url}/raw/em/cutout?box=0:32,0:32,0:32", timeout=60)
            wait_for(lambda: any("/c/" in one.target for one in proxy.seen))
            process.send_signal(signal.SIGTERM)
            begin = time.monotonic()
            assert process.wait(100) == 0
            assert time.monotonic() - begin < 60
            with suppress(httpx.HTTPError):
                assert cutout.result().status_code >= 500


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/api/bounding-box?source=em&id=1", "/raw/em/cutout?box=0:32,0:32,0:32"])
def test_what_does_not_end_in_time_is_to_be_repeated(tmp_path: Path, path: str) -> None:
    with (
        store(tmp_path, "labels") as url,
        FaultyProxy(url) as proxy,
        relay(tmp_path, f"zarr://{proxy.url}/em.zarr", shutdown_s=1) as (process, relay_url),
        ThreadPoolExecutor() as pool,
    ):
        httpx.get(f"{relay_url}/raw/em/info", timeout=30)
        proxy.script("/c/", *[Stall()] * 99)
        answer = pool.submit(httpx.get, f"{relay_url}{path}", timeout=60)
        wait_for(lambda: any("/c/" in one.target for one in proxy.seen))
        process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 503
        assert answer.result().headers["retry-after"] == "1"


@pytest.mark.parametrize(("path", "start"), [("/raw/em/info", b'{"message"'), ("/s3/zarr/em", b"<?xml")])
def test_a_request_that_is_interrupted_gets_a_refusal_of_its_api(path: str, start: bytes) -> None:
    sent: list[Any] = []

    async def interrupted(*_: Any) -> None:
        raise asyncio.CancelledError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": []}
    asyncio.run(AnswerInterrupted(interrupted)(scope, interrupted, send))
    assert sent[0]["status"] == 503
    assert sent[1]["body"].startswith(start)
