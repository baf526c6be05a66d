"""Export of volumes to file formats of other programs: NumPy, HDF5, TIFF, PNG, zarr, N5 and NIfTI."""

from __future__ import annotations

import gzip
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.config.machine import disk_at
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, StoreError, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.axes import default_axes
from voxome.geometry.notation import comma_text
from voxome.services.blockwise_copy import ProgressCallback, copy, resolve_box, silent, slabs
from voxome.services.overwrite import replacement
from voxome.services.rollback import created_or_removed
from voxome.storage.atomic import replacing
from voxome.storage.temporary_names import remove_abandoned

Writer = Callable[[VolumeSource, Box, str, ProgressCallback], None]

_OME_DTYPES = {"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"}
"""Data types that OME-TIFF supports."""
_LOG = logging.getLogger(__name__)
_ALL = frozenset({"voxel size", "offset", "start", "attributes", "axes", "kind"})
_SIZED_OFFSET = (".nii", ".nii.gz")
"""Formats that store an offset only together with a voxel size."""
_KEPT: dict[str, frozenset[str]] = {
    ".npy": frozenset(),
    ".png": frozenset(),
    ".h5": _ALL - {"start"},
    ".hdf5": _ALL - {"start"},
    ".tif": frozenset({"voxel size", "axes"}),
    ".tiff": frozenset({"voxel size", "axes"}),
    ".nii": frozenset({"voxel size", "offset", "axes", "labels"}),
    ".nii.gz": frozenset({"voxel size", "offset", "axes", "labels"}),
}
"""Suffix → metadata that its files hold; all for the others."""
_UNCOMPRESSED = (".npy", ".h5", ".hdf5", ".nii", ".nii.gz")
"""Formats whose files have the size of their voxels, at least while they are written."""
_CLASSIC_TIFF_BYTES = 4_000_000_000
"""Size above which a file is written as BigTIFF."""


def export(
    source: VolumeSource,
    box: Box | str | None,
    out: str,
    progress: ProgressCallback = silent,
    *,
    overwrite: bool = False,
) -> None:
    """Write a volume to a file or folder, in the format given by its suffix.

    Memory holds a few blocks, or image sections, at a time. What the format cannot store is logged as a warning.

    Parameters
    ----------
    source : VolumeSource
        Volume to read.
    box : Box, str or None
        Part to export, in the coordinates of `source`, along z, y, x or all its axes; everything if None.
    out : str
        ``FILE.npy``, ``FILE.h5[/DATASET]``, ``FILE.tif``, ``FILE.png`` (one section), ``FOLDER/`` (PNG sections),
        ``FOLDER.zarr``, ``FOLDER.n5``, ``FILE.nii`` or ``FILE.nii.gz``.
    progress : callable
        Called after each block.
    overwrite : bool
        Whether to replace a file or volume at `out`.

    Raises
    ------
    InvalidInput
        If the suffix is unknown.
    InvalidBox
        If the box is empty or exceeds the domain.
    AlreadyExists
        If `out` exists, unless `overwrite`.
    UnsupportedFormat
        If the format cannot store such voxels.
    StoreError
        If the disk has too little space for a format that does not compress; for others, that is logged as a warning.
    """
    suffix, region = suffix_of(out), resolve_box(source.spec, box)
    with suppress(OSError):
        remove_abandoned(Path(out))
    _check_space(out, suffix, region.size * source.spec.dtype.itemsize)
    if overwrite:
        with replacement(out, suffix) as new:
            WRITERS[suffix](source, region, new, progress)
    else:
        try:
            WRITERS[suffix](source, region, out, progress)
        except AlreadyExists as error:
            error.add_note("To replace it, use overwrite=True (--overwrite)")
            raise
    if lost := lost_metadata(source.spec, region, suffix):
        _LOG.warning("%s cannot store %s; write .zarr to keep all metadata", out, ", ".join(lost))


def _check_space(out: str, suffix: str, size: int) -> None:
    """Refuse files of `size` bytes that the disk cannot hold; if they are compressed, log a warning."""
    disk = disk_at(Path(out))
    if size <= disk.free_bytes:
        return
    free = (
        f"the disk of {disk.folder} has {disk.free_bytes / 1e9:.3g} GB free; use another disk, or a smaller box (--box)"
    )
    if suffix in _UNCOMPRESSED:
        raise StoreError(f"Cannot write {out}: its voxels take {size / 1e9:.3g} GB, and {free}")
    _LOG.warning("the voxels of %s take up to %.3g GB before compression, and %s", out, size / 1e9, free)


