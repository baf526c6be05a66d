"""What programs write into images about them: descriptions of TIFF, XML beside images; its values are replaced."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import tifffile

import voxome
from fuzz.decoders import PROMISE
from fuzz.hdf5_files import write_bigdataviewer
from fuzz.mutation import mutate, mutate_values
from fuzz.refusals import refusing
from fuzz.stores import read_volume
from voxome.errors import VoxomeError

_SHAPE = (3, 8, 9)
_STRIPS = 273
"""Tag with the positions of strips; each image has one here."""
_LISTED = 0.1
"""Share of the inputs whose folder is listed, too."""
_NAMESPACE = b'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


class Metadata(NamedTuple):
    """Valid texts, a function that writes an image with one of them, and its URI; `is_text` if they are no bytes."""

    seeds: tuple[bytes, ...]
    write: Callable[[Path, bytes], None]
    uri: str = "images://{}/a.tif?series=0"
    is_text: bool = True


def _write_tiff(folder: Path, description: bytes, name: str = "a.tif") -> None:
    pixels = np.arange(np.prod(_SHAPE), dtype=np.uint16).reshape(_SHAPE)
    tifffile.imwrite(folder / name, pixels, description=description, metadata=None, photometric="minisblack")


def _ome(names: str = "a.tif") -> bytes:
    """Return OME-XML of one image, whose sections are in the files of these names."""
    data = b"".join(
        b'<TiffData FirstZ="%d" FirstC="0" FirstT="0" IFD="%d" PlaneCount="1"><UUID FileName="%s">urn:uuid:%d</UUID>'
        b'</TiffData><Plane TheZ="%d" TheC="0" TheT="0" PositionX="1.5" PositionXUnit="\xc2\xb5m"/>'
        % (z, z, names.encode(), 1, z)
        for z in range(3)
    )
    along = b'<ModuloAlongZ Type="lifetime" Start="0" End="2" Step="1"/>'
    return (
        b'<?xml version="1.0" encoding="UTF-8"?><OME %s UUID="urn:uuid:1"><Image ID="Image:0" Name="a"><Pixels '
        b'ID="P:0" DimensionOrder="XYZCT" Type="uint16" SizeX="9" SizeY="8" SizeZ="3" SizeC="1" SizeT="1" '
        b'PhysicalSizeX="8" PhysicalSizeXUnit="nm" PhysicalSizeY="8" PhysicalSizeYUnit="nm" PhysicalSizeZ="0.04" '
        b'BigEndian="false"><Channel ID="C:0" SamplesPerPixel="1"/>%s</Pixels></Image><StructuredAnnotations>'
        b'<XMLAnnotation ID="A:0" Namespace="openmicroscopy.org/omero/dimension/modulo"><Value>'
        b"<Modulo>%s</Modulo></Value></XMLAnnotation></StructuredAnnotations></OME>" % (_NAMESPACE, data, along)
    )


def _write_companion(folder: Path, xml: bytes) -> None:
    main = b'<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:2"/>'
    _write_tiff(folder, b'<?xml version="1.0"?><OME %s UUID="urn:uuid:1">%s</OME>' % (_NAMESPACE, main))
    (folder / "a.companion.ome").write_bytes(xml)


def _scn() -> bytes:
    dimensions = b"".join(
        b'<dimension sizeX="9" sizeY="8" r="0" c="0" z="%d" ifd="%d"/>' % (number, number) for number in range(3)
    )
    view = b'<view sizeX="9000" sizeY="8000" offsetX="0" offsetY="0"/>'
    image = b'<image><pixels sizeX="9" sizeY="8">%s</pixels>%s</image>' % (dimensions, view)
    return (
        b'<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection>%s'
        b"</collection></scn>" % image
    )


def _imagej_tags() -> bytes:
    """Return a file with all that ImageJ stores."""
    from io import BytesIO

    file, pixels = BytesIO(), np.zeros(_SHAPE, np.uint16)
    metadata = {
        "axes": "ZYX", "spacing": 0.04, "unit": "um", "Info": "a = b", "Labels": ["a", "b", "c"],
        "Ranges": (0.0, 9.0), "LUTs": [np.zeros((3, 256), np.uint8)], "Overlays": [b"Iout" + bytes(60)],
    }  # fmt: skip
    tifffile.imwrite(file, pixels, imagej=True, resolution=(125, 125), metadata=metadata)
    return file.getvalue()


def _micromanager() -> bytes:
    """Return a file of Micro-Manager: a summary and an index map before the directories."""
    from io import BytesIO

    file = BytesIO()
    tifffile.imwrite(
        file, np.zeros(_SHAPE, np.uint16), metadata=None, description=b"",
        extratags=[(51123, 2, 0, '{"Width": 9, "Height": 8, "PixelType": "GRAY16"}', True)],
    )  # fmt: skip
    tiff = bytearray(file.getvalue())
    sizes = {"Channels": 1, "Slices": 3, "Frames": 1, "Positions": 1, "Width": 9, "Height": 8}
    summary = json.dumps({"MicroManagerVersion": "1.4", **sizes}).encode()
    at = [page.offset for page in tifffile.TiffFile(BytesIO(tiff)).pages]
    head = struct.pack("<8I", 54773648, 0, 483765892, 0, 99384722, 0, 2355492, len(summary)) + summary
    return bytes(_with_block(tiff, head, at))


def _with_block(tiff: bytearray, head: bytes, directories: list[int]) -> bytearray:
    """Return a TIFF file of little endian with a block behind its header, and the index map at its end."""
    moved = bytearray(tiff)
    shift = len(head) + len(head) % 2
    for at in directories:
        count = int.from_bytes(moved[at : at + 2], "little")
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            code, kind, number, value = struct.unpack_from("<HHII", moved, entry)
            size = number * {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}.get(kind, 8)
            if (code == 273 and size <= 4) or size > 4:
                struct.pack_into("<I", moved, entry + 8, value + shift)
        following = at + 2 + 12 * count
        (after,) = struct.unpack_from("<I", moved, following)
        struct.pack_into("<I", moved, following, after + shift if after else 0)
    struct.pack_into("<I", moved, 4, directories[0] + shift)
    out = moved[:8] + head + bytes(len(head) % 2) + moved[8:]
    rows = b"".join(struct.pack("<5I", 0, z, 0, 0, at + shift) for z, at in enumerate(directories))
    struct.pack_into("<I", out, 12, len(out))
    return out + struct.pack("<II", 3453623, len(directories)) + rows


def _bigdataviewer() -> bytes:
    setups = b"".join(
        b"<ViewSetup><id>%d</id><size>9 8 3</size><voxelSize><unit>um</unit><size>0.1 0.2 0.5</size></voxelSize>"
        b"</ViewSetup>" % number
        for number in range(2)
    )
    return b'<?xml version="1.0"?><SpimData version="0.2"><ViewSetups>%s</ViewSetups></SpimData>' % setups


def _write_bytes(folder: Path, data: bytes) -> None:
    (folder / "a.tif").write_bytes(data)


def _write_xml(folder: Path, data: bytes) -> None:
    if not (folder / "a.h5").exists():
        write_bigdataviewer(folder / "a.h5")
    (folder / "a.xml").write_bytes(data)


_IMAGEJ = (
    b"ImageJ=1.53t\nimages=3\nslices=3\nunit=micron\nspacing=0.04\nloop=false\nmin=0.0\nmax=9.0\nhyperstack=true\n"
)
_SHAPED = b'{"shape": [3, 8, 9], "axes": "ZYX", "spacing": 0.04, "unit": "um"}'

IMAGE_METADATA: Mapping[str, Callable[[], Metadata]] = {
    "companions of OME-TIFF": lambda: Metadata((_ome(),), _write_companion),
    "descriptions of TIFF": lambda: Metadata((_IMAGEJ, _SHAPED, _scn()), _write_tiff),
    "files of ImageJ": lambda: Metadata((_imagej_tags(),), _write_bytes, is_text=False),
    "files of Micro-Manager": lambda: Metadata((_micromanager(),), _write_bytes, is_text=False),
    "OME-XML": lambda: Metadata((_ome(), _ome("b.tif")), _write_tiff),
    "XML of BigDataViewer": lambda: Metadata((_bigdataviewer(),), _write_xml, "hdf5://{}/a.h5/t00000/s00/1/cells"),
}


def metadata_attempts(metadata: Metadata, folder: Path) -> Callable[[Random], None]:
    """Return a function that damages a text, writes an image with it, and reads that."""
    uri = metadata.uri.format(folder)
    _write_tiff(folder, b"", "b.tif")
    for seed in metadata.seeds:
        metadata.write(folder, seed)
        read_volume(uri)
    voxome.ls(folder)

    def read() -> None:
        volume = voxome.open(uri, expect=voxome.Volume)
        if math.prod(volume.shape) * volume.dtype.itemsize <= PROMISE:
            read_volume(uri)

    def attempt(random: Random) -> None:
        if metadata.is_text and random.random() < 0.7:
            data = mutate_values(random, random.choice(metadata.seeds))
        else:
            data = mutate(random, metadata.seeds, 8)
        metadata.write(folder, data)
        with refusing((VoxomeError,)):
            read()
        if random.random() < _LISTED:
            voxome.ls(folder)

    return attempt
