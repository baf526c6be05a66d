"""Formats of mesh files by suffix; all but GLB, which is in metres, have vertices x, y, z in nm.

Vertices stay in the frame of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from voxome.contracts.shapes import Mesh
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.remotes.mesh_files.draco import decode_draco
from voxome.remotes.mesh_files.glb import decode_glb, encode_glb
from voxome.remotes.mesh_files.ngmesh import decode_ngmesh, encode_ngmesh
from voxome.remotes.mesh_files.obj import decode_obj, encode_obj
from voxome.remotes.mesh_files.ply import decode_ply, encode_ply
from voxome.remotes.mesh_files.stl import decode_stl, encode_stl


@dataclass(frozen=True)
class MeshFormat:
    """A format of mesh files.

    Attributes
    ----------
    decode : function of bytes
        Returns the mesh.
    encode : function of a mesh, or None
        Returns the bytes; None if voxome does not write the format.
    """

    decode: Callable[[bytes], Mesh]
    encode: Callable[[Mesh], bytes] | None = None


FORMATS: Mapping[str, MeshFormat] = {
    ".ngmesh": MeshFormat(decode_ngmesh, encode_ngmesh),
    ".obj": MeshFormat(decode_obj, encode_obj),
    ".drc": MeshFormat(decode_draco),
    ".ply": MeshFormat(decode_ply, encode_ply),
    ".stl": MeshFormat(decode_stl, encode_stl),
    ".glb": MeshFormat(decode_glb, encode_glb),
}
"""Suffix of the file name → format."""

WRITTEN = tuple(suffix for suffix, format in FORMATS.items() if format.encode is not None)
"""Suffixes of the formats that voxome writes."""

_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, struct.error, InvalidInput)
"""Errors that damaged data cause."""


def decode_mesh(name: str, data: bytes) -> Mesh:
    """Decode a mesh file; the format follows from the suffix of its name.

    Raises
    ------
    UnsupportedFormat
        If the suffix is unknown, or voxome does not read what is in the file.
    CorruptData
        If the file cannot be decoded.
    """
    format = FORMATS.get(PurePosixPath(name).suffix.lower())
    if format is None:
        raise UnsupportedFormat(f"{name} is not a known mesh format; supported suffixes: {', '.join(FORMATS)}")
    try:
        return format.decode(data)
    except UnsupportedFormat as error:
        raise UnsupportedFormat(f"{name}: {error}") from error
    except _DAMAGE as error:
        raise CorruptData(f"{name}: cannot decode its {len(data)} bytes as a mesh: {error}") from error


def encode_mesh(name: str, mesh: Mesh) -> bytes:
    """Encode a mesh for a file; the format follows from the suffix of its name.

    Raises
    ------
    UnsupportedFormat
        If voxome does not write such files.
    """
    format = FORMATS.get(PurePosixPath(name).suffix.lower())
    if format is None or format.encode is None:
        raise UnsupportedFormat(f"{name} is not a mesh format that voxome writes; use {', '.join(WRITTEN)}")
    return format.encode(mesh)
