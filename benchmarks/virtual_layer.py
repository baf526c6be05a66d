"""A virtual layer of the network over FIB-25: equal to the array of a run, and its cost beside that of the network.

``python benchmarks/virtual_layer.py [--box 0:128,0:250,0:250] [--output membranes]``. A crop of FIB-25 is stored as
zarr; `voxome.tool` computes its histogram and the affinities or membranes. Then a relay serves ``em.network`` over the
crop, and a client reads all chunks of the layer, cold, in the precomputed dialect. The script prints whether all voxels
are equal to those of the run, the CPU time of relay and client together, that of the network alone for the same chunks
(its function called with arrays in memory, one thread, before and after), and their ratio; and the time of a warm read.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

import voxome
from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.geometry import BlockGrid, Box
from voxome.relay.config_file import parse_config
from voxome.relay.opening import opened, prepared
from voxome.relay.serve import in_thread
from voxome.resources.table import TableFile
from voxome.tools.em.network import network

SHARED = Path(os.environ.get("VOXOME_SHARED", "../shared"))
RAW = f"hdf5://{SHARED / 'data' / 'fib25' / 'fib25.h5'}/volumes/raw"
BLOCK = (64, 128, 128)


def cpu_time(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU time of this process during an action, in s, and what it returns."""
    begin = time.process_time()
    result = action()
    return time.process_time() - begin, result


def network_alone(raw: np.ndarray, domain: Box, size: tuple[float, float, float], histogram: TableFile) -> None:
    """Call the network for all blocks of a volume."""
    halo = network.spec.compute_halo({"model": "membranes"}, size)
    frame = Frame(domain, domain, size, (0.0, 0.0, 0.0))
    for block in BlockGrid(domain, BLOCK, halo=halo):
        context = BlockContext(block.write, block.read, frame)
        network(raw[block.read.within(domain)], histogram, block=context)


def read_chunks(url: str, name: str, domain: Box) -> np.ndarray:
    """Return a layer, read chunk by chunk as a viewer does."""
    info = httpx.get(f"{url}/precomputed/{name}/info").json()
    (scale,) = info["scales"]
    chunk = tuple(reversed(scale["chunk_sizes"][0]))
    channels = info["num_channels"]
    voxels = np.empty((channels, *domain.shape), info["data_type"])
    with httpx.Client(base_url=f"{url}/precomputed/{name}/{scale['key']}", timeout=600) as client:
        for one in BlockGrid(domain, chunk):
            ranges = zip(reversed(one.write.start), reversed(one.write.stop), strict=True)
            answer = client.get("/" + "_".join(f"{a}-{b}" for a, b in ranges)).raise_for_status()
            part = np.frombuffer(answer.content, info["data_type"]).reshape(channels, *one.write.shape)
            voxels[(slice(None), *one.write.within(domain))] = part
    return voxels


def measure(folder: Path, box: str, output: str) -> None:
    """Print the comparison."""
    raw = voxome.open(RAW, expect=voxome.Volume)
    part = Box.parse(box, raw.domain)
    uri = f"zarr://{folder}/raw.zarr"
    spec = voxome.VolumeSpec.of(part.shape, "uint8", chunk=(64, 64, 64), voxel_size_nm=raw.voxel_size_nm)
    crop = raw.cutout(part)
    voxome.create(uri, spec)[...] = crop
    histogram = voxome.tool("common.statistics", {"image": uri}, out=folder / "run")["result"].uri
    run = voxome.tool("em.network", {"raw": uri, "histogram": histogram}, out=folder / "run", block=(128, 128, 128))
    expected = voxome.open(run[output].uri, expect=voxome.Volume)[...]
    table, size = TableFile(histogram), raw.voxel_size_nm or (10.0, 10.0, 10.0)
    layer = {"tool": "em.network", "source": "em", "inputs": {"histogram": histogram}, "output": output}
    config = parse_config({"sources": {"em": {"uri": uri}, "layer": layer}}, "benchmark")
    domain = spec.domain
    before, _ = cpu_time(lambda: network_alone(crop, domain, size, table))
    with prepared(config) as shared, opened(shared) as app, in_thread(app) as url:
        served, voxels = cpu_time(lambda: read_chunks(url, "layer", domain))
        warm, _ = cpu_time(lambda: read_chunks(url, "layer", domain))
    after, _ = cpu_time(lambda: network_alone(crop, domain, size, table))
    alone = (before + after) / 2
    print(f"{output} of {part}, {domain.size:,} voxels, on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"equal to the run: {bool((voxels == expected.reshape(voxels.shape)).all())}")
    print(f"CPU time: relay {served:.1f} s, network alone {before:.1f} and {after:.1f} s, ratio {served / alone:.3f}")
    print(f"warm read: {warm:.2f} s")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--box", default="0:128,0:250,0:250")
    parser.add_argument("--output", default="membranes", choices=["membranes", "affinities"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voxome-virtual-") as folder:
        measure(Path(folder), arguments.box, arguments.output)


if __name__ == "__main__":
    main()
