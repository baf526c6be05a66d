"""Folders and files of images, against Pillow and tifffile."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import tifffile
from archives import unpack
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import (
    AlreadyExists,
    CorruptData,
    InvalidInput,
    InvalidUri,
    NotFound,
    ReadOnly,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.remotes import image_stacks
from voxome.remotes.images import ImagesRemote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import DTYPES, noise

pytestmark = pytest.mark.slow

WHOLE = Box((0, 0, 0), (4, 20, 30))


def uri_of(path: Path | str) -> Uri:
    return Uri("images", str(path))


def save_pngs(folder: Path, sections: NDArray[Any], name: str = "z{}.png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for z, section in enumerate(sections):
        Image.fromarray(section).save(folder / name.format(z))


def loaded(file: Path) -> NDArray[Any]:
    """What Pillow makes of an image."""
    with Image.open(file) as image:
        return np.asarray(image)


def read(path: Path | str) -> NDArray[Any]:
    source = ImagesRemote().open(uri_of(path))
    return source.read(source.spec.domain)


class ImageContract(VolumeRemoteContract):
    ranks = (3, 4)
    chunked = False
    negative_start = False

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        shape = (3, 13, 17, 11) if rank == 4 else (13, 17, 11)
        return VolumeSpec.of(shape, dtype or self.dtypes[0], **others)

    @pytest.fixture
    def remote(self) -> ImagesRemote:
        return ImagesRemote()

    def parent_uri(self, uri: Uri) -> Uri:
        return uri_of(Path(uri.path).parent)


class TestTiffFolder(ImageContract):
    dtypes = (*DTYPES, "bool", "float16")
    encoding: dict[str, str] = {"format": "tiff"}  # noqa: RUF012

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        return super().spec(rank, dtype, encoding=self.encoding, **others)

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: uri_of(tmp_path / uuid4().hex)

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        Path(uri.path).mkdir()
        sections = np.moveaxis(array, 0, -1) if array.ndim == 4 else array
        for z, section in enumerate(sections):
            colour = "rgb" if array.ndim == 4 else "minisblack"
            tifffile.imwrite(f"{uri.path}/section_{z}.tif", section, photometric=colour, tile=(16, 16))

    def inspect(self, uri: Uri) -> NDArray[Any]:
        """The sections by the numbers in their names; those never written are 0."""
        found = {int(file.stem): self.load(file) for file in Path(uri.path).iterdir() if file.stem.isdigit()}
        if not found:
            spec = ImagesRemote().open(uri).spec
            return np.zeros(spec.domain.shape, spec.dtype)
        first = next(iter(found.values()))
        sections = np.array([found.get(z, np.zeros_like(first)) for z in range(13)])
        return np.moveaxis(sections, -1, 0) if sections.ndim == 4 else sections

    def load(self, file: Path) -> NDArray[Any]:
        return tifffile.imread(file)


class TestPngFolder(TestTiffFolder):
    dtypes = ("uint8", "uint16")
    encoding = {"format": "png"}  # noqa: RUF012

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        save_pngs(Path(uri.path), np.moveaxis(array, 0, -1) if array.ndim == 4 else array)

    def load(self, file: Path) -> NDArray[Any]:
        return loaded(file)


class TestTiffStack(ImageContract):
    """One file of many pages; tifffile's own description gives the axes."""

    dtypes = (*DTYPES, "bool", "float16")
    ranks = (2, 3, 4)
    creates = False
    packed: dict[str, Any] = {"compression": "zlib", "predictor": False, "metadata": {"axes": "ZYX"}}  # noqa: RUF012

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        return VolumeSpec.of((3, 13, 17, 11)[4 - (rank or 3) :], dtype or self.dtypes[0], **others)

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: uri_of(tmp_path / f"{uuid4().hex}.tif")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        options = dict(self.packed)
        if array.ndim != 3:
            options["metadata"] = {"axes": "CZYX"[-array.ndim :]}
        tifffile.imwrite(uri.path, array, photometric="minisblack", **options)


class TestTiledBigTiff(TestTiffStack):
    packed = {"tile": (16, 16), "compression": "zstd", "bigtiff": True, "byteorder": ">"}  # noqa: RUF012


class TestMappedTiff(TestTiffStack):
    packed = {"byteorder": ">"}  # noqa: RUF012


