"""The relay's cache: a chain of relays over a slow store, and warm chunks compared with nginx.

``python benchmarks/relay.py [--clients 8] [--seconds 10]``. A store on the loopback interface sends each file after
50 ms. Three relays in a row, each a process of its own, read it; the script prints the time of the first and of the
second read of a cutout of 64³ voxels through the last, and their ratio. Then wrk, a program of Debian, reads the same
chunks of 256 KiB, by the precomputed dialect and, for a tenth of the time, as files from nginx (one worker, no
compression), in turns; the script prints the bytes per second of both, their ratio, the CPU time of a GiB, the latency,
and the growth of the relay's memory while it was read. All share the cores of the machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import numpy as np

import voxome

DELAY_S, EDGE, CHUNKS = 0.05, 64, 4


class _SlowFiles(SimpleHTTPRequestHandler):
    """Files, each after 50 ms."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(DELAY_S)
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


class _SlowServer(ThreadingHTTPServer):
    """Accepts many connections at once."""

    request_queue_size = 128


@contextmanager
def slow_store(folder: Path) -> Iterator[str]:
    """Yield the URL of the files in `folder`."""
    server = _SlowServer(("127.0.0.1", 0), partial(_SlowFiles, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def relay(uri: str, *options: str) -> Iterator[tuple[str, int]]:
    """Yield the URL and the process of a relay that serves `uri` as ``em``."""
    command = [sys.executable, "-m", "voxome.cli.main", "serve", "--port", "0", f"em={uri}", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("Serving at ").strip(), process.pid
    finally:
        process.terminate()
        process.wait()


def create(folder: Path) -> np.ndarray:
    """Create a zarr volume of random voxels, and return them."""
    shape = (EDGE * CHUNKS, EDGE * CHUNKS, EDGE * CHUNKS)
    voxels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    spec = voxome.VolumeSpec.of(shape, "uint8", chunk=(EDGE,) * 3, voxel_size_nm=(8, 8, 8))
    voxome.create(f"zarr://{folder}/em.zarr", spec, encoding={"format": "zarr2", "codec": "raw"})[:] = voxels
    return voxels


def get(url: str) -> bytes:
    """Return the body of a response."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc)
    connection.request("GET", f"{address.path}?{address.query}")
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    connection.close()
    return body


def measure_chain(folder: Path, voxels: np.ndarray) -> None:
    """Print the times of two reads through three relays."""
    firsts, seconds = [], []
    with ExitStack() as stack:
        store = stack.enter_context(slow_store(folder))
        address = f"zarr://{store}/em.zarr"
        for _ in range(3):
            url, _ = stack.enter_context(relay(address))
            address = f"zarr://{url}/zarr/em/0"
        get(f"{url}/raw/em/info")
        for z in range(CHUNKS):  # cutouts that touch eight chunks
            start = z * EDGE // 2 + EDGE // 2
            box = ",".join([f"{start}:{start + EDGE}"] * 3)
            for times in (firsts, seconds):
                begin = time.perf_counter()
                body = get(f"{url}/raw/em/cutout?box={box}")
                times.append(time.perf_counter() - begin)
            cut = slice(start, start + EDGE)
            assert body[-(EDGE**3) :] == np.ascontiguousarray(voxels[cut, cut, cut]).tobytes()
    first, second = firsts[0], median(seconds)
    print(f"three relays, store after 50 ms: first read {first * 1e3:.0f} ms, second read {second * 1e3:.1f} ms")
    print(f"second / first: 1/{first / second:.0f} (bar: 1/20)")


WRK = """
local paths, number = {%s}, 0
request = function()
  number = number + 1
  return wrk.format("GET", paths[number %% #paths + 1])
end
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format("\\n%%d %%d %%d %%d %%d", summary.bytes, summary.duration, summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(99)))
end
"""
"""Script of wrk: the paths in turn; its last line has bytes, time in µs, requests, errors, and a latency in µs."""


@dataclass(frozen=True)
class Load:
    """What clients have read from a server: bytes per second, all bytes, errors, 99th percentile of latency in s."""

    per_s: float
    nbytes: int
    errors: int
    slow_s: float


def load(url: str, paths: Sequence[str], clients: int, seconds: float) -> Load:
    """Read URLs of one server over and over with wrk, in one thread."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK % ", ".join(json.dumps(path) for path in paths))
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "-s", script.name, url]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    nbytes, micros, requests, errors, slow = map(int, printed.splitlines()[-1].split())
    assert nbytes >= requests * EDGE**3, printed
    return Load(nbytes / (micros / 1e6), nbytes, errors, slow / 1e6)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its children so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(cpu_s(int(one)) for one in children)


def rss_mib(pid: int) -> float:
    """Return the memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def measure_warm(folder: Path, clients: int, seconds: float) -> None:
    """Print the throughput of warm chunks, compared with nginx."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from peers.nginx import serving

    starts = [(x, y, z) for x in range(CHUNKS) for y in range(CHUNKS) for z in range(CHUNKS)]
    names = ["_".join(f"{EDGE * i}-{EDGE * i + EDGE}" for i in start) for start in starts]
    files = folder / "chunks"
    files.mkdir()
    with ExitStack() as stack:
        store = stack.enter_context(slow_store(folder))
        url, pid = stack.enter_context(relay(f"zarr://{store}/em.zarr"))
        for name in names:
            (files / name).write_bytes(get(f"{url}/precomputed/em/0/{name}"))
        nginx = stack.enter_context(serving(files))
        before, rates, cpu, slowest = rss_mib(pid), {"relay": [], "nginx": []}, [], []
        for _ in range(3):
            used = cpu_s(pid)
            one = load(url, [f"/precomputed/em/0/{name}" for name in names], clients, seconds / 3)
            cpu.append((cpu_s(pid) - used) / one.nbytes * 2**30)
            rates["relay"].append(one.per_s)
            slowest.append(one.slow_s)
            assert one.errors == 0, one.errors
            rates["nginx"].append(load(nginx, [f"/{name}" for name in names], clients, max(3, seconds / 30)).per_s)
        ours, theirs = median(rates["relay"]), median(rates["nginx"])
        rate, other = f"{ours / 2**20:.0f} MiB/s", f"{theirs / 2**20:.0f} MiB/s"
        print(f"warm chunks of 256 KiB, {clients} clients: relay {rate}, nginx {other}")
        print(f"relay / nginx: {ours / theirs:.2f} (bar: 0.5); {median(cpu):.2f} s of CPU time a GiB; no errors")
        print(f"99 % of its answers in {max(slowest) * 1e3:.0f} ms")
        print(f"memory of the relay: {before:.0f} MiB before, {rss_mib(pid):.0f} MiB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        voxels = create(Path(name))
        measure_chain(Path(name), voxels)
        measure_warm(Path(name), options.clients, options.seconds)


if __name__ == "__main__":
    main()
