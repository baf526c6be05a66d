"""A cutout through BossDB's API while clients send the costliest look-ups.

``python benchmarks/look_ups.py [--clients 8] [--cutouts 40]``. A relay serves 1 GiB of uint64 labels in compressed
chunks of 8 MiB. The script prints the median time of a cutout of 64³ voxels at a random place when nothing else is
requested, the same while each client requests one bounding box after the other, of an id that does not occur, so that
every voxel is searched, and their ratio. All share the cores of the machine.
"""

from __future__ import annotations

import argparse
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

import voxome

SHAPE, CHUNK, EDGE = (128, 1024, 1024), (64, 128, 128), 64


def create(uri: str) -> None:
    """Store labels, of which each has 5000 voxels in a row."""
    spec = voxome.VolumeSpec.of(SHAPE, "uint64", chunk=CHUNK, voxel_size_nm=(8, 8, 8), kind="labels")
    volume, size = voxome.create(uri, spec), CHUNK[0] * SHAPE[1] * SHAPE[2]
    labels = (np.arange(size, dtype="uint64") // np.uint64(5000) + np.uint64(1)).reshape(CHUNK[0], *SHAPE[1:])
    for z in range(0, SHAPE[0], CHUNK[0]):
        volume[z : z + CHUNK[0]] = labels


def get(host: str, path: str) -> int:
    """Return the status of a response, whose body is read."""
    connection = http.client.HTTPConnection(host, timeout=600)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def measure(host: str, count: int) -> float:
    """Return the median time of a cutout in ms."""
    rng, times = np.random.default_rng(0), []
    for _ in range(count):
        z, y, x = (int(rng.integers(0, n - EDGE)) for n in SHAPE)
        box = f"{x}:{x + EDGE}/{y}:{y + EDGE}/{z}:{z + EDGE}"
        begin = time.perf_counter()
        assert get(host, f"/v1/cutout/lab/exp/seg/0/{box}/") == 200
        times.append(time.perf_counter() - begin)
    return 1000 * median(times)


def search(host: str, ended: Callable[[], bool], statuses: list[int]) -> None:
    """Request bounding boxes of an id that does not occur, and collect the statuses."""
    while not ended():
        statuses.append(get(host, f"/v1/boundingbox/lab/exp/seg/0/{2**63}/?type=tight"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--cutouts", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uri = f"zarr://{Path(folder)}/seg.zarr"
        create(uri)
        command = [sys.executable, "-m", "voxome.cli.main", "serve", "--port", "0", f"lab/exp/seg={uri}"]
        relay = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert relay.stdout is not None
        host = relay.stdout.readline().removeprefix("Serving at http://").strip()
        measure(host, 5)
        quiet, stop = measure(host, options.cutouts), threading.Event()
        statuses: list[int] = []
        clients = [threading.Thread(target=search, args=(host, stop.is_set, statuses)) for _ in range(options.clients)]
        for client in clients:
            client.start()
        time.sleep(1)
        loaded = measure(host, options.cutouts)
        stop.set()
        for client in clients:
            client.join()
        relay.terminate()
        relay.wait()
        assert set(statuses) == {404}, statuses
        print(f"cutout of {EDGE}³: {quiet:.1f} ms, and {loaded:.1f} ms beside {options.clients} clients that look up")
        print(f"ratio: {loaded / quiet:.2f} (bar: 2)")


if __name__ == "__main__":
    main()