class TestImageJ(TestTiffStack):
    dtypes = ("uint8", "uint16", "float32")
    seeded_fields = frozenset({"voxel_size_nm"})

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        z, y, x = (n / 1000 for n in spec.voxel_size_nm or (1, 1, 1))
        metadata = {"axes": "CZYX"[-array.ndim :], "spacing": z, "unit": "um"}
        stored, axes = array, metadata["axes"]
        if array.ndim == 4:
            stored, axes = array.swapaxes(0, 1), "ZCYX"
        metadata["axes"] = axes
        tifffile.imwrite(uri.path, stored, imagej=True, resolution=(1 / x, 1 / y), metadata=metadata)


class TestOme(TestTiffStack):
    dtypes = ("uint8", "uint16", "float32")
    seeded_fields = frozenset({"voxel_size_nm"})

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        metadata: dict[str, Any] = {"axes": "CZYX"[-array.ndim :]}
        for axis, length in zip("ZYX", spec.voxel_size_nm or (), strict=False):
            metadata |= {f"PhysicalSize{axis}": length / 1000, f"PhysicalSize{axis}Unit": "µm"}
        tifffile.imwrite(uri.path, array, ome=True, compression="lzw", metadata=metadata)


# Folders


def test_sections_are_sorted_in_natural_order(tmp_path: Path) -> None:
    sections = noise((12, 5, 6), "uint8")
    save_pngs(tmp_path / "s", sections)
    (tmp_path / "s" / "notes.txt").write_text("no image")
    (tmp_path / "s" / ".hidden.png").write_bytes(b"no image")
    assert_array_equal(read(tmp_path / "s"), sections)
    assert_array_equal(read(tmp_path / "s" / "z1*.png"), sections[[1, 10, 11]])
    with pytest.raises(UnsupportedFormat, match="is read only"):
        ImagesRemote().open(uri_of(tmp_path / "s" / "z1*.png"), mode="r+")
    with pytest.raises(InvalidUri, match="pattern"):
        ImagesRemote().delete(uri_of(tmp_path / "s" / "z1*.png"))


@pytest.mark.parametrize(
    ("other", "message"),
    [(noise((5, 7), "uint8"), "5x7"), (noise((5, 6), "uint16"), "uint16"), (noise((5, 6, 3), "uint8"), "3x5x6")],
)
def test_sections_that_differ_are_named(tmp_path: Path, other: NDArray[Any], message: str) -> None:
    save_pngs(tmp_path / "s", noise((3, 5, 6), "uint8"))
    Image.fromarray(other).save(tmp_path / "s" / "z2b.png")
    with pytest.raises(UnsupportedFormat, match=rf"z2b\.png is .*{message}.*z0\.png"):
        ImagesRemote().open(uri_of(tmp_path / "s"))


def test_mixed_formats_and_stacks_in_folders_are_refused(tmp_path: Path) -> None:
    save_pngs(tmp_path / "s", noise((3, 5, 6), "uint8"))
    tifffile.imwrite(tmp_path / "s" / "z1.tif", noise((5, 6), "uint8"))
    with pytest.raises(UnsupportedFormat, match="glob"):
        ImagesRemote().open(uri_of(tmp_path / "s"))
    (tmp_path / "t").mkdir()
    tifffile.imwrite(tmp_path / "t" / "stack.tif", noise((4, 5, 6), "uint8"), photometric="minisblack")
    with pytest.raises(UnsupportedFormat, match=r"stack\.tif has 4 images"):
        ImagesRemote().open(uri_of(tmp_path / "t"))


def test_a_section_replaced_by_one_of_another_form_is_named(tmp_path: Path) -> None:
    save_pngs(tmp_path / "s", noise((4, 20, 30), "uint8"))
    source = ImagesRemote().open(uri_of(tmp_path / "s"))
    Image.fromarray(noise((20, 31), "uint8")).save(tmp_path / "s" / "z2.png")
    source.read(Box((0, 0, 0), (2, 20, 30)))
    with pytest.raises(CorruptData, match=r"z2\.png"):
        source.read(WHOLE)
    (tmp_path / "s" / "z2.png").unlink()
    with pytest.raises(NotFound, match=r"z2\.png"):
        source.read(WHOLE)


