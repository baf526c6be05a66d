"""OME-TIFF sets, files of several series, their names and their voxel sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome.errors import CorruptData, InvalidUri, NotFound, OutOfMemory, UnsupportedFormat
from voxome.remotes.tiff_files import reading
from voxome.storage import bounded_file
from voxome.testing.strategies import noise

NAMESPACE = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def xml_of(shape: tuple[int, int, int], inner: str = "<TiffData/>", attributes: str = "", root: str = "") -> str:
    z, y, x = shape
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME {NAMESPACE} {root}><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="1" SizeT="1" {attributes}>'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{inner}</Pixels></Image></OME>'
    )


def plane(z: int, file: str) -> str:
    return (
        f'<TiffData FirstZ="{z}" FirstC="0" FirstT="0" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{file}">urn:uuid:0000000{z}</UUID></TiffData>'
    )


@pytest.fixture
def array() -> NDArray[np.uint16]:
    array = noise((5, 40, 50), "uint16")
    array[0] = 0
    return array


def write_set(folder: Path, array: NDArray[np.uint16]) -> list[Path]:
    """Write one file for each section; each describes the whole set. The first is the smallest, as it is dark."""
    files = [folder / f"z{z}.ome.tif" for z in range(len(array))]
    inner = "".join(plane(z, file.name) for z, file in enumerate(files))
    for z, file in enumerate(files):
        xml = xml_of(array.shape, inner, root=f'UUID="urn:uuid:0000000{z}"')
        tifffile.imwrite(file, array[z], description=xml, metadata=None, compression="zlib")
    return files


@pytest.mark.parametrize("number", [0, 1, 4])
def test_a_set_is_opened_from_any_of_its_files(tmp_path: Path, array: NDArray[np.uint16], number: int) -> None:
    files = write_set(tmp_path, array)
    assert_array_equal(voxome.open(files[number])[...], array)


def test_a_set_or_a_series_is_not_deleted_as_if_it_were_a_file(tmp_path: Path, array: NDArray[np.uint16]) -> None:
    files = write_set(tmp_path, array)
    tifffile.imwrite(tmp_path / "one.tif", array)
    for uri in (files[0], f"{tmp_path / 'one.tif'}?series=0"):
        with pytest.raises(InvalidUri, match="yourself"):
            voxome.rm(uri)
    assert len(list(tmp_path.iterdir())) == len(files) + 1
    voxome.rm(tmp_path / "one.tif")
    assert sorted(tmp_path.iterdir()) == files


def test_a_set_with_a_missing_or_a_cut_file_is_damaged(tmp_path: Path, array: NDArray[np.uint16]) -> None:
    files = write_set(tmp_path, array)
    content = files[3].read_bytes()
    files[3].write_bytes(content[:-300])
    with pytest.raises(CorruptData):
        voxome.open(files[0])[...]
    files[3].unlink()
    with pytest.raises(CorruptData, match="lacks page 3"):
        voxome.open(files[0])[...]


@pytest.mark.parametrize("main", ["set.companion.ome", "z0.ome.tif"])
def test_a_file_that_refers_to_the_metadata_of_a_set_gives_the_set(
    tmp_path: Path, array: NDArray[np.uint16], main: str
) -> None:
    files = write_set(tmp_path, array)
    inner = "".join(plane(z, file.name) for z, file in enumerate(files))
    (tmp_path / "set.companion.ome").write_text(xml_of(array.shape, inner, root='UUID="urn:uuid:companion"'))
    xml = f'<OME {NAMESPACE} UUID="urn:uuid:00000002"><BinaryOnly MetadataFile="{main}" UUID="urn:uuid:0"/></OME>'
    tifffile.imwrite(files[2], array[2], description=xml, metadata=None, compression="zlib")
    assert_array_equal(voxome.open(files[2])[...], array)
    (tmp_path / main).unlink()
    with pytest.raises(NotFound, match=main):
        voxome.open(files[2])


@pytest.mark.parametrize("name", ["../a.tif", "/etc/a.tif"])
def test_files_outside_the_folder_of_a_set_are_refused(tmp_path: Path, array: NDArray[np.uint16], name: str) -> None:
    xml = xml_of(array.shape, plane(0, "z0.ome.tif") + plane(1, name), root='UUID="urn:uuid:00000000"')
    tifffile.imwrite(tmp_path / "z0.ome.tif", array[0], description=xml, metadata=None)
    with pytest.raises(UnsupportedFormat, match="outside its folder"):
        voxome.open(tmp_path / "z0.ome.tif")


@pytest.mark.parametrize("planes", [10**8, 10**18])
def test_ome_xml_with_more_sections_than_memory_is_damage(tmp_path: Path, planes: int) -> None:
    array = noise((2, 8, 9), "uint16")
    tifffile.imwrite(tmp_path / "a.ome.tif", array, description=xml_of((planes, 8, 9)), metadata=None)
    with pytest.raises(CorruptData, match="sections"):
        voxome.open(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("text", ["a & b", "5 \x01 µm", "&nothing &amp; R&D;"])
def test_ome_xml_that_is_not_well_formed_keeps_its_voxels(tmp_path: Path, text: str) -> None:
    array, path = noise((5, 8, 9), "uint16"), tmp_path / "a.ome.tif"
    sizes = "".join(f'PhysicalSize{axis}="0.5" ' for axis in "XYZ")
    xml = xml_of(array.shape, attributes=sizes).replace("<Image ", f"<Description>{text}</Description><Image ", 1)
    tifffile.imwrite(path, array, description=xml.encode(), metadata=None)
    volume = voxome.open(path)
    assert_array_equal(volume[...], array)
    assert ";" in text or volume.voxel_size_nm == (500, 500, 500)


@pytest.mark.parametrize(
    ("x", "z", "expected"),
    [
        ("0,004", "0,04", (40.0, 4.0, 4.0)),
        ("0.004", "0.04", (40.0, 4.0, 4.0)),
        ("NaN", "NaN", None),
        ("INF", "0.04", None),
        ("-1", "0.04", None),
        ("", "0.04", None),
        ("4 nm", "0.04", None),
    ],
)
def test_odd_voxel_sizes(tmp_path: Path, x: str, z: str, expected: tuple[float, float, float] | None) -> None:
    sizes = f'PhysicalSizeX="{x}" PhysicalSizeY="{x}" PhysicalSizeZ="{z}"'
    array = noise((5, 8, 9), "uint16")
    description = xml_of(array.shape, attributes=sizes)
    tifffile.imwrite(tmp_path / "a.ome.tif", array, description=description, metadata=None)
    assert voxome.open(tmp_path / "a.ome.tif").voxel_size_nm == expected


def test_each_series_of_a_file_is_listed_and_opened(tmp_path: Path) -> None:
    path, arrays = tmp_path / "a.ome.tif", [noise((5, 8, 9), "uint16"), noise((2, 4, 6), "uint8")]
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for length, one in zip((0.5, 0.25), arrays, strict=True):
            sizes = {f"PhysicalSize{axis}": length for axis in "XYZ"}
            tiff.write(one, photometric="minisblack", metadata={"axes": "ZYX", **sizes})
    with pytest.raises(UnsupportedFormat, match=r"\?series=0"):
        voxome.open(path)
    assert [info.uri for info in voxome.ls(path)] == [f"images://{path}?series={n}" for n in (0, 1)]
    for number, one in enumerate(arrays):
        volume = voxome.open(f"{path}?series={number}")
        assert_array_equal(volume[...], one)
        assert volume.voxel_size_nm == ((500,) * 3, (250,) * 3)[number]
    with pytest.raises(NotFound, match="its series are 0 to 1"):
        voxome.open(f"{path}?series=2")
    with pytest.raises(InvalidUri, match="series"):
        voxome.open(f"{path}?series=first")


@pytest.mark.parametrize("name", ["a.btf", "a.tf8", "a.lsm", "a", "a.dat"])
def test_a_file_is_recognised_by_its_content(tmp_path: Path, name: str) -> None:
    array = noise((5, 8, 9), "uint16")
    tifffile.imwrite(tmp_path / name, array, bigtiff=name != "a.dat", photometric="minisblack")
    assert_array_equal(voxome.open(tmp_path / name)[...], array)
    assert [info.uri for info in voxome.ls(tmp_path)] == [f"images://{tmp_path / name}"]


@pytest.mark.parametrize("compression", ["jpegxr", "lerc", "png"])
@pytest.mark.parametrize("uri", ["images://{}/a.tif", "images://{}"])
def test_compressions_whose_damage_can_end_the_process_are_refused_by_name(
    tmp_path: Path, compression: str, uri: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((40, 50), "uint8"), compression=compression)
    with pytest.raises(
        UnsupportedFormat, match=f"is compressed with {compression.upper()}, which voxome does not read"
    ):
        voxome.open(uri.format(tmp_path))


@pytest.mark.parametrize("compression", ["zlib", "zstd", "lzw", "packbits", "lzma", "jpeg2000", "jpegxl"])
def test_compressions_that_are_read(tmp_path: Path, compression: str) -> None:
    section = noise((40, 50), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", section, compression=compression)
    assert_array_equal(voxome.open(tmp_path / "a.tif")[...], section)


def test_without_a_tag_of_compression_there_is_none(tmp_path: Path) -> None:
    file, section = tmp_path / "a.tif", noise((40, 50), "uint8")
    tifffile.imwrite(file, section, metadata=None)
    with tifffile.TiffFile(file) as tiff:
        at = tiff.pages[0].tags["Compression"].offset
    content = bytearray(file.read_bytes())
    content[at : at + 2] = (65000).to_bytes(2, "little")  # a private tag
    file.write_bytes(content)
    assert_array_equal(voxome.open(file)[...], section)


def test_a_lack_of_memory_is_no_damage(tmp_path: Path) -> None:
    with (
        pytest.raises(OutOfMemory, match=r"a\.tif cannot be decoded: the memory has no room"),
        reading(tmp_path / "a.tif"),
    ):
        raise MemoryError


@pytest.mark.parametrize("companion", [False, True])
def test_ome_xml_of_an_image_with_many_times_the_pixels_of_a_page_is_damage(tmp_path: Path, companion: bool) -> None:
    array, xml = noise((2, 8, 9), "uint16"), xml_of((2, 888_888_888, 9))
    if companion:
        (tmp_path / "a.companion.ome").write_text(xml)
        xml = f'<OME {NAMESPACE}><BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:0"/></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", array, description=xml, metadata=None)
    with pytest.raises(CorruptData, match="describes an image of 222,222,222 times the pixels of its smallest page"):
        voxome.open(tmp_path / "a.ome.tif")


def test_an_empty_file_of_a_large_set_is_damage(tmp_path: Path) -> None:
    inner = plane(0, "a.ome.tif") + plane(1, "z1.ome.tif")
    xml = xml_of((2, 888_888_888, 9), inner, root='UUID="urn:uuid:00000000"')
    tifffile.imwrite(tmp_path / "a.ome.tif", noise((8, 9), "uint16"), description=xml, metadata=None)
    (tmp_path / "z1.ome.tif").touch()
    with pytest.raises(CorruptData, match=r"z1\.ome\.tif is truncated: it ends after 0 bytes"):
        voxome.open(tmp_path / "a.ome.tif")


def test_a_companion_file_is_read_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xml = f'<OME {NAMESPACE}><BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:0"/></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", noise((2, 8, 9), "uint16"), description=xml, metadata=None)
    (tmp_path / "a.companion.ome").write_text(xml_of((2, 8, 9)) + 2000 * " ")
    assert voxome.open(tmp_path / "a.ome.tif").shape == (2, 8, 9)
    monkeypatch.setattr(bounded_file, "MOST_DOCUMENT_BYTES", 2000)
    with pytest.raises(CorruptData, match=r"a\.companion\.ome has more than 2,000 bytes"):
        voxome.open(tmp_path / "a.ome.tif")


def test_a_first_page_that_is_missing_in_ome_xml_is_named(tmp_path: Path) -> None:
    inner = '<TiffData FirstZ="1" FirstC="0" FirstT="0" IFD="1" PlaneCount="1"/>'
    tifffile.imwrite(
        tmp_path / "a.tif", noise((2, 8, 9), "uint16"), description=xml_of((2, 8, 9), inner), metadata=None
    )
    volume = voxome.open(tmp_path / "a.tif")
    with pytest.raises(CorruptData, match="lacks page 0"):
        volume[...]


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200])
def test_names_in_ome_xml_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    xml = xml_of((2, 8, 9), plane(0, name), root='UUID="urn:uuid:00000009"')
    tifffile.imwrite(tmp_path / "a.tif", noise((2, 8, 9), "uint16"), description=xml.encode(), metadata=None)
    with pytest.raises(UnsupportedFormat, match="which cannot be the name of a file"):
        voxome.open(tmp_path / "a.tif")


def test_descriptions_of_imagej_have_whole_numbers(tmp_path: Path) -> None:
    text = "ImageJ=1.53t\nimages=3\nslices=3.0\nhyperstack=true\n"
    tifffile.imwrite(
        tmp_path / "a.tif", noise((3, 8, 9), "uint16"), description=text, metadata=None, photometric="minisblack"
    )
    with pytest.raises(CorruptData, match=r"has the shape \(3.0, 8, 9\) by its description"):
        voxome.open(tmp_path / "a.tif")
