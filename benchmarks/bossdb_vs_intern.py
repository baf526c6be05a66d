"""Reading from a BossDB with voxome and with intern 1.4.2, in turn, from the same server.

``python benchmarks/bossdb_vs_intern.py [--intern PYTHON] [--volume URI] [--workers 2] [--repeats 3]``. The server is
the relay, in a separate process, with voxels in memory: (512, 1024, 1024) uint8, 512 MiB, textured like an electron
micrograph, or tiled from the volume at URI. Each client is a separate process that reads all of it once: voxome with
`workers` concurrent requests, intern with as many processes, and intern serially. Peak memory is that of all processes
of the client (PSS, sampled). Voxels are compared by checksum.

PYTHON is an interpreter with intern (``pip install intern==1.4.2`` in a separate environment).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SHAPE = (512, 1024, 1024)
NAMES = "bench/em/raw"

SERVE = """
import socket, sys
from voxome.relay.accounts import Accounts
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss.dialect import BossDialect
from voxome.relay.secrets import digest
from voxome.relay.relay import Relay
from voxome.relay.serve import create_server

known = MemoryCatalogue()
relay = Relay(known, Accounts(known, {digest("token"): "admin"}), "memory://bench")
listener = socket.create_server(("127.0.0.1", 0))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(listener.getsockname()[1], flush=True)
create_server(create_app([BossDialect(relay)])).run([listener])
"""

FILL = """
import sys
import numpy as np
from scipy import ndimage
import voxome

names, shape, source = sys.argv[1], tuple(map(int, sys.argv[2].split(","))), sys.argv[3]
if source:
    volume = voxome.open(source)
    tile = volume[tuple(slice(0, min(n, 256)) for n in volume.shape)]
else:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((64, 256, 256), np.float32), 1.5)
    tile = np.clip(noise / noise.std() * 30 + 128, 1, 255).astype(np.uint8)
data = np.tile(tile, [-(-n // m) for n, m in zip(shape, tile.shape)])[tuple(slice(0, n) for n in shape)]
voxome.create(f"bossdb://{names}", voxome.VolumeSpec.of(shape, "uint8", voxel_size_nm=(8, 8, 8)))[:] = data
"""

OURS = """
import json, sys, time, zlib
import voxome

volume = voxome.open(f"bossdb://{sys.argv[1]}")
began = time.perf_counter()
found = volume[:]
print(json.dumps([time.perf_counter() - began, zlib.crc32(found)]))
"""

INTERN = """
import json, sys, time, zlib
from intern.remote.boss import BossRemote

names, shape, parallel = sys.argv[1].split("/"), list(map(int, sys.argv[2].split(","))), int(sys.argv[3])
remote = BossRemote()
channel = remote.get_channel(names[2], names[0], names[1])
began = time.perf_counter()
z, y, x = ([0, n] for n in shape)
found = remote.get_cutout(channel, 0, x, y, z, parallel=parallel or False)
print(json.dumps([time.perf_counter() - began, zlib.crc32(found)]))
"""


@contextmanager
def server(environment: Mapping[str, str]) -> Iterator[str]:
    """Return the address of an empty relay."""
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=dict(environment), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def tree(root: int) -> list[int]:
    """Return the ids of a process and all its descendants."""
    found = [root]
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def pss_bytes(root: int) -> int:
    """Return the memory of a process and all its descendants; shared pages count once."""
    total = 0
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (OSError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def client(command: list[str], environment: Mapping[str, str]) -> tuple[float, int, int]:
    """Return the seconds of the read, the checksum, and the peak memory of a client."""
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, text=True)
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            try:
                peak[0] = max(peak[0], pss_bytes(process.pid))
            except OSError:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    over.set()
    watcher.join()
    seconds, checksum = json.loads(output)
    return seconds, checksum, peak[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intern", default=".venv/intern/bin/python", help="a Python that has intern 1.4.2")
    parser.add_argument("--volume", default="", help="volume to tile; texture by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    shape = ",".join(map(str, SHAPE))
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "VOXOME_CONFIG": f"{home}/none.toml", "PYTHONUNBUFFERED": "1"}
        with server(environment) as host:
            environment |= {"INTERN_PROTOCOL": "http", "INTERN_HOST": host, "INTERN_TOKEN": "token"}
            environment["VOXOME_BOSSDB_WORKERS"] = str(given.workers)
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", FILL, NAMES, shape, given.volume], env=environment, check=True)
            print(f"written in {time.perf_counter() - began:.1f} s, made and all")
            ways = {
                "voxome": [sys.executable, "-c", OURS, NAMES],
                f"intern, {given.workers} processes": [given.intern, "-c", INTERN, NAMES, shape, str(given.workers)],
                "intern, serial": [given.intern, "-c", INTERN, NAMES, shape, "0"],
            }
            found = {name: [] for name in ways}
            for _ in range(given.repeats):
                for name, command in ways.items():
                    found[name].append(client(command, environment))
    assert len({checksum for results in found.values() for _, checksum, _ in results}) == 1, "voxels differ"
    seconds = {name: statistics.median(one[0] for one in results) for name, results in found.items()}
    peaks = {name: statistics.median(one[2] for one in results) for name, results in found.items()}
    print(f"{'':24}{'time':>8}{'MB/s':>8}{'ratio':>7}{'peak':>10}{'ratio':>7}")
    for name in ways:
        rate = 1.048576 * 512 / seconds[name]
        faster, smaller = seconds[name] / seconds["voxome"], peaks["voxome"] / peaks[name]
        print(
            f"{name:24}{seconds[name]:>6.2f} s{rate:>8.0f}{faster:>7.2f}{peaks[name] / 2**20:>6.0f} MiB{smaller:>7.2f}"
        )


if __name__ == "__main__":
    main()