def test_only_touched_sections_are_decoded_and_few_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_pngs(tmp_path / "s", noise((4, 20, 30), "uint8"))
    monkeypatch.setattr(image_stacks, "CACHE_BYTES", 2 * 20 * 30)
    decoded: list[str] = []
    whole = image_stacks.decode  # type: ignore[attr-defined]
    monkeypatch.setattr(image_stacks, "decode", lambda path, form: (decoded.append(path.name), whole(path, form))[1])
    source = ImagesRemote().open(uri_of(tmp_path / "s"))
    assert decoded == []
    for z in (1, 2, 1, 3, 2):
        source.read(Box((z, 0, 0), (z + 1, 3, 3)))
    assert decoded == ["z1.png", "z2.png", "z3.png", "z2.png"]


def test_changes_by_another_writer_are_seen(tmp_path: Path) -> None:
    source = ImagesRemote().create(uri_of(tmp_path / "s"), VolumeSpec.of((4, 20, 30), "uint8"))
    other = ImagesRemote().open(uri_of(tmp_path / "s"), mode="r+")
    for value in range(1, 5):
        assert (source.read(WHOLE) == value - 1).all()
        other.write(WHOLE, np.full(WHOLE.shape, value, "uint8"))
    assert sorted(path.name for path in (tmp_path / "s").iterdir())[:2] == ["000000.tif", "000001.tif"]


def test_numbers_of_a_sidecar_may_be_written_with_a_point(tmp_path: Path) -> None:
    spec = VolumeSpec.of((4, 5, 6), "uint8", start=(1, 2, 3), encoding={"format": "png"})
    voxome.create(f"images://{tmp_path}/a", spec)[...] = 7
    sidecar = tmp_path / "a/voxome.json"
    fields = json.loads(sidecar.read_text())
    for name in ("shape", "start"):
        fields[name] = [float(n) for n in fields[name]]
    sidecar.write_text(json.dumps({**fields, "voxel_size_nm": ["40", "8", "8"]}))
    volume = voxome.open(f"images://{tmp_path}/a")
    assert volume.shape == (4, 5, 6)
    assert volume.voxel_size_nm == (40, 8, 8)
    assert np.all(volume[...] == 7)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_section_of_another_size_is_not_decoded(tmp_path: Path, suffix: str) -> None:
    for z in range(2):
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / f"{z}{suffix}")
    source = ImagesRemote().open(uri_of(tmp_path))
    Image.fromarray(np.zeros((30, 20), np.uint8)).save(tmp_path / f"1{suffix}")
    section = source._stack.section
    with pytest.raises(CorruptData, match=r"is 30x20 \(y, x\), but the other sections are uint8 20x30"):
        section(1)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_header_that_claims_more_pixels_than_the_file_can_have_is_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    Image.fromarray(np.zeros((32, 48), np.uint8)).save(file)
    data = bytearray(file.read_bytes())
    if suffix == ".png":
        data[16:24] = (60_000).to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    else:
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = (60_000).to_bytes(2, "big") * 2
    file.write_bytes(data)
    with pytest.raises(CorruptData, match="claims 60,000 x 60,000 pixels"):
        ImagesRemote().open(uri_of(file))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_sections_that_would_fill_the_memory_are_refused(tmp_path: Path, suffix: str) -> None:
    options = {"compression": "tiff_lzw"} if suffix == ".tif" else {}
    Image.fromarray(np.zeros((200, 300), np.uint8)).save(tmp_path / f"a{suffix}", **options)
    voxome.configure(largest_chunk_bytes=10_000)
    try:
        with pytest.raises(UnsupportedFormat, match="60,000 bytes, more than 10,000"):
            ImagesRemote().open(uri_of(tmp_path / f"a{suffix}"))
    finally:
        voxome.configure(largest_chunk_bytes=None)


def test_a_folder_of_another_program_accepts_a_sidecar_and_sections(tmp_path: Path) -> None:
    save_pngs(tmp_path / "s", noise((4, 20, 30), "uint8"))
    (tmp_path / "s" / "voxome.json").write_text(json.dumps({"voxel_size_nm": [50, 4, 4], "kind": "labels"}))
    source = ImagesRemote().open(uri_of(tmp_path / "s"), mode="r+")
    assert (source.spec.voxel_size_nm, source.spec.kind) == ((50, 4, 4), "labels")
    source.write(Box((1, 2, 3), (3, 4, 5)), np.ones((2, 2, 2), "uint8"))
    expected = noise((4, 20, 30), "uint8")
    expected[1:3, 2:4, 3:5] = 1
    assert_array_equal(loaded(tmp_path / "s" / "z1.png"), expected[1])
    assert_array_equal(read(tmp_path / "s"), expected)
    (tmp_path / "s" / "voxome.json").write_text("[")
    with pytest.raises(CorruptData, match=r"voxome\.json"):
        ImagesRemote().open(uri_of(tmp_path / "s"))


