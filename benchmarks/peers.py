"""Cutouts with `Volume` compared with zarr-python and cloud-volume on disk, and tensorstore and cloud-volume over http.

``python benchmarks/peers.py [--folder DIR] [--disk 20] [--http 30] [--far 8] [--edge 256]``. A volume of 512^3 uint8
voxels in chunks of 64^3, noise that compresses about 2:1, is stored as zarr v3 (zstd), as uncompressed precomputed,
and as precomputed with the default compression of cloud-volume (gzip). All clients read the same boxes in turn, in one
process with the default number of threads; the first one rotates, voxels must be equal, and the first turn does not
count. Results are medians over turns: milliseconds of a cutout, its voxels in MB/s, CPU milliseconds of all threads of
the process, and the time of a client divided by that of voxome in the same turn. Files are in the page cache.

Over http, a server (nginx, one worker, static files) on a free port of the loopback interface serves the uncompressed
precomputed volume to voxome, to tensorstore with its default options and to cloud-volume, and as many bytes as are in
the chunks that the box touches to one plain GET (urllib). The far server, in Python, waits 50 ms before each response.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cloudvolume
import numpy as np
import tensorstore as ts
import zarr
from numpy.typing import NDArray
from reading import CHUNK, EDGE, Read, make, ours

At = tuple[int, int, int]
FAR_S = 0.05


def by_zarr_python(path: Path) -> Read:
    """Return a reader that uses zarr-python."""
    array = zarr.open_array(path, mode="r")

    def read(at: At, edge: int) -> NDArray[Any]:
        z, y, x = at
        return np.asarray(array[z : z + edge, y : y + edge, x : x + edge])

    return read


def by_cloud_volume(address: str) -> Read:
    """Return a reader that uses cloud-volume, transposed to z, y, x."""
    volume = cloudvolume.CloudVolume(address, progress=False)

    def read(at: At, edge: int) -> NDArray[Any]:
        z, y, x = at
        return np.asarray(volume[x : x + edge, y : y + edge, z : z + edge])[..., 0].T

    return read


def by_tensorstore(base_url: str, name: str) -> Read:
    """Return a reader that uses tensorstore over http, transposed to z, y, x."""
    kvstore = {"driver": "http", "base_url": base_url, "path": f"/{name}/"}
    store = ts.open({"driver": "neuroglancer_precomputed", "kvstore": kvstore}).result()[..., 0].T

    def read(at: At, edge: int) -> NDArray[Any]:
        z, y, x = at
        found: NDArray[Any] = store[z : z + edge, y : y + edge, x : x + edge].read(order="C").result()
        return found

    return read


def by_get(url: str) -> Callable[[At, int], bytes]:
    """Return a reader that gets as many bytes as the chunks of a box have, in one request."""

    def read(at: At, edge: int) -> bytes:
        chunks = [(a + edge - 1) // CHUNK - a // CHUNK + 1 for a in at]
        size = int(np.prod(chunks)) * CHUNK**3
        request = urllib.request.Request(url, headers={"Range": f"bytes=0-{size - 1}"})
        with urllib.request.urlopen(request) as answer:
            found: bytes = answer.read()
        if len(found) != size:
            raise AssertionError(f"{len(found)} bytes came, not {size}")
        return found

    return read


def make_gzip(folder: Path, source: Read) -> str:
    """Write the volume with cloud-volume and its default compression; return its address."""
    address = f"file://{folder / 'gzip'}"
    if not (folder / "gzip").exists():
        info = cloudvolume.CloudVolume.create_new_info(
            1, "image", "uint8", "raw", [8, 8, 8], [0, 0, 0], [EDGE] * 3, chunk_size=[CHUNK] * 3
        )
        volume = cloudvolume.CloudVolume(address, info=info, progress=False)
        volume.commit_info()
        volume[:, :, :] = source((0, 0, 0), EDGE).T
    return address


class Far(SimpleHTTPRequestHandler):
    """Serves files after a delay."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(FAR_S)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class FarServer(ThreadingHTTPServer):
    """Accepts many connections at once."""

    request_queue_size = 128


