"""KNOSSOS cubes, against files written by hand."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import imagecodecs
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.knossos.cubes import _IMAGES
from voxome.remotes.knossos.remote import KnossosRemote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

CONF = """experiment name "{name}";
boundary x {x};
boundary y {y};
boundary z {z};
{scale}magnification 1;
"""


def write_conf(folder: Path, shape: tuple[int, ...], size: tuple[float, ...] | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scale = "" if size is None else "".join(f"scale {a} {n};\n" for a, n in zip("zyx", size, strict=True))
    z, y, x = shape
    (folder / "knossos.conf").write_text(CONF.format(name="e1", x=x, y=y, z=z, scale=scale))


def cubes(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, int, int], tuple[slice, ...]]]:
    for z, y, x in itertools.product(*(range(-(-n // 128)) for n in shape)):
        yield (z, y, x), tuple(slice(128 * n, 128 * n + 128) for n in (z, y, x))


def stem(folder: Path, at: tuple[int, int, int], name: str = "e1") -> Path:
    z, y, x = at
    place = folder / f"x{x:04d}" / f"y{y:04d}" / f"z{z:04d}"
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{name}_x{x:04d}_y{y:04d}_z{z:04d}"


def padded(array: NDArray[Any], part: tuple[slice, ...]) -> NDArray[Any]:
    cube = np.zeros((128, 128, 128), array.dtype)
    inside = array[part]
    cube[tuple(slice(n) for n in inside.shape)] = inside
    return cube


class TestCubes(VolumeRemoteContract):
    dtypes = ("uint8",)
    ranks = (3,)
    chunked = False
    negative_start = False
    kinds = ()
    fills = (0,)
    stored_fields = frozenset({"voxel_size_nm"})
    seeded_fields = frozenset({"voxel_size_nm"})
    attributes = False
    provenance = False
    suffix = ""

    @pytest.fixture
    def remote(self) -> KnossosRemote:
        return KnossosRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: Uri.parse(f"knossos://{tmp_path / uuid4().hex}{self.suffix}")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        folder = Path(uri.path)
        write_conf(folder, array.shape, spec.voxel_size_nm)
        for at, part in cubes(array.shape):
            self.put(stem(folder, at), padded(array, part))

    def put(self, at: Path, cube: NDArray[Any]) -> None:
        cube.tofile(f"{at}.raw")

    def get(self, at: Path) -> NDArray[Any]:
        return np.fromfile(f"{at}.raw", np.uint8)

    def inspect(self, uri: Uri) -> NDArray[Any]:
        folder = Path(uri.path) / "mag1"
        lines = dict(line.rstrip(";").rsplit(" ", 1) for line in (folder / "knossos.conf").read_text().splitlines())
        name = lines["experiment name"].strip('"')
        shape = tuple(int(lines[f"boundary {axis}"]) for axis in "zyx")
        out = np.zeros(shape, self.dtypes[0])
        for at, part in cubes(shape):
            file = stem(folder, at, name)
            if any(file.parent.iterdir()):
                inside = out[part]
                inside[...] = self.get(file).reshape(128, 128, 128)[tuple(slice(n) for n in inside.shape)]
        return out

    def parent_uri(self, uri: Uri) -> Uri:
        return Uri("knossos", str(Path(uri.path).parent), uri.query)


class TestOverlay(TestCubes):
    dtypes = ("uint64",)
    suffix = "?overlay=true"

    def put(self, at: Path, cube: NDArray[Any]) -> None:
        with zipfile.ZipFile(f"{at}.seg.sz.zip", "w") as packed:
            packed.writestr(f"{at.name}.seg.sz", pa.compress(cube.tobytes(), codec="snappy", asbytes=True))

    def get(self, at: Path) -> NDArray[Any]:
        with zipfile.ZipFile(f"{at}.seg.sz.zip") as packed:
            return np.frombuffer(imagecodecs.snappy_decode(packed.read(f"{at.name}.seg.sz")), "<u8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_conf(tmp_path / "a", (130, 20, 30), (20.0, 10.0, 10.0))
    return tmp_path / "a"


def opened(folder: Path) -> Any:
    return KnossosRemote().open(Uri("knossos", str(folder)))


def test_a_volume_spans_many_cubes(tmp_path: Path) -> None:
    array = noise((140, 129, 260), "uint8")
    write_conf(tmp_path / "a", array.shape, (20.0, 10.0, 10.0))
    for at, part in cubes(array.shape):
        padded(array, part).tofile(f"{stem(tmp_path / 'a', at)}.raw")
    source = opened(tmp_path / "a")
    np.testing.assert_array_equal(source.read(source.spec.domain), array)
    assert source.spec.voxel_size_nm == (20.0, 10.0, 10.0)


def test_png_cubes_are_decoded(folder: Path) -> None:
    cube = noise((128, 128, 128), "uint8")
    Path(f"{stem(folder, (0, 0, 0))}.png").write_bytes(imagecodecs.png_encode(cube.reshape(-1, 128)))
    source = opened(folder)
    np.testing.assert_array_equal(source.read(source.spec.domain)[:128], cube[:, :20, :30])
    assert not source.read(source.spec.domain)[128:].any()


def test_a_short_cube_is_corrupt(folder: Path) -> None:
    np.zeros(1000, np.uint8).tofile(f"{stem(folder, (1, 0, 0))}.raw")
    source = opened(folder)
    with pytest.raises(CorruptData, match="1000 voxels"):
        source.read(source.spec.domain)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".j2k"])
def test_images_of_another_size_than_a_cube_are_not_decoded(
    folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = {".png": imagecodecs.png_encode, ".jpg": imagecodecs.jpeg8_encode, ".j2k": imagecodecs.jpeg2k_encode}
    Path(f"{stem(folder, (0, 0, 0))}{suffix}").write_bytes(encode[suffix](np.zeros((2000, 1000), np.uint8)))
    monkeypatch.setitem(_IMAGES, suffix, lambda data: pytest.fail("it is decoded"))
    source = opened(folder)
    with pytest.raises(CorruptData, match="2000000 voxels, expected a cube of 2097152"):
        source.read(source.spec.domain)


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [
        (".jpg", imagecodecs.jpeg8_encode),
        (".j2k", partial(imagecodecs.jpeg2k_encode, codecformat="j2k")),
        (".j2k", partial(imagecodecs.jpeg2k_encode, codecformat="jp2")),
    ],
)
def test_jpeg_cubes_are_decoded(folder: Path, suffix: str, encode: Callable[[Any], bytes]) -> None:
    cube = np.full((128, 128, 128), 77, np.uint8)
    Path(f"{stem(folder, (0, 0, 0))}{suffix}").write_bytes(encode(cube.reshape(-1, 128)))
    source = opened(folder)
    assert np.all(source.read(source.spec.domain)[:128] == 77)


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\0\x0cjP  ", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51"]
)
def test_a_damaged_image_is_corrupt(folder: Path, content: bytes) -> None:
    Path(f"{stem(folder, (0, 0, 0))}.j2k").write_bytes(content)
    source = opened(folder)
    with pytest.raises(CorruptData, match=r"\.j2k"):
        source.read(source.spec.domain)


def test_an_overlay_is_only_deflated(tmp_path: Path) -> None:
    write_conf(tmp_path / "a", (128, 128, 128), None)
    with zipfile.ZipFile(f"{stem(tmp_path / 'a', (0, 0, 0))}.seg.sz.zip", "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("a.seg.sz", pa.compress(bytes(8 * 128**3), codec="snappy", asbytes=True))
    source = KnossosRemote().open(Uri("knossos", str(tmp_path / "a"), {"overlay": "true"}))
    with pytest.raises(CorruptData, match="method 14"):
        source.read(source.spec.domain)


def test_an_unknown_compression_is_named(folder: Path) -> None:
    Path(f"{stem(folder, (0, 0, 0))}.xyz").write_bytes(b"1")
    source = opened(folder)
    with pytest.raises(UnsupportedFormat, match=r"\.xyz"):
        source.read(source.spec.domain)


@pytest.mark.parametrize("line", ["boundary x -1;", "scale x nan;", "boundary x 1000000000000000000000;"])
def test_a_conf_that_describes_no_volume_is_named(folder: Path, line: str) -> None:
    write_conf(folder, (128, 128, 128), (20.0, 10.0, 10.0))
    conf = folder / "knossos.conf"
    conf.write_text(f"{conf.read_text()}\n{line}\n")
    with pytest.raises(CorruptData, match=r"knossos\.conf"):
        KnossosRemote().open(Uri("knossos", str(folder)))


def test_a_conf_without_size_is_corrupt(folder: Path) -> None:
    (folder / "knossos.conf").write_text('experiment name "e1";\n')
    with pytest.raises(CorruptData, match="boundary z"):
        opened(folder)


def test_magnifications_are_levels(tmp_path: Path) -> None:
    spec = VolumeSpec.of((64, 40, 30), "uint8", voxel_size_nm=(20, 10, 10))
    created = KnossosRemote().create(Uri("knossos", str(tmp_path / "a")), spec)
    coarse = created.create_level((2, 2, 2))
    coarse.write(coarse.spec.domain, np.full((32, 20, 15), 7, np.uint8))
    again = opened(tmp_path / "a")
    assert [level.scale for level in again.levels] == [(1, 1, 1), (2, 2, 2)]
    assert again.level(1).spec.voxel_size_nm == (40.0, 20.0, 20.0)
    assert again.level(1).spec.offset_nm == (10.0, 5.0, 5.0)
    assert (again.level(1).read(again.level(1).spec.domain) == 7).all()
    with pytest.raises(UnsupportedFormat, match="along every axis"):
        created.create_level((4, 2, 2))