def test_a_negative_start_is_stored(tmp_path: Path) -> None:
    spec = VolumeSpec.of((4, 20, 30), "uint8", start=(-2, 5, 0))
    source = ImagesRemote().create(uri_of(tmp_path / "s"), spec)
    source.write(spec.domain, array := noise((4, 20, 30), "uint8"))
    again = ImagesRemote().open(uri_of(tmp_path / "s"))
    assert again.spec.domain == spec.domain
    assert_array_equal(again.read(Box((-2, 6, 1), (0, 9, 3))), array[:2, 1:4, 1:3])


def test_jpegs_are_read_only(tmp_path: Path) -> None:
    save_pngs(tmp_path / "s", np.full((2, 16, 16), 90, "uint8"), "z{}.jpg")
    assert (read(tmp_path / "s") == 90).all()
    with pytest.raises(UnsupportedFormat, match="is read only"):
        ImagesRemote().open(uri_of(tmp_path / "s"), mode="r+")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"encoding": {"format": "jpeg"}}, InvalidInput, "png, tiff"),
        ({"encoding": {"quality": 3}}, InvalidInput, "quality"),
        ({"dtype": np.dtype("int32"), "encoding": {"format": "png"}}, UnsupportedFormat, "uint16"),
        ({"dtype": np.dtype("complex64")}, UnsupportedFormat, "complex"),
        ({"axes": ("t", "y", "x")}, UnsupportedFormat, "t/y/x"),
    ],
)
def test_unsupported_stacks_are_not_created(
    tmp_path: Path, changes: dict[str, Any], error: type[VoxomeError], message: str
) -> None:
    with pytest.raises(error, match=message):
        ImagesRemote().create(uri_of(tmp_path / "s"), VolumeSpec.of((4, 20, 30), "uint8").replace(**changes))
    assert not (tmp_path / "s").exists()


def test_paths_where_nothing_can_be_created(tmp_path: Path) -> None:
    with pytest.raises(InvalidUri, match="folder of sections"):
        ImagesRemote().create(uri_of(tmp_path / "s.tif"), VolumeSpec.of((4, 20, 30), "uint8"))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AlreadyExists):
        ImagesRemote().create(uri_of(tmp_path), VolumeSpec.of((4, 20, 30), "uint8"))
    save_pngs(tmp_path, noise((2, 5, 6), "uint8"))
    ImagesRemote().delete(uri_of(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# Files


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_damaged_files_are_reported(tmp_path: Path, name: str) -> None:
    Image.fromarray(noise((64, 64), "uint8")).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for left in (9, len(whole) // 2, len(whole) - 30):
        (tmp_path / name).write_bytes(whole[:left])
        with pytest.raises(CorruptData, match=name):
            read(tmp_path / name)
    (tmp_path / name).write_text("no image")
    assert not ImagesRemote().recognises(tmp_path / name)
    with pytest.raises(UnsupportedFormat, match="not a PNG"):
        read(tmp_path / name)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"imagej": True}, {"tile": (16, 16)}])
@pytest.mark.parametrize("left", [0.3, 0.6, 0.9])
def test_a_truncated_stack_is_corrupt(tmp_path: Path, options: dict[str, Any], left: float) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((10, 50, 60), "uint8"), photometric="minisblack", **options)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: int(len(whole) * left)])
    with pytest.raises(CorruptData, match=r"a\.tif"):
        read(tmp_path / "a.tif")


def test_pages_of_different_shapes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for shape in [(20, 30), (20, 31)]:
            tiff.write(noise(shape, "uint8"), photometric="minisblack")
    with pytest.raises(UnsupportedFormat, match=r"\(20, 30\).*\(20, 31\)"):
        ImagesRemote().open(uri_of(tmp_path / "a.tif"))