def lost_metadata(spec: VolumeSpec, box: Box, suffix: str) -> list[str]:
    """Return what a file with `suffix` does not hold of the metadata of a volume.

    Parameters
    ----------
    spec : VolumeSpec
        Description of the volume.
    box : Box
        Exported part.
    suffix : str
        Key of `WRITERS`.
    """
    properties = _KEPT.get(suffix, _ALL)
    if suffix in (".tif", ".tiff") and not _is_ome(spec):
        properties = frozenset()
    lost = []
    if spec.voxel_size_nm is not None and "voxel size" not in properties:
        lost.append(f"the voxel size {comma_text(spec.voxel_size_nm)} nm")
    if any(spec.offset_nm) and ("offset" not in properties or (suffix in _SIZED_OFFSET and spec.voxel_size_nm is None)):
        lost.append(f"the offset {comma_text(spec.offset_nm)} nm")
    position_kept = "start" in properties or ("offset" in properties and spec.voxel_size_nm is not None)
    if any(box.start) and not position_kept:
        lost.append(f"the start {comma_text(box.start)}")
    if spec.attributes and "attributes" not in properties:
        lost.append(f"the attributes {', '.join(spec.attributes)}")
    if spec.kind != "image" and not {"kind", spec.kind} & properties:
        lost.append(f"the kind {spec.kind}")
    if spec.axes != default_axes(box.ndim) and "axes" not in properties:
        lost.append(f"the axes {'/'.join(spec.axes)}")
    return lost


def suffix_of(out: str) -> str:
    """Return the part of an output name that determines its format: a suffix in lower case, or "/" for a folder.

    Raises
    ------
    InvalidInput
        If the name is a URI or has no known suffix.
    """
    if Uri.parse(out).scheme:
        raise InvalidInput(f"{out} is a URI, not a local path; to write it, use `voxome transfer SRC {out}`")
    if out.endswith("/"):
        return "/"
    if out.lower().endswith(".nii.gz"):
        return ".nii.gz"
    for part in reversed(Path(out).parts):
        if (suffix := Path(part).suffix.lower()) in WRITERS:
            return suffix
    suffixes = ", ".join(suffix for suffix in WRITERS if suffix != "/")
    raise InvalidInput(f'Unknown output format "{out}"; use {suffixes}, or / for a folder of PNG sections')


def exported_uri(out: str) -> str | None:
    """Return the URI of the volume that `export` writes as `out`; None for formats without attributes."""
    suffix = suffix_of(out)
    if suffix in (".h5", ".hdf5"):
        return Uri("hdf5", _dataset(out)).reveal()
    scheme = {".zarr": "zarr", ".n5": "n5", "/": "images"}.get(suffix)
    return scheme and Uri(scheme, out.rstrip("/")).reveal()


def _dataset(out: str) -> str:
    return out if re.search(r"\.(h5|hdf5)/.", out, re.IGNORECASE) else f"{out}/volume"


