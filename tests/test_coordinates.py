"""One object is at the same position in nm in every store, at every level, by its voxels and by its shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tensorstore as ts
from numpy.typing import NDArray
from remotes.precomputed.layers import (
    SHARDING,
    draco,
    legacy_fragment,
    manifest,
    shard_with_gaps,
    skeleton,
    write_info,
)
from standins import boss, dvid

import voxome
from voxome.contracts.abilities import ability
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.geometry import Box
from voxome.remotes.dvid.elements import Element
from voxome.remotes.dvid.repos import Dvid
from voxome.remotes.dvid.versions import DvidNode
from voxome.tools.em.synaptic.tables import neuron_table

SIZE = (40.0, 4.0, 8.0)
OFFSET = (400.0, 24.0, 16.0)
DOMAIN = Box((4, 6, 8), (16, 26, 32))
OBJECT = Box((6, 12, 16), (8, 18, 20))
"""Voxels of the object: its faces are at voxel borders of all levels, and all axes differ."""


def voxels(domain: Box, dtype: str, inside: Box = OBJECT) -> NDArray[Any]:
    data = np.zeros(domain.shape, dtype)
    data[inside.within(domain)] = 7
    return data


def middle(box: Box) -> NDArray[np.float64]:
    """Mean index of the voxels of a box."""
    return (np.array(box.start) + np.array(box.stop) - 1) / 2


def position_nm(volume: voxome.Volume) -> NDArray[np.float64]:
    """Mean position of the voxels of the object."""
    spec = volume.spec
    index = np.argwhere(spec_zyx(volume[...], spec) == 7).mean(axis=0) + spec.frame.start
    return np.array(spec.centre_nm(index))


def spec_zyx(data: NDArray[Any], spec: voxome.VolumeSpec) -> NDArray[Any]:
    return data[tuple(slice(None) if i in spec.spatial else 0 for i in range(data.ndim))]


def assert_near(found: Any, expected: Any, size: Any) -> None:
    """Assert that two positions are at most half a voxel apart along any axis."""
    assert (np.abs(np.asarray(found) - np.asarray(expected)) <= np.asarray(size) / 2 + 1e-9).all(), (found, expected)


# Volumes that voxome writes


@contextmanager
def local(uri: str) -> Iterator[str]:
    yield uri


@contextmanager
def bossdb(uri: str) -> Iterator[str]:
    with boss.serving() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXOME_BOSSDB_TOKEN", server.token)
        patch.setenv("VOXOME_BOSSDB_HOST", server.url)
        yield f"bossdb://{server.url}/lab/brain/em"


@contextmanager
def dvid_server(uri: str) -> Iterator[str]:
    with dvid.serving("secret") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXOME_DVID_HOST", server)
        patch.setenv("VOXOME_DVID_ADMIN_TOKEN", "secret")
        root = server.replace("http://", "dvid://")
        repo = voxome.connect(root, expect=Dvid).create_repo("brain")
        yield f"{root}/{repo.uuid}/segmentation"


class Store:
    """A store, its URI, and the positions that it can store."""

    def __init__(
        self,
        uri: str,
        *,
        start: bool = True,
        offset: bool = True,
        scale: tuple[int, int, int] | None = None,
        serve: Callable[[str], Any] = local,
        **changes: Any,
    ) -> None:
        self.uri, self.start, self.offset, self.scale, self.serve = uri, start, offset, scale, serve
        self.changes: dict[str, Any] = {"dtype": "uint8", **changes}

    @property
    def spec(self) -> voxome.VolumeSpec:
        domain = DOMAIN if self.start else Box((0, 0, 0), DOMAIN.stop)
        offset = OFFSET if self.offset else (0.0, 0.0, 0.0)
        changes = {name: value for name, value in self.changes.items() if name != "dtype"}
        shape, dtype = domain.shape, self.changes["dtype"]
        return voxome.VolumeSpec.of(shape, dtype, start=domain.start, voxel_size_nm=SIZE, offset_nm=offset, **changes)


STORES = {
    "memory": Store("memory://coordinates-{unique}"),
    "zarr": Store("zarr://{folder}/a.zarr", scale=(1, 2, 2)),
    "zarr2": Store("zarr://{folder}/a.zarr", scale=(1, 2, 2), encoding={"format": "zarr2"}),
    "plain zarr": Store("zarr://{folder}/a.zarr", encoding={"ome": False}),
    "n5": Store("n5://{folder}/a.n5", scale=(2, 2, 2)),
    "precomputed": Store("precomputed://{folder}/a", scale=(1, 2, 2)),
    "knossos": Store("knossos://{folder}/a", start=False, offset=False, scale=(2, 2, 2)),
    "hdf5": Store("hdf5://{folder}/a.h5/raw", start=False),
    "nifti": Store("nifti://{folder}/a.nii", start=False),
    "images": Store("images://{folder}/a", start=False),
    "bossdb": Store("bossdb", serve=bossdb, start=False, scale=(1, 2, 2)),
    "dvid": Store(
        "dvid", serve=dvid_server, offset=False, scale=(2, 2, 2), dtype="uint64", kind="labels", encoding={"levels": 1}
    ),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if "{" not in store.uri else []) for name, store in STORES.items()],
)
def test_the_object_is_read_where_it_was_written(tmp_path: Path, name: str) -> None:
    store = STORES[name]
    with store.serve(store.uri.format(folder=tmp_path, unique=tmp_path.name)) as uri:
        spec = store.spec
        expected = np.array(spec.offset_nm) + middle(OBJECT) * SIZE
        volume = voxome.create(uri, spec)
        volume.paste(spec.domain, voxels(spec.domain, spec.dtype.name))
        if store.scale is not None and name != "dvid":
            level: Any = volume.source.create_level(store.scale)  # type: ignore[attr-defined]
            level.write(level.spec.domain, voxels(level.spec.domain, spec.dtype.name, OBJECT.coarsen(store.scale)))
        again = voxome.open(uri, expect=voxome.Volume)
        assert position_nm(again) == pytest.approx(expected)
        assert len(again.levels) == (0 if store.scale is None else 2)
        for number, level in enumerate(again.levels):
            coarse = again.level(number)
            assert (coarse.spec.voxel_size_nm, coarse.spec.offset_nm) == (level.voxel_size_nm, level.offset_nm)
            assert position_nm(coarse) == pytest.approx(expected)


# Volumes that others write: the position is that of the format's own specification


def write_zarr(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """OME-Zarr: the translation is the position of the centre of the first voxel."""
    entries = []
    for number, scale in enumerate([(1, 1, 1), (1, 2, 2)]):
        kvstore = {"driver": "file", "path": f"{folder}/{number}/"}
        store(kvstore, "zarr", voxels(DOMAIN.coarsen(scale), "uint8", OBJECT.coarsen(scale)))
        size, corner = np.multiply(SIZE, scale), np.array(OFFSET) - np.array(SIZE) / 2
        steps = [
            {"type": "scale", "scale": size.tolist()},
            {"type": "translation", "translation": (corner + size / 2).tolist()},
        ]
        entries.append({"path": str(number), "coordinateTransformations": steps})
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    attributes = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": entries}]}
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps(attributes))
    return f"zarr://{folder}", np.array(OFFSET) + (middle(OBJECT) - DOMAIN.start) * SIZE


def write_n5(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """N5 as n5-viewer writes it: an index counts from the centre of the first voxel, levels share a corner."""
    for number, scale in enumerate([(1, 1, 1), (2, 2, 2)]):
        kvstore = {"driver": "file", "path": f"{folder}/s{number}/"}
        data = voxels(DOMAIN.coarsen(scale), "uint8", OBJECT.coarsen(scale)).T
        store(kvstore, "n5", data, blockSize=[8, 8, 8], compression={"type": "raw"})
        file = folder / f"s{number}" / "attributes.json"
        attributes = {
            "pixelResolution": {"unit": "nm", "dimensions": SIZE[::-1]},
            "downsamplingFactors": scale[::-1],
        }
        file.write_text(json.dumps({**json.loads(file.read_text()), **attributes}))
    (folder / "attributes.json").write_text('{"n5": "2.0.0"}')
    return f"n5://{folder}", (middle(OBJECT) - DOMAIN.start) * SIZE


def write_precomputed(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """Precomputed: index i spans i to i + 1 voxels, at every scale."""
    scales = []
    for scale in [(1, 1, 1), (1, 2, 2)]:
        domain, size = DOMAIN.coarsen(scale), np.multiply(SIZE, scale)
        entry = {"size": domain.shape[::-1], "voxel_offset": domain.start[::-1], "resolution": size[::-1].tolist()}
        key = "_".join(map(str, scale))
        scales.append({"key": key, "chunk_sizes": [[64, 64, 64]], "encoding": "raw", **entry})
        (folder / key).mkdir(parents=True)
        name = "_".join(f"{a}-{b}" for a, b in zip(domain.start[::-1], domain.stop[::-1], strict=True))
        (folder / key / name).write_bytes(voxels(domain, "uint8", OBJECT.coarsen(scale)).tobytes())
    info = {"type": "segmentation", "data_type": "uint8", "num_channels": 1, "scales": scales}
    (folder / "info").write_text(json.dumps({**info, "mesh": "mesh", "skeletons": "skeletons"}))
    return f"precomputed://{folder}", (middle(OBJECT) + 0.5) * SIZE


def write_hdf5(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """HDF5 as CREMI writes it: resolution and offset in nm, z first."""
    folder.mkdir()
    with h5py.File(folder / "a.h5", "w") as file:
        data = file.create_dataset("raw", data=voxels(DOMAIN, "uint8"))
        data.attrs["resolution"], data.attrs["offset"] = SIZE, OFFSET
    return f"hdf5://{folder}/a.h5/raw", np.array(OFFSET) + (middle(OBJECT) - DOMAIN.start) * SIZE


def write_nifti(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """NIfTI: the affine maps indices to centres."""
    folder.mkdir()
    affine = np.diag([*SIZE[::-1], 1.0]) / 1000
    affine[:3, 3] = np.array(OFFSET[::-1]) / 1000
    image = nibabel.Nifti1Image(voxels(DOMAIN, "uint8").T, affine)
    image.header.set_xyzt_units("micron")
    nibabel.save(image, folder / "a.nii")
    return f"nifti://{folder}/a.nii", np.array(OFFSET) + (middle(OBJECT) - DOMAIN.start) * SIZE


def store(kvstore: dict[str, str], driver: str, data: NDArray[Any], **metadata: Any) -> None:
    spec = {"driver": driver, "kvstore": kvstore, "metadata": metadata, "create": True}
    ts.open(spec, dtype=data.dtype.name, shape=data.shape).result().write(data).result()


@pytest.mark.parametrize("write", [write_zarr, write_n5, write_precomputed, write_hdf5, write_nifti])
def test_the_object_is_at_the_position_that_the_format_defines(
    tmp_path: Path, write: Callable[[Path], tuple[str, NDArray[np.float64]]]
) -> None:
    uri, expected = write(tmp_path / "a")
    volume = voxome.open(uri, expect=voxome.Volume)
    assert_near(position_nm(volume), expected, SIZE)
    for number in range(len(volume.levels)):
        assert position_nm(volume.level(number)) == pytest.approx(position_nm(volume))


# Shapes and tables


CORNERS = np.array([OBJECT.start, OBJECT.stop], float) * SIZE
"""Corners of the object in the frame of shapes, which count from the corner of voxel 0."""
VERTICES = np.array([*CORNERS, CORNERS.mean(axis=0)])
FACES = np.array([[0, 1, 2]])


def add_legacy(folder: Path) -> None:
    write_info(folder, {"@type": "neuroglancer_legacy_mesh"})
    (folder / "7:0").write_text('{"fragments": ["7"]}')
    (folder / "7").write_bytes(legacy_fragment(VERTICES[:, ::-1], FACES))


def add_multiresolution(folder: Path, *, sharded: bool = False) -> None:
    """Write one fragment with the extent of the object, in units that its transform halves."""
    transform = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0]
    info = {"@type": "neuroglancer_multilod_draco", "vertex_quantization_bits": 10, "transform": transform}
    index_only = {**SHARDING, "hash": "identity", "preshift_bits": 0, "minishard_bits": 0, "shard_bits": 0}
    write_info(folder, {**info, "lod_scale_multiplier": 1, **({"sharding": index_only} if sharded else {})})
    start, stop = CORNERS[:, ::-1] / 2
    fragment = draco(np.array([[0, 0, 0], [1022, 1022, 1022], [511, 511, 511]]), FACES)
    entry = manifest((stop - start) * 1023 / 1022, start, [(0, 0, 0)], [[((0, 0, 0), len(fragment))]])
    if sharded:
        (folder / "0.shard").write_bytes(shard_with_gaps({7: (fragment, entry)}))
    else:
        (folder / "7").write_bytes(fragment)
        (folder / "7.index").write_bytes(entry)


MESHES = {
    "legacy": add_legacy,
    "multiresolution": add_multiresolution,
    "sharded": partial(add_multiresolution, sharded=True),
}


def centre_of_voxel(index: Any) -> NDArray[np.float64]:
    """Return the centre of a voxel of level 0 in the frame of shapes."""
    return (np.asarray(index, float) + 0.5) * SIZE


def assert_on_the_object(positions: NDArray[Any]) -> None:
    """Assert that two corners and the middle of a shape are those of the object."""
    np.testing.assert_allclose(positions, [*CORNERS, CORNERS.mean(axis=0)], atol=1e-3)


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("offset", [None, OFFSET])
def test_precomputed_shapes_are_at_the_voxels_of_the_object(
    tmp_path: Path, mesh: str, offset: tuple[float, float, float] | None
) -> None:
    folder = tmp_path / "a"
    if offset is None:
        uri, _ = write_precomputed(folder)
    else:
        uri, attributes = f"precomputed://{folder}", {"mesh": "mesh", "skeletons": "skeletons"}
        spec = voxome.VolumeSpec.of(
            DOMAIN.shape, "uint8", start=DOMAIN.start, voxel_size_nm=SIZE, offset_nm=offset, attributes=attributes
        )
        voxome.create(uri, spec).paste(spec.domain, voxels(spec.domain, "uint8"))
    MESHES[mesh](folder / "mesh")
    write_info(folder / "skeletons", {"@type": "neuroglancer_skeletons"})
    (folder / "skeletons" / "7").write_bytes(skeleton(VERTICES[:, ::-1], np.array([[0, 1], [1, 2]])))
    volume = voxome.open(uri, expect=voxome.Volume)
    meshes, skeletons = ability(volume.source, MeshSource), ability(volume.source, SkeletonSource)
    assert meshes is not None
    assert skeletons is not None
    np.testing.assert_allclose(position_nm(volume) - volume.spec.offset_nm + np.array(SIZE) / 2, CORNERS.mean(axis=0))
    alone = voxome.open(f"{uri}/mesh", expect=voxome.Meshes), voxome.open(f"{uri}/skeletons", expect=voxome.Skeletons)
    for one in (meshes, alone[0]):
        assert_on_the_object(one.mesh(7).vertices_nm)
    for tree in (skeletons, alone[1]):
        assert_on_the_object(tree.skeleton(7).nodes_nm)


@pytest.mark.slow
def test_dvid_shapes_are_at_the_voxels_of_the_object() -> None:
    with dvid_server("") as uri:
        spec = STORES["dvid"].spec
        volume = voxome.create(uri, spec)
        volume.paste(spec.domain, voxels(spec.domain, "uint64"))
        node = voxome.connect(uri.rpartition("/")[0], expect=DvidNode)
        for name, type_name in (("meshes", "keyvalue"), ("skeletons", "keyvalue")):
            node.create_instance(f"segmentation_{name}", type_name)
        node.create_instance("marks", "annotation")
        node.keyvalue("segmentation_meshes")["7.ngmesh"] = legacy_fragment(VERTICES[:, ::-1], FACES)
        z, y, x = OBJECT.start
        node.keyvalue("segmentation_skeletons")["7_swc"] = f"1 0 {x} {y} {z} 1 -1\n".encode()
        node.annotations("marks").post([Element((z, y, x), "Note")])
        volume = voxome.open(uri, expect=voxome.Volume)
        assert_on_the_object(volume.mesh(7).vertices_nm)
        centre = centre_of_voxel([OBJECT.start])
        np.testing.assert_allclose(volume.skeleton(7).nodes_nm, centre)
        points = voxome.open(f"{uri.rpartition('/')[0]}/marks?labels=segmentation", expect=voxome.Points)
        np.testing.assert_allclose(points.get(points.ids()).positions_nm[:, 0], centre)


def test_positions_in_tables_are_voxel_centres() -> None:
    spec = STORES["zarr"].spec
    index = np.argwhere(voxels(DOMAIN, "uint8") == 7)
    sums = {axis: index[:, i].sum(keepdims=True) for i, axis in enumerate("zyx")}
    rows = {"id": np.array([7], np.uint64), "voxels": np.array([len(index)]), **sums}
    table = neuron_table(rows, domain=DOMAIN, voxel_size_nm=SIZE, offset_nm=OFFSET)
    found = [float(table[f"{axis}_nm"][0]) for axis in "zyx"]
    assert found == pytest.approx(spec.centre_nm(middle(OBJECT).tolist()))
