"""Volumes of a DVID server: the contract, blocks at the edges, extents, options and versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from standins.dvid import serving

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import (
    CorruptData,
    InvalidBox,
    InvalidInput,
    InvalidUri,
    NotFound,
    ReadOnly,
    UnknownName,
    UnsupportedFormat,
)
from voxome.geometry import Box
from voxome.remotes.dvid import volumes
from voxome.remotes.dvid.remote import DvidRemote
from voxome.remotes.dvid.types import DTYPES, GROWING_TYPES, LABEL_TYPES
from voxome.remotes.dvid.versions import DvidNode
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

ROOT = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """``host:port/uuid`` of an open version."""
    with serving("secret") as url:
        httpx.post(f"{url}/api/repos?admintoken=secret", json={"alias": "t", "root": ROOT}).raise_for_status()
        yield f"{url.removeprefix('http://')}/{ROOT}"


def join_xyz(zyx: Sequence[int]) -> str:
    return "_".join(str(n) for n in reversed(zyx))


def join_commas(zyx: Sequence[float]) -> str:
    return ",".join(f"{n:g}" for n in reversed(zyx))


class Dvid(VolumeRemoteContract):
    ranks = (3,)
    fills = (0,)
    stored_fields = frozenset({"voxel_size_nm"})
    seeded_fields = frozenset({"voxel_size_nm"})
    attributes = False
    deletes = False
    chunk: ClassVar[tuple[int, int, int]] = (5, 6, 4)

    @pytest.fixture
    def remote(self) -> DvidRemote:
        return DvidRemote()

    @pytest.fixture
    def new_uri(self, address: str) -> Callable[[], Uri]:
        return lambda: Uri("dvid", f"{address}/{uuid4().hex}")

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        spec = super().spec(rank, dtype, **{"kind": self.kinds[0], **others})
        return spec.replace(read_chunk=self.chunk, write_chunk=self.chunk)

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        host, uuid, name = uri.path.split("/")
        assert spec.write_chunk is not None
        size = spec.voxel_size_nm or (8, 8, 8)
        settings = {"typename": self.type_of(spec), "dataname": name, "BlockSize": join_commas(spec.write_chunk)}
        settings |= {"VoxelSize": join_commas(size), "VoxelUnits": "nanometers,nanometers,nanometers"}
        httpx.post(f"http://{host}/api/repo/{uuid}/instance", json=settings).raise_for_status()
        whole = spec.domain.snap(spec.write_chunk)  # type: ignore[arg-type]
        padded = np.zeros(whole.shape, spec.dtype)
        padded[spec.domain.within(whole)] = array
        node = f"http://{host}/api/node/{uuid}/{name}"
        raw = f"{node}/raw/0_1_2/{join_xyz(whole.shape)}/{join_xyz(whole.start)}"
        httpx.post(raw, content=padded.tobytes()).raise_for_status()
        low, high = [*reversed(spec.domain.start)], [n - 1 for n in reversed(spec.domain.stop)]
        httpx.post(f"{node}/extents", json={"MinPoint": low, "MaxPoint": high}).raise_for_status()

    def inspect(self, uri: Uri) -> NDArray[Any]:
        host, uuid, name = uri.path.split("/")
        node = f"http://{host}/api/node/{uuid}/{name}"
        info = httpx.get(f"{node}/info").json()
        extended = info["Extended"]
        extents = info.get("Extents") or extended
        low = extents["MinPoint"]
        shape = [b - a + 1 for a, b in zip(low, extents["MaxPoint"], strict=True)]
        raw = httpx.get(f"{node}/raw/0_1_2/{join_xyz(shape[::-1])}/{join_xyz(low[::-1])}").raise_for_status()
        return np.frombuffer(raw.content, DTYPES[info["Base"]["TypeName"]]).reshape(shape[::-1])

    def type_of(self, spec: VolumeSpec) -> str:
        return f"{spec.dtype}blk"

    def parent_uri(self, uri: Uri) -> Uri:
        return Uri("dvid", uri.path.rpartition("/")[0])


class TestGrey(Dvid):
    dtypes = ("uint8", "uint16", "uint32", "uint64", "float32")
    kinds = ("image",)


class TestLabelmap(Dvid):
    dtypes = ("uint64",)
    kinds = ("labels",)
    negative_start = False
    chunk = (16, 32, 16)

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        spec = super().spec(rank, dtype, **others)
        return spec.replace(domain=Box.of_shape(spec.domain.shape, (9, 20, 10)))

    def type_of(self, spec: VolumeSpec) -> str:
        return "labelmap"


def create_volume(
    address: str,
    *,
    shape: tuple[int, int, int] = (20, 25, 30),
    start: tuple[int, int, int] | None = None,
    **others: Any,
) -> tuple[str, voxome.Volume]:
    """Create a volume that cuts its blocks, which are 8^3, or 16^3 for labels; return its URI and the volume."""
    uri = f"dvid://{address}/{uuid4().hex}"
    labels = others.get("kind") == "labels"
    fields = {"dtype": "uint8", "chunk": (16, 16, 16) if labels else (8, 8, 8), **others}
    start = start or ((7, 5, 30) if labels else (-7, 5, 30))
    spec = VolumeSpec.of(shape, fields.pop("dtype"), start=start, **fields)
    return uri, voxome.create(uri, spec)


@pytest.mark.parametrize("kind", ["uint64blk", "labelblk", "labelarray", "labelmap"])
def test_parts_are_joined(address: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_REQUEST_VOXELS", "5000")
    volume_kind = "labels" if kind in LABEL_TYPES else "image"
    whole: Any = {"shape": (32, 48, 32), "start": (16, 0, 32)} if kind in GROWING_TYPES else {}
    uri, volume = create_volume(address, dtype="uint64", kind=volume_kind, encoding={"type": kind}, **whole)
    assert volume.spec.encoding == {"type": kind, "levels": 0}
    model = noise(volume.shape, volume.dtype)
    volume[:] = model
    model[3:11, 2:20, 5:25] = 7
    volume[3:11, 2:20, 5:25] = 7
    assert_array_equal(voxome.open(uri)[:], model)
    assert_array_equal(voxome.open(uri)[1:18, 3:24, 7:29], model[1:18, 3:24, 7:29])


@pytest.mark.parametrize("kind", ["labelblk", "labelarray"])
def test_volumes_whose_extents_cannot_be_set_have_them_from_the_start(address: str, kind: str) -> None:
    fields: dict[str, Any] = {"dtype": "uint64", "kind": "labels", "encoding": {"type": kind}}
    uri, volume = create_volume(address, shape=(32, 48, 64), start=(16, 0, 32), **fields)
    assert voxome.open(uri).spec.domain == volume.spec.domain == Box((16, 0, 32), (48, 48, 96))
    assert not voxome.open(uri)[:].any()
    with pytest.raises(InvalidBox, match=f"extents of a {kind} cannot be set; create a larger one"):
        volume.source.write(Box((0, 0, 0), (16, 16, 16)), np.zeros((16, 16, 16), np.uint64))
    with pytest.raises(
        UnsupportedFormat, match=f"extents of a {kind} are whole blocks.*16:48,0:32,32:64, or a labelmap"
    ):
        create_volume(address, start=(16, 5, 32), shape=(32, 20, 32), **fields)


@pytest.mark.parametrize("kind", ["labelblk", "labelarray", "labelmap"])
def test_labels_below_0_are_refused(address: str, kind: str) -> None:
    fields: dict[str, Any] = {"dtype": "uint64", "kind": "labels", "encoding": {"type": kind}}
    before = voxome.connect(f"dvid://{address}", expect=DvidNode).instances
    with pytest.raises(UnsupportedFormat, match=r"cannot start at \(0, -16, 0\).*process ends.*start of 0 or above"):
        create_volume(address, start=(0, -16, 0), shape=(16, 32, 16), **fields)
    assert voxome.connect(f"dvid://{address}", expect=DvidNode).instances == before


def test_labels_are_not_written_below_0_to_volumes_of_others(address: str) -> None:
    uri, _ = create_volume(address, dtype="uint64", kind="labels")
    host, uuid, name = uri.removeprefix("dvid://").split("/")
    node = voxome.connect(f"dvid://{host}/{uuid}", expect=DvidNode)
    node.set_extents(name, Box((-16, 0, 0), (32, 32, 64)))
    larger = voxome.open(uri, mode="r+", expect=voxome.Volume)
    with pytest.raises(InvalidBox, match=r"cannot write labels to -1:1,0:1,0:1.*start of 0 or above"):
        larger.paste(Box((-1, 0, 0), (1, 1, 1)), np.ones((2, 1, 1), np.uint64))
    assert not larger[:].any()
    larger.paste(Box((0, 0, 0), (1, 1, 1)), np.ones((1, 1, 1), np.uint64))
    assert larger[:].sum() == 1


@pytest.mark.parametrize(
    ("kind", "block", "other"),
    [
        ("labelmap", (8, 8, 8), r"multiples of 16 voxels.*\(16, 16, 16\)"),
        ("labelmap", (32, 24, 16), r"multiples of 16 voxels.*\(32, 32, 16\)"),
        ("labelarray", (8, 12, 8), r"multiples of 8 voxels.*\(8, 16, 8\)"),
    ],
)
def test_blocks_that_no_server_accepts_are_refused_before_anything_is_created(
    address: str, kind: str, block: tuple[int, int, int], other: str
) -> None:
    node = voxome.connect(f"dvid://{address}", expect=DvidNode)
    before = node.instances
    with pytest.raises(UnsupportedFormat, match=other):
        create_volume(address, dtype="uint64", kind="labels", chunk=block, encoding={"type": kind})
    assert node.instances == before


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_threads_write_parts_of_the_same_blocks(address: str, kind: Any) -> None:
    uri, volume = create_volume(address, dtype="uint64", kind=kind)
    model = noise((20, 25, 30), volume.dtype)
    parts = [(slice(z, z + 3), slice(y, y + 5), slice(0, 30)) for z in range(0, 20, 3) for y in range(0, 25, 5)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda part: volume.__setitem__(part, model[part]), parts))
    assert_array_equal(voxome.open(uri)[:], model)


def test_extents_stay_as_created(address: str) -> None:
    uri, volume = create_volume(address)
    volume[:] = 1
    assert voxome.open(uri).spec.domain == volume.spec.domain == Box((-7, 5, 30), (13, 30, 60))
    assert not volume.source.concurrent_writers
    assert create_volume(address, start=(-8, 0, 16))[1].source.concurrent_writers


def test_extents_set_by_other_clients_are_preserved(address: str) -> None:
    uri, volume = create_volume(address)
    host, uuid, name = uri.removeprefix("dvid://").split("/")
    block = bytes(range(256)) * 2
    httpx.post(f"http://{host}/api/node/{uuid}/{name}/raw/0_1_2/8_8_8/80_80_80", content=block).raise_for_status()
    volume[:] = 1
    assert Box((80, 80, 80), (88, 88, 88)) in voxome.open(uri).spec.domain


def test_reading_outside_explains_how_to_extend_the_domain(address: str) -> None:
    uri, volume = create_volume(address)
    with pytest.raises(InvalidBox, match="set_extents"):
        volume.source.read(Box((0, 0, 0), (1, 1, 1)))
    host, uuid, name = uri.removeprefix("dvid://").split("/")
    node: Any = voxome.connect(f"dvid://{host}/{uuid}")
    node.set_extents(name, Box((-20, 0, 0), (20, 40, 60)))
    larger = voxome.open(uri, mode="r+")
    larger.paste(Box((-20, 0, 0), (-19, 1, 1)), np.full((1, 1, 1), 9, np.uint8))
    assert larger.cutout(Box((-20, 0, 0), (-19, 1, 2))).tolist() == [[[9, 0]]]


def test_a_missing_voxel_size_stays_missing(address: str) -> None:
    uri, _ = create_volume(address)
    assert voxome.open(uri).voxel_size_nm is None


def test_units_are_converted_to_nm(address: str) -> None:
    host, uuid = address.split("/")
    sent = {"typename": "uint8blk", "dataname": "in_um", "VoxelSize": "0.5,1,2", "VoxelUnits": "microns,um,micrometers"}
    httpx.post(f"http://{host}/api/repo/{uuid}/instance", json=sent).raise_for_status()
    opened = voxome.open(f"dvid://{address}/in_um")
    assert opened.voxel_size_nm == (2000, 1000, 500)
    assert opened.shape == (0, 0, 0)
    node: Any = voxome.connect(f"dvid://{address}")
    node.set_voxel_size("in_um", (3, 2, 1))
    assert voxome.open(f"dvid://{address}/in_um").voxel_size_nm == (3000, 2000, 1000)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"dtype": "int16"}, UnsupportedFormat),
        ({"dtype": "uint32", "kind": "labels"}, UnsupportedFormat),
        ({"dtype": "uint8", "kind": "probability", "encoding": {"type": "labelmap"}}, UnsupportedFormat),
        ({"fill": 7}, UnsupportedFormat),
        ({"offset_nm": (1, 2, 3)}, UnsupportedFormat),
        ({"attributes": {"a": 1}}, UnsupportedFormat),
        ({"encoding": {"codec": "zstd"}}, InvalidInput),
        ({"dtype": "uint64", "kind": "labels", "chunk": (8, 8, 12)}, UnsupportedFormat),
    ],
)
def test_volumes_that_dvid_cannot_store_are_refused(
    address: str, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        create_volume(address, **changes)


def test_another_axis_order_is_refused(address: str) -> None:
    for spec in (VolumeSpec.of((2, 3), "uint8"), VolumeSpec.of((2, 3, 4), "uint8", axes=("c", "y", "x"))):
        with pytest.raises(UnsupportedFormat, match="axes z, y, x"):
            voxome.create(f"dvid://{address}/odd", spec)


@pytest.mark.parametrize(
    ("tail", "error"),
    [
        ("nosuch", NotFound),
        ("a/b", InvalidUri),
        ("", InvalidUri),
        ("nosuch?supervoxel=true", UnknownName),
        ("grey?supervoxels=true", UnsupportedFormat),
        ("grey?throttle=yes", InvalidUri),
        ("keys", UnsupportedFormat),
    ],
)
def test_uris_that_are_not_volumes_are_refused(address: str, tail: str, error: type[Exception]) -> None:
    host, uuid = address.split("/")
    for name, kind in {"grey": "uint8blk", "keys": "keyvalue"}.items():
        httpx.post(f"http://{host}/api/repo/{uuid}/instance", json={"typename": kind, "dataname": name})
    with pytest.raises(error):
        voxome.open(f"dvid://{address}/{tail}")


def test_an_unknown_version_is_not_found(address: str) -> None:
    host = address.partition("/")[0]
    for version in ("ffffff", "f" * 32, f"{ROOT}:nosuch"):
        with pytest.raises(NotFound):
            voxome.open(f"dvid://{host}/{version}/grey")


def test_servers_and_versions_are_listed(address: str) -> None:
    uri, volume = create_volume(address)
    host, uuid, name = uri.removeprefix("dvid://").split("/")
    httpx.post(f"http://{host}/api/repo/{uuid}/instance", json={"typename": "keyvalue", "dataname": "names"})
    remote = DvidRemote()
    assert (f"dvid://{host}/{ROOT}", "repo", "t") in [
        (one.uri, one.type, one.description) for one in remote.list(Uri.parse(f"dvid://{host}"))
    ]
    found = {one.uri: one for one in remote.list(Uri.parse(f"dvid://{host}/{ROOT[:8]}"))}
    assert found[f"dvid://{host}/{ROOT}"].type == "version"
    assert found[f"dvid://{host}/{ROOT[:8]}/names"].type == "keyvalue"
    assert volume.spec.domain == Box((-7, 5, 30), (13, 30, 60))
    assert found[f"dvid://{host}/{ROOT[:8]}/{name}"].description == "uint8blk uint8 20,25,30 from -7,5,30"
    (one,) = remote.list(Uri.parse(uri))
    assert (one.uri, one.type) == (uri, "volume")


def test_every_type_has_its_dtype_and_kind(address: str) -> None:
    host, uuid = address.split("/")
    for kind, dtype in DTYPES.items():
        sent = {"typename": kind, "dataname": f"of_{kind}"}
        httpx.post(f"http://{host}/api/repo/{uuid}/instance", json=sent).raise_for_status()
        spec = voxome.open(f"dvid://{address}/of_{kind}").spec
        assert (spec.dtype, spec.kind) == (dtype, "labels" if kind in LABEL_TYPES else "image")


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_committed_versions_are_pinned(kind: Any) -> None:
    with serving("secret") as url:
        httpx.post(f"{url}/api/repos?admintoken=secret", json={"root": ROOT})
        host = url.removeprefix("http://")
        uri = f"dvid://{host}/{ROOT[:6]}/v"
        spec = VolumeSpec.of((16, 16, 16), "uint64", chunk=(16, 16, 16), kind=kind)
        volume = voxome.create(uri, spec)
        volume[:] = 5
        assert not volume.source.version().pinned
        first: Any = voxome.connect(f"dvid://{host}/{ROOT[:6]}")
        first.commit("done")
        pinned = voxome.open(uri).source.version()
        assert pinned.pinned
        assert ROOT in pinned.token
        with pytest.raises(ReadOnly, match=r"locked.*create a child"):
            voxome.open(uri, mode="r+")[:] = 6
        second = first.new_version("more")
        newer = voxome.open(f"dvid://{host}/{ROOT[:6]}:master/v", mode="r+")
        assert (newer[:] == 5).all()
        newer[0] = 6
        assert second.uuid in newer.source.version().token
        assert not newer.source.version().pinned
        assert (voxome.open(uri)[:] == 5).all()
        assert newer[:].sum() == 256 * 6 + 15 * 256 * 5


def test_an_unversioned_instance_is_never_pinned() -> None:
    with serving("secret") as url:
        httpx.post(f"{url}/api/repos?admintoken=secret", json={"root": ROOT})
        uri = f"dvid://{url.removeprefix('http://')}/{ROOT}/free"
        spec = VolumeSpec.of((8, 8, 8), "uint8", chunk=(8, 8, 8), encoding={"versioned": False})
        volume = voxome.create(uri, spec)
        node: Any = voxome.connect(uri.rpartition("/")[0])
        node.commit()
        assert not volume.source.version().pinned
        volume[:] = 3
        assert (volume[:] == 3).all()


def test_a_response_of_the_wrong_length_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, _ = create_volume(address)
    source = DvidRemote().open(Uri.parse(uri))
    monkeypatch.setattr(volumes, "DELAY_S", 0)
    monkeypatch.setattr(source._node, "get", lambda *_, **__: httpx.Response(200, content=b"123"))
    with pytest.raises(CorruptData, match="sent 3 bytes"):
        source.read(source.spec.domain)