@contextmanager
def served_far(root: Path) -> Iterator[str]:
    """Serve `root` slowly; yields the address."""
    with FarServer(("127.0.0.1", 0), partial(Far, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def timed(read: Callable[[At, int], Any], at: At, edge: int) -> tuple[float, float, Any]:
    """Return the wall and CPU seconds of a cutout, and the cutout."""
    used, began = time.process_time(), time.perf_counter()
    found = read(at, edge)
    return time.perf_counter() - began, time.process_time() - used, found


def measure(title: str, ways: Mapping[str, Callable[[At, int], Any]], edge: int, turns: int, *, step: int = 1) -> None:
    """Print a table: `turns` boxes at multiples of `step`, each read in all `ways`, of which the first is voxome."""
    rng, names = np.random.default_rng(edge), list(ways)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(turns + 1):
        z, y, x = (int(n) * step for n in rng.integers(0, (EDGE - edge) // step + 1, 3))
        first, seen = turn % len(names), None
        for name in names[first:] + names[:first]:
            took, used, data = timed(ways[name], (z, y, x), edge)
            seconds[name] += [(took, used)] if turn else []
            if isinstance(data, bytes):
                continue
            seen = data if seen is None else seen
            if not np.array_equal(data, seen):
                raise AssertionError(f"{name} differs at {(z, y, x)}")
    print(f"{title}: {edge}^3 of {EDGE}^3, {turns} turns, load {os.getloadavg()[0]:.1f}")
    for name in names:
        wall, cpu = (statistics.median(one) for one in zip(*seconds[name], strict=True))
        ratio = statistics.median(a / b for (a, _), (b, _) in zip(seconds[name], seconds[names[0]], strict=True))
        print(f"  {name:32}{wall * 1e3:8.1f} ms{edge**3 / wall / 1e6:7.0f} MB/s{cpu * 1e3:8.1f} ms CPU{ratio:8.2f}")


def by_http(url: str) -> dict[str, Callable[[At, int], Any]]:
    """Return the ways to read the precomputed volume of a server."""
    return {
        "voxome": ours(f"precomputed://{url}/precomputed"),
        "tensorstore": by_tensorstore(url, "precomputed"),
        "cloud-volume": by_cloud_volume(f"precomputed://{url}/precomputed"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="folder of the volumes; a temporary one by default")
    parser.add_argument("--disk", type=int, default=20, help="turns on disk")
    parser.add_argument("--http", type=int, default=30, help="turns over http, aligned and not aligned to chunks")
    parser.add_argument("--far", type=int, default=8, help="turns with a far server")
    parser.add_argument("--edge", type=int, default=256, help="edge length of a cutout")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        ours_zarr = ours(make("zarr", folder))
        make("precomputed", folder)
        if given.disk:
            ways: dict[str, Callable[[At, int], Any]] = {
                "voxome, zarr v3 zstd": ours_zarr,
                "zarr-python, the same": by_zarr_python(folder / "zarr" / "0"),
                "cloud-volume, precomputed gzip": by_cloud_volume(make_gzip(folder, ours_zarr)),
                "cloud-volume, precomputed raw": by_cloud_volume(f"file://{folder / 'precomputed'}"),
            }
            measure("Disk, not aligned", ways, given.edge, given.disk)
        if given.http:
            (folder / "bytes").write_bytes(bytes(-((-EDGE // CHUNK) ** 3) * CHUNK**3))
            sys.path.append(str(Path(__file__).parents[1] / "tests"))
            from standins.nginx import serving

            with serving(folder) as url:
                ways = {**by_http(url), "one GET of as many bytes": by_get(f"{url}/bytes")}
                measure("http, aligned", ways, given.edge, given.http, step=CHUNK)
                measure("http, not aligned", ways, given.edge, given.http)
        if given.far:
            with served_far(folder) as url:
                measure("http, far, not aligned", by_http(url), given.edge, given.far)


if __name__ == "__main__":
    main()
