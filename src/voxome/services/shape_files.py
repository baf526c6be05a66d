"""Single files of meshes and skeletons."""

from __future__ import annotations

from pathlib import PurePosixPath

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_flags
from voxome.contracts.shape_files import UNITS, SupportsShapeFiles
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.contracts.uri import Location, location_text
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnsupportedFormat, describe_value
from voxome.resources.recognition import remotes_with
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath


@explain_calls
def save(shape: Mesh | Skeleton, path: Location, *, overwrite: bool = False) -> None:
    """Write a mesh or a skeleton to a file, in the format of its suffix.

    Positions are x, y, z in nm from the corner of voxel 0; in GLB, which is in metres, a node has that scale.

    Parameters
    ----------
    shape : Mesh or Skeleton
        What to write.
    path : str or path
        A mesh ends in .obj, .ply, .stl, .glb or .ngmesh, a skeleton in .swc.
    overwrite : bool
        Whether a file that exists is replaced.

    Raises
    ------
    AlreadyExists
        If the file exists, unless `overwrite`.
    UnsupportedFormat
        If voxome does not write such files.

    Examples
    --------
    >>> import tempfile, voxome
    >>> mesh = voxome.Mesh([[0, 0, 0], [0, 0, 8], [0, 8, 0], [8, 0, 0]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     voxome.save(mesh, f"{folder}/corner.ply")
    ...     voxome.load(f"{folder}/corner.ply").faces.shape
    (4, 3)
    """
    require_flags(overwrite=overwrite)
    if not isinstance(shape, Mesh | Skeleton):
        raise InvalidInput(f"{describe_value(shape)} cannot be saved as a file; expected a Mesh or a Skeleton")
    file = storage_at(location_text(path), writing=True)
    data = _format_of(file).encode_file(file.name, shape)
    if not overwrite and file.exists():
        raise AlreadyExists(f"{file} already exists; choose another path, or overwrite it (overwrite=True)")
    file.write_bytes(data)


@explain_calls
def load(path: Location, *, unit: str | None = None) -> Mesh | Skeleton:
    """Read a mesh or a skeleton from a file, in the format of its suffix.

    Parameters
    ----------
    path : str or path
        A file that ends in .obj, .ply, .stl, .glb, .drc or .ngmesh, or in .swc.
    unit : {"nm", "um", "mm"}, optional
        Unit of an SWC file; the one in its header if None.

    Returns
    -------
    Mesh or Skeleton

    Raises
    ------
    NotFound
        If the file does not exist.
    UnsupportedFormat
        If voxome does not read such files.
    CorruptData
        If it cannot be decoded.
    InvalidInput
        If the unit of an SWC file is unknown, or one is given for a mesh.
    """
    if unit is not None and unit not in UNITS:
        raise InvalidInput(f"unit is {describe_value(unit)}; expected {', '.join(UNITS)}")
    file = storage_at(location_text(path))
    format = _format_of(file)
    data = file.read_bytes()
    if data is None:
        raise NotFound(f"the file {file} does not exist")
    return format.decode_file(str(file), data, unit)


def _format_of(file: StoragePath) -> SupportsShapeFiles:
    """Return the remote of files of this suffix.

    Raises
    ------
    UnsupportedFormat
        If there is none.
    """
    suffix = PurePosixPath(file.name).suffix.lower()
    known: list[str] = []
    for _, store in remotes_with(SupportsShapeFiles):
        if suffix in store.file_suffixes:
            return store
        known += store.file_suffixes
    raise UnsupportedFormat(f"{file} is not a known format of meshes or skeletons; expected {', '.join(known)}")
