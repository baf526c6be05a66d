"""Descriptions of TIFF files that name files elsewhere, or sections without a number."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

import voxome
from voxome.errors import CorruptData, UnsupportedFormat, VoxomeError

_SECTION = np.zeros((4, 5), np.uint8)
_OME = (
    '<OME UUID="urn:uuid:0"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="5" '
    'SizeY="4" SizeZ="1" SizeC="1" SizeT="1"><TiffData IFD="0" PlaneCount="1"/></Pixels></Image></OME>'
)
_ANNOTATION = (
    '<StructuredAnnotations><XMLAnnotation ID="A" Namespace="modulo"><Value><Modulo>'
    '<ModuloAlongZ Start="0" End="1e9" Step="1"/></Modulo></Value></XMLAnnotation></StructuredAnnotations>'
)


def open_with(path: Path, description: str) -> VoxomeError:
    """Return the error with which a file of one section with this description is refused."""
    tifffile.imwrite(path, _SECTION, description=description, metadata=None)
    with pytest.raises(VoxomeError) as caught:
        voxome.open(path)
    return caught.value


@pytest.mark.parametrize(
    "description",
    [
        _OME.replace('SizeZ="1"', 'SizeZ="1_000_000_000"'),
        _OME.replace('SizeZ="1"', 'SizeZ="+1000000000"').replace("Pixels", "XPixels"),
        _OME.replace('PlaneCount="1"', 'PlaneCount="1000000000"'),
        _OME.replace('PlaneCount="1"', f'PlaneCount="{"9" * 4000}"'),
        _OME.replace("<Image", f"{_ANNOTATION}<Image"),
    ],
    ids=["size", "name", "count", "digits", "annotation"],
)
def test_ome_xml_with_too_many_sections_is_damage(tmp_path: Path, description: str) -> None:
    error = open_with(tmp_path / "a.tif", description)
    assert isinstance(error, CorruptData)
    assert "the OME-XML of" in str(error)
    assert "more than 1,048,576 sections" in str(error)


def test_an_image_of_leica_with_too_many_sections_is_damage(tmp_path: Path) -> None:
    dimension = '<dimension r="0" ifd="0" c="0" z="1000000000"/>'
    scn = f"<scn><collection><image><pixels>{dimension}</pixels></image></collection></scn>"
    assert "more than 1,048,576 sections" in str(open_with(tmp_path / "a.tif", scn))


def test_references_count_by_the_end_of_their_name(tmp_path: Path) -> None:
    inner = '<TiffData IFD="0" PlaneCount="1"><XUUID FileName="../b.tif">urn:uuid:1</XUUID></TiffData>'
    error = open_with(tmp_path / "a.tif", _OME.replace('<TiffData IFD="0" PlaneCount="1"/>', inner))
    assert isinstance(error, UnsupportedFormat)
    assert "../b.tif, outside its folder" in str(error)


def write_micro_manager(path: Path, header: bytes, last_time: int = 1) -> None:
    """Write a file of one section, with this header of Micro-Manager and an index of two times."""
    summary = json.dumps({"Frames": 2, "MicroManagerVersion": "1.4"}).encode()
    index, tags, values = 40 + len(summary), 200, 400
    fields = [
        (256, 4, 1, 5), (257, 4, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, values + 8),
        (277, 3, 1, 1), (278, 4, 1, 4), (279, 4, 1, 20), (51123, 2, 8, values),
    ]  # fmt: skip
    start = struct.pack("<8I", 54773648, index, 483765892, 0, 99384722, 0, 2355492, len(summary))
    data = bytearray(values + 8 + 20)
    data[:40] = b"II*\0" + struct.pack("<I", tags) + header + start[len(header) :]
    data[40 : index + 48] = summary + struct.pack("<12I", 3453623, 2, 0, 0, 0, 0, tags, 0, 0, last_time, 0, tags)
    data[tags : tags + 6 + 12 * len(fields)] = (
        struct.pack("<H", len(fields)) + b"".join(struct.pack("<2H2I", *one) for one in fields) + bytes(4)
    )
    data[values : values + 8] = b'{"a":1}\0'
    path.write_bytes(data)


def test_an_index_of_micro_manager_with_too_many_sections_is_damage(tmp_path: Path) -> None:
    write_micro_manager(tmp_path / "a.tif", b"")
    assert voxome.open(tmp_path / "a.tif").shape == (2, 4, 5)
    write_micro_manager(tmp_path / "a.tif", b"", last_time=10**9)
    with pytest.raises(CorruptData, match=r"index map .* more than 1,048,576 sections"):
        voxome.open(tmp_path / "a.tif")


def test_the_index_of_ndtiff_names_files_beside_it_only(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "b.tif", np.ones((9, 4, 5), np.uint8), metadata=None)
    (tmp_path / "in").mkdir()
    write_micro_manager(tmp_path / "in/a.tif", struct.pack("<4I", 483729, 2, 2355492, 2) + b"{}")

    def entry(z: int) -> bytes:
        axes, name = json.dumps({"z": z}).encode(), b"../b.tif"
        sizes = struct.pack("<I", len(axes)) + axes + struct.pack("<I", len(name)) + name
        return sizes + struct.pack("<IiiiiIii", 100, 5, 4, 0, 0, 0, 0, 0)

    (tmp_path / "in/NDTiff.index").write_bytes(entry(0) + entry(1))
    with pytest.raises(UnsupportedFormat, match=r"\.\./b\.tif, outside its folder"):
        voxome.open(tmp_path / "in/a.tif")