def _npy(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    with created_or_removed(Uri("npy", out).reveal(), VolumeSpec.of(box.shape, source.spec.dtype)) as target:
        copy(source, box, target, (0,) * box.ndim, progress)


def _hdf5(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    file = Path(re.sub(r"(?i)(\.(?:h5|hdf5))/.*", r"\1", out))
    is_new = not file.exists()
    try:
        with created_or_removed(Uri("hdf5", _dataset(out)).reveal(), at_origin(source.spec, box)) as target:
            copy(source, box, target, (0,) * box.ndim, progress)
    except BaseException:
        if is_new:
            file.unlink(missing_ok=True)
        raise


def _zarr(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    _copy_in_place(source, box, Uri("zarr", out).reveal(), progress)


def _n5(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    _copy_in_place(source, box, Uri("n5", out).reveal(), progress)


def _copy_in_place(source: VolumeSource, box: Box, uri: str, progress: ProgressCallback) -> None:
    """Copy `box` to the same indices of a new volume."""
    spec = source.spec.replace(domain=box, write_chunk=source.spec.read_chunk, encoding=None)
    with created_or_removed(uri, spec) as target:
        copy(source, box, target, box.start, progress)


def _nifti(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    spec = at_origin(source.spec, box).replace(read_chunk=None, write_chunk=None, attributes={})
    if spec.voxel_size_nm is None:
        spec = spec.replace(offset_nm=(0.0, 0.0, 0.0))
    with created_or_removed(Uri("nifti", out).reveal(), spec) as target:
        copy(source, box, target, (0,) * box.ndim, progress)


def _nifti_gz(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    """Write a ``.nii`` and compress it: a ``.nii.gz`` would be compressed again with each block."""
    with _new(out) as path:
        plain = path.with_name(f"{path.name}.nii")
        try:
            _nifti(source, box, str(plain), progress)
            with plain.open("rb") as voxels, gzip.open(path, "wb", 6) as packed:
                shutil.copyfileobj(voxels, packed, 1 << 20)
        finally:
            plain.unlink(missing_ok=True)


def _folder(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    parts = list(slabs(source.spec, box))
    spec = source.spec.replace(domain=box, encoding={"format": "png"})
    with created_or_removed(Uri("images", out.rstrip("/")).reveal(), spec) as target:
        for done, part in enumerate(parts, 1):
            target.write(part, source.read(part))
            progress(done, len(parts))


def _tiff(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    import tifffile

    spec = source.spec
    if spec.dtype.kind not in "biuf" or box.ndim < 2:
        raise UnsupportedFormat(f"{out}: TIFF cannot store {spec.dtype} with axes {'/'.join(spec.axes)}")
    ome = _is_ome(spec)
    big = box.size * spec.dtype.itemsize > _CLASSIC_TIFF_BYTES
    with _new(out) as path, tifffile.TiffWriter(path, ome=ome, bigtiff=big) as tiff:
        tiff.write(
            _sections(source, box, progress),
            shape=box.shape,
            dtype=spec.dtype,
            photometric="minisblack",
            compression="zlib",
            metadata=_ome_metadata(spec) if ome else {"axes": "".join(spec.axes).upper()},
        )


def _is_ome(spec: VolumeSpec) -> bool:
    return spec.dtype.name in _OME_DTYPES and {*spec.axes} <= {*"tczyx"}


def _png(source: VolumeSource, box: Box, out: str, progress: ProgressCallback) -> None:
    import imagecodecs

    spec = source.spec
    if box.size != int(np.prod(box.shape[-2:])):
        raise InvalidInput(
            f"{out}: a .png holds one section, not {box.shape}; choose one with --box, or write a folder, NAME/"
        )
    if spec.dtype not in (np.uint8, np.uint16):
        raise UnsupportedFormat(f"{out}: PNG stores uint8 and uint16, not {spec.dtype}; write .tif instead")
    section = np.ascontiguousarray(source.read(box).reshape(box.shape[-2:]))
    with _new(out) as path:
        path.write_bytes(imagecodecs.png_encode(section))
    progress(1, 1)


def at_origin(spec: VolumeSpec, box: Box) -> VolumeSpec:
    """Return the spec of a copy of `box` whose indices start at 0, with its position in the offset."""
    offset = spec.offset_nm
    if spec.voxel_size_nm is not None and len(spec.spatial) == 3:
        z, y, x = (
            o + start * size
            for o, start, size in zip(offset, spec.spatial_box(box).start, spec.voxel_size_nm, strict=True)
        )
        offset = z, y, x
    return spec.replace(domain=Box.of_shape(box.shape), offset_nm=offset, write_chunk=spec.read_chunk, encoding=None)


def _sections(source: VolumeSource, box: Box, progress: ProgressCallback) -> Iterator[NDArray[Any]]:
    """Yield the sections of `box` in order."""
    parts = list(slabs(source.spec, box))
    for done, part in enumerate(parts, 1):
        yield from source.read(part).reshape(-1, *box.shape[-2:])
        progress(done, len(parts))


def _ome_metadata(spec: VolumeSpec) -> dict[str, Any]:
    fields: dict[str, Any] = {"axes": "".join(spec.axes).upper()}
    for axis, length in zip("ZYX", spec.voxel_size_nm or (), strict=False):
        fields |= {f"PhysicalSize{axis}": length, f"PhysicalSize{axis}Unit": "nm"}
    return fields


def _new(out: str) -> AbstractContextManager[Path]:
    """Return a context manager that writes to a temporary file and renames it to `out` when complete."""
    path = Path(out)
    if path.exists():
        raise AlreadyExists(f"{out} already exists; choose another name, or delete it")
    path.parent.mkdir(parents=True, exist_ok=True)
    return replacing(path)


WRITERS: dict[str, Writer] = {
    ".npy": _npy,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".png": _png,
    ".zarr": _zarr,
    ".n5": _n5,
    ".nii": _nifti,
    ".nii.gz": _nifti_gz,
    "/": _folder,
}