def test_planar_colours(tmp_path: Path) -> None:
    array = noise((3, 20, 30), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", planarconfig="separate")
    assert ImagesRemote().open(uri_of(tmp_path / "a.tif")).spec.axes == ("c", "y", "x")
    assert_array_equal(read(tmp_path / "a.tif"), array)


def test_a_single_file_is_read_only(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((4, 20, 30), "uint8"), photometric="minisblack")
    with pytest.raises(UnsupportedFormat, match="folders"):
        ImagesRemote().open(uri_of(tmp_path / "a.tif"), mode="r+")
    with pytest.raises(ReadOnly):
        ImagesRemote().open(uri_of(tmp_path / "a.tif")).write(WHOLE, np.zeros(WHOLE.shape, "uint8"))


# Files of others


def test_fixtures(shared: Path) -> None:
    folder = shared / "formats" / "images_tensorstore"
    colours = ("c", "y", "x")
    for file in sorted(folder.rglob("*.*")):
        source = ImagesRemote().open(uri_of(file))
        array, spec = source.read(source.spec.domain), source.spec
        assert spec.dtype == ("uint16" if "16b" in file.name else "bool" if "01b" in file.name else "uint8"), file
        grey = "grey" in file.name or "01b" in file.name
        axes = ("c", "z", "y", "x") if "3page" in file.name else ("y", "x") if grey else colours
        assert spec.axes == axes, file
        assert spec.voxel_size_nm is None
        if file.suffix == ".tiff":
            expected = tifffile.imread(file)
        elif "16b.png" in file.name:
            expected = tifffile.imread(folder / "tiff" / "D75_16b.tiff")  # Pillow halves its depth
        else:
            expected = loaded(file)
        assert_array_equal(array, expected if grey else np.moveaxis(expected, -1, 0), str(file))


@pytest.mark.slow
def test_real_stacks(shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    for folder, shape in [
        ("isbi2012/train/image", (30, 512, 512)),
        ("isbi2012/test/image", (30, 512, 512)),
        ("isbi2012/train/label", (20, 512, 512)),
        ("vnc/raw", (20, 1024, 1024)),
        ("vnc/labels", (12, 1024, 1024)),
        ("vnc/mitochondria", (12, 1024, 1024)),
        ("vnc/membranes", (12, 1024, 1024)),
        ("vnc/synapses", (12, 1024, 1024)),
    ]:
        assert ImagesRemote().recognises(data / folder)
        source = ImagesRemote().open(uri_of(data / folder))
        modes = {loaded(file).dtype for file in (data / folder).iterdir()}
        binary = modes == {np.dtype(bool)}
        assert (source.spec.domain.shape, source.spec.dtype.name) == (shape, "bool" if binary else "uint8")
        file = sorted((data / folder).iterdir())[7]
        section = source.read(Box((7, 0, 0), (8, *shape[1:])))[0]
        expected = loaded(file)
        assert_array_equal(section, expected if expected.dtype == section.dtype else expected * 255)
    for file in [*(data / "nuclei").glob("*.tif"), *(data / "gala" / "snemi-mini").glob("*.tif")]:
        assert_array_equal(read(file), tifffile.imread(file))
        assert ImagesRemote().open(uri_of(file)).spec.axes == (("y", "x") if "2d" in file.name else ("z", "y", "x"))
    unpack(data / "lightsheet" / "crop_planes.tar.xz", tmp_path)
    planes = ImagesRemote().open(uri_of(tmp_path / "crop_planes" / "ch0"))
    assert (planes.spec.domain.shape, planes.spec.dtype) == ((30, 510, 667), np.dtype("uint16"))
    first = sorted((tmp_path / "crop_planes" / "ch0").iterdir())[4]
    assert_array_equal(planes.read(Box((4, 0, 0), (5, 510, 667)))[0], tifffile.imread(first))


def test_one_picture_does_not_turn_a_folder_into_a_stack(tmp_path: Path) -> None:
    save_pngs(tmp_path / "lab", noise((2, 5, 6), "uint8"))
    assert ImagesRemote().recognises(tmp_path / "lab")
    (tmp_path / "lab" / ".DS_Store").write_bytes(b"hidden")
    assert ImagesRemote().recognises(tmp_path / "lab")
    np.save(tmp_path / "lab" / "array.npy", noise((4, 5, 6), "uint8"))
    assert not ImagesRemote().recognises(tmp_path / "lab")
    assert [info.uri.rpartition("/")[2] for info in voxome.ls(tmp_path / "lab")] == ["array.npy", "z0.png", "z1.png"]
    assert read(tmp_path / "lab").shape == (2, 5, 6)
