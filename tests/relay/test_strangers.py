"""A relay as a command, among slow, costly and refused clients."""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]
import botocore.config
import botocore.exceptions
import httpx
import numpy as np
import pytest
import requests

import voxome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc"),
]

SHAPE = (256, 512, 512)
CUTOUT = "/raw/seg/cutout?box=0:64,0:64,0:64"
COSTLY = "/api/region?source=seg&id=7"
TOKEN = "an-admin-token"
UNFINISHED = (b"GET / HTTP/1.1\r\nX: ", b"PUT /raw/seg/cutout HTTP/1.1\r\nContent-Length: 9\r\n\r\n")


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the URL of a relay of labels, and the id of its process."""
    spec = voxome.VolumeSpec.of(SHAPE, "uint64", kind="labels", chunk=(64, 64, 64), voxel_size_nm=(40, 4, 4))
    volume = voxome.create(f"zarr://{folder}/seg.zarr", spec)
    volume[:64] = np.arange(64 * 512 * 512, dtype="uint64").reshape(64, 512, 512) // 4096
    process = subprocess.Popen(
        [
            sys.executable, "-m", "voxome.cli.main", "serve", f"seg={folder}/seg.zarr", "--writable", "seg",
            "--port", "0", "--admin-token-env", "RELAY_TOKEN",
        ],
        env={**os.environ, "RELAY_TOKEN": TOKEN}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("Serving at ").strip(), process.pid
    finally:
        process.terminate()
        process.communicate(timeout=100)


def median_s(url: str, count: int = 15) -> float:
    """Time in s of a plain cutout."""
    times = []
    with closing(httpx.Client(base_url=url, timeout=60)) as client:
        for _ in range(count):
            start = time.perf_counter()
            assert client.get(CUTOUT).status_code == 200
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_mib(pid: int) -> int:
    """Largest memory of a process so far."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def test_slow_connections_and_costly_look_ups_do_not_hold_up_a_cutout(tmp_path: Path) -> None:
    with running(tmp_path) as (url, pid), ExitStack() as stack:
        quiet = median_s(url)
        parts = urlsplit(url)
        for number in range(300):
            slow = stack.enter_context(closing(socket.create_connection((parts.hostname, parts.port))))
            slow.sendall(
                (b"GET / HTTP/1.1\r\nX: ", b"PUT /raw/seg/cutout HTTP/1.1\r\nContent-Length: 9\r\n\r\n")[number % 2]
            )
        among_slow = median_s(url)
        stop = threading.Event()

        def ask() -> None:
            with suppress(httpx.HTTPError), closing(httpx.Client(base_url=url, timeout=60)) as client:
                while not stop.is_set():
                    client.get(COSTLY)

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        among_costly = median_s(url)
        stop.set()
        assert peak_mib(pid) < 1536
    print(f"cutout alone {quiet:.4f} s, among slow connections {among_slow:.4f} s, look-ups {among_costly:.4f} s")
    assert among_slow <= 10 * quiet + 0.2
    assert among_costly <= 10 * quiet + 1


@pytest.mark.parametrize("size", [1000, 30_000_000])
def test_why_a_body_is_refused_is_read_by_every_client(tmp_path: Path, size: int) -> None:
    body, path = bytes(size), "/raw/seg/cutout?box=0:1,0:1,0:1"
    upload = tmp_path / "body"
    upload.write_bytes(body)
    with running(tmp_path) as (url, pid):
        assert requests.put(url + path, data=body, timeout=30).status_code == 401
        assert httpx.put(url + path, content=body).status_code == 401
        wrong = {"Authorization": "Bearer wrong"}
        assert requests.put(url + path, data=body, headers=wrong, timeout=30).status_code == 401
        if size > 10_000:
            right = {"Authorization": f"Bearer {TOKEN}"}
            assert requests.put(url + path, data=body, headers=right, timeout=30).status_code == 413
        if shutil.which("curl") is not None:
            for expect in ("Expect: 100-continue", "Expect:"):
                command = [
                    "curl",
                    "-s",
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code}",
                    "-H",
                    expect,
                    "-T",
                    str(upload),
                    url + path,
                ]
                assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "401"
        config = botocore.config.Config(retries={"max_attempts": 1})
        client = boto3.client(
            "s3", endpoint_url=f"{url}/s3", aws_access_key_id="VXNONE", aws_secret_access_key="x",
            region_name="us-east-1", config=config,
        )  # fmt: skip
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            client.put_object(Bucket="zarr3", Key="seg/0/c/0/0/0", Body=body)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
        assert peak_mib(pid) < 1000
