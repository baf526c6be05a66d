"""Servers and files that the examples of docs/coming-from.md use.

Each function starts what one section needs and gives what to put for words of the page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cloudvolume
import numpy as np
import pytest
import tifffile
from docs.graphene import Graphene
from numpy.typing import NDArray
from remotes.test_wkw import describe, put
from standins import boss, dvid

import voxome
from voxome.contracts.shapes import Mesh
from voxome.remotes.bossdb.client import BossDB
from voxome.remotes.dvid.elements import Element, Relation
from voxome.remotes.dvid.versions import DvidNode
from voxome.remotes.mesh_files.ngmesh import encode_ngmesh
from voxome.testing.strategies import noise

SHAPE = (16, 60, 70)
NM = (40, 4, 4)
ROOT = "4e1f0a7c9d3b4f6a8c2e5d7b9a1c3e50"
BODIES = (1004, 1005, 1010, 1115)
MESH = Mesh(np.array([[0, 0, 0], [30, 0, 0], [0, 20, 0], [0, 0, 10]]), np.array([[0, 1, 2], [0, 2, 3]]))


@contextmanager
def of_intern(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A BossDB with an image of three levels and labels, and a folder of sections."""
    (folder / "sections").mkdir()
    for z, section in enumerate(noise((4, 20, 30), "uint8")):
        tifffile.imwrite(folder / "sections" / f"{z}.tif", section)
    with boss.serving() as server:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", server.url)
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", server.token)
        server.add_user("ana")
        spec = voxome.VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=NM)
        em = voxome.create("bossdb://lab/cortex/em", spec, encoding={"levels": 3})
        em[...] = noise(SHAPE, "uint8")
        seg = voxome.create("bossdb://lab/cortex/seg", spec.replace(dtype=np.dtype("uint64"), kind="labels"))
        seg[:8], seg[8:] = 7, 9
        seg[4, 5, 6] = 9
        yield {"bossdb://api.bossdb.io": f"bossdb://{server.url}", "/data/": f"{folder}/"}
        _settled(BossDB(server.url))


def _settled(server: BossDB) -> None:
    """Wait for the levels that the page makes the server create."""
    while server.downsampling.status("lab", "cortex", "em").status in ("QUEUED", "IN_PROGRESS"):
        threading.Event().wait(0.01)


@contextmanager
def of_cloud_volume(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Layers that cloud-volume wrote: in a folder, behind http and as an open bucket; a graphene server."""
    em = _layer(folder / "em", noise((32, 96, 128), "uint8"), (5, 200, 100), encoding="raw")
    em.add_scale((2, 2, 1))
    em.commit_info()
    coarse = cloudvolume.CloudVolume(em.cloudpath, mip=1, progress=False, compress=False)
    coarse[:, :, :] = np.asfortranarray(noise((32, 48, 64), "uint8").T)
    labels = noise((32, 32, 32), "uint64") % np.uint64(9)
    _layer(folder / "packed", noise((32, 96, 64), "uint8"), (0, 0, 0), encoding="jxl")
    (folder / "buckets").mkdir()
    (folder / "buckets" / "open-bucket").symlink_to(folder)
    with ExitStack() as stack:
        files = stack.enter_context(_http(partial(_Files, directory=str(folder))))
        buckets = stack.enter_context(_http(partial(_Files, directory=str(folder / "buckets"))))
        monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", buckets)
        watershed = _layer(folder / "watershed", Graphene.supervoxels(labels), (0, 0, 0), encoding="raw")
        graph = stack.enter_context(_http(Graphene.over(watershed)))
        monkeypatch.setenv("VOXOME_GRAPHENE_HOST", graph)
        monkeypatch.setenv("VOXOME_GRAPHENE_TOKEN", Graphene.TOKEN)
        yield {"https://data.example.org": files, "https://graph.example.org": graph, "/data/": f"{folder}/"}


def _layer(folder: Path, array: NDArray[Any], start: tuple[int, int, int], *, encoding: str) -> Any:
    """Write `array` (z, y, x) as a layer, with cloud-volume."""
    info = cloudvolume.CloudVolume.create_new_info(
        num_channels=1,
        layer_type="image" if array.dtype == np.uint8 else "segmentation",
        data_type=str(array.dtype),
        encoding=encoding,
        resolution=NM[::-1],
        voxel_offset=start[::-1],
        volume_size=array.shape[::-1],
        chunk_size=(32, 32, 32),
    )
    volume = cloudvolume.CloudVolume(f"file://{folder}", info=info, progress=False, compress=False)
    volume.commit_info()
    volume[:, :, :] = np.asfortranarray(array.T)
    return volume


class _Files(SimpleHTTPRequestHandler):
    """Serves the files of a folder without logging."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def _http(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve from a thread; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def of_webknossos(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A dataset with an image of two magnifications, and labels."""
    image = noise(SHAPE, "uint8")
    put(folder / "l4" / "color" / "1", image, (0, 0, 0))
    put(folder / "l4" / "color" / "2-2-1", image[:, ::2, ::2], (0, 0, 0))
    put(folder / "l4" / "segmentation" / "1", noise(SHAPE, "uint32") % np.uint32(50), (0, 0, 0))
    layers = {"color": ((0, 0, 0), SHAPE, "color"), "segmentation": ((0, 0, 0), SHAPE, "segmentation")}
    describe(folder / "l4", layers, {"factor": NM[::-1], "unit": "nanometer"})
    yield {"/data/": f"{folder}/"}


@contextmanager
def of_dvidtools(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A repo with an image, four bodies in slabs of 16 sections, and the other instances of a FlyEM repo."""
    with dvid.serving("admin") as url:
        host = url.removeprefix("http://")
        monkeypatch.setenv("VOXOME_DVID_HOST", host)
        monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", "admin")
        server: Any = voxome.connect(f"dvid://{host}")
        node = server.create_repo("brain", root=ROOT)
        _fill(node, f"dvid://{host}/{ROOT}")
        yield {"emdata.example.org:8000": host, "/data/": f"{folder}/"}


def _fill(node: DvidNode, uri: str) -> None:
    spec = voxome.VolumeSpec.of((64, 64, 64), "uint8", chunk=(32, 32, 32), voxel_size_nm=(8, 8, 8))
    voxome.create(f"{uri}/grayscale", spec)[...] = noise((64, 64, 64), "uint8")
    of_labels = spec.replace(dtype=np.dtype("uint64"), kind="labels", encoding={"levels": 1})
    segmentation = voxome.create(f"{uri}/segmentation", of_labels)
    segmentation[...] = np.array(BODIES, np.uint64).repeat(16)[:, None, None]
    node.create_instance("synapses", "annotation", sync=["segmentation"])
    node.create_instance("synapses_labelsz", "labelsz", sync=["synapses"])
    node.annotations("synapses").post(_synapses([(0, 1), (0, 1), (0, 2)]))
    for name in ("segmentation_meshes", "segmentation_skeletons", "rois", "roi_data", "notes"):
        node.create_instance(name, "keyvalue")
    node.keyvalue("segmentation_meshes")["1004.ngmesh"] = encode_ngmesh(MESH)
    swc = b'#${"mutation id": 0}\n1 1 10 20 10 2 -1\n2 0 11 20 10 1 1\n'
    node.keyvalue("segmentation_skeletons")["1004_swc"] = swc
    node.keyvalue("rois").put_json("EB", {"->": {"type": "ROI", "key": "EB_mesh"}})
    node.keyvalue("roi_data")["EB_mesh"] = b"v 0 0 1\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    node.create_instance("EB", "roi", settings={"BlockSize": "32,32,32"})
    node.roi("EB").write([[0, 0, 0, 2]])
    node.create_instance("segmentation_annotations", "neuronjson")
    node.neurons().put(1004, {"type": "EPG", "status": "Anchor"})
    node.create_instance("bookmark_annotations", "annotation")


def _synapses(pairs: list[tuple[int, int]]) -> Iterator[Element]:
    """Yield a point in the presynaptic and one in the postsynaptic body, for pairs of slab numbers."""
    for at, (pre, post) in enumerate(pairs):
        here, there = (16 * pre + 3, at, 1), (16 * post + 3, at, 5)
        yield Element(here, "PreSyn", relations=(Relation("PreSynTo", there),))
        yield Element(there, "PostSyn", relations=(Relation("PostSynTo", here),))
