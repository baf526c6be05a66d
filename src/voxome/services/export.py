"""A volume as a file that other programs read: ``.npy``, ``.h5``, ``.tif``, ``.png``, ``.zarr``, ``.nii``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat
from voxome.geometry import Box
from voxome.services.blockwise_copy import ProgressCallback, copy, silent, slabs
from voxome.services.rollback import created_or_removed
from voxome.storage.local import replacing

Writer = Callable[[VolumeSource, Box, str, ProgressCallback], None]

_OME = {"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"}
"""What OME-TIFF has a word for."""
_CLASSIC_BYTES = 4_000_000_000


def export(source: VolumeSource, box: Box | None, out: str, told: ProgressCallback = silent) -> None:
    """Write `box` of `source` (all of it if None) as the file or folder `out`, of the format that its name ends in.

    Memory holds some blocks, or sections of images, at a time.

    Parameters
    ----------
    source : VolumeSource
        What is read.
    box : Box or None
        In its coordinates; of z, y, x, or of all its axes.
    out : str
        ``FILE.npy``, ``FILE.h5[/DATASET]``, ``FILE.tif``, ``FILE.png`` (one section), ``FOLDER/`` (PNG sections),
        ``FOLDER.zarr`` or ``FILE.nii``.
    told : callable
        Called after each block with the blocks that are done, and how many there are.

    Raises
    ------
    InvalidInput
        If the name ends in none of these.
    AlreadyExists
        If something is there.
    UnsupportedFormat
        If the format cannot hold such voxels.
    """
    WRITERS[suffix_of(out)](source, asked(source.spec, box), out, told)


def asked(spec: VolumeSpec, box: Box | None) -> Box:
    """The box in all axes; all there is if None.

    Raises
    ------
    InvalidInput
        If it has another number of axes, or is empty.
    """
    found = spec.domain if box is None else spec.lift(box) if box.ndim == len(spec.spatial) == 3 else box
    if found.ndim != spec.domain.ndim or found.empty:
        raise InvalidInput(f"the box {box} is empty, or not one of axes {'/'.join(spec.axes)}")
    found.within(spec.domain)
    return found


def suffix_of(out: str) -> str:
    """What of the name says the format."""
    if Uri.parse(out).scheme:
        raise InvalidInput(f"{out} is no path of this machine: write one, or copy by voxome transfer SRC {out}")
    if out.endswith("/"):
        return "/"
    for part in reversed(Path(out).parts):
        if (suffix := Path(part).suffix.lower()) in WRITERS:
            return suffix
    raise InvalidInput(f"what is {out} to be? End it in {', '.join(WRITERS)} (a folder of PNG sections)")


def _npy(source: VolumeSource, box: Box, out: str, told: ProgressCallback) -> None:
    with created_or_removed(f"npy://{out}", VolumeSpec.of(box.shape, source.spec.dtype)) as target:
        copy(source, box, target, (0,) * box.ndim, told)


def _hdf5(source: VolumeSource, box: Box, out: str, told: ProgressCallback) -> None:
    place = out if re.search(r"\.(h5|hdf5)/.", out, re.IGNORECASE) else f"{out}/volume"
    with created_or_removed(f"hdf5://{place}", at_origin(source.spec, box)) as target:
        copy(source, box, target, (0,) * box.ndim, told)


def _zarr(source: VolumeSource, box: Box, out: str, told: ProgressCallback) -> None:
    spec = source.spec.replace(domain=box, write_chunk=source.spec.read_chunk, encoding=None)
    with created_or_removed(f"zarr://{out}", spec) as target:
        copy(source, box, target, box.start, told)


def _nifti(source: VolumeSource, box: Box, out: str, told: ProgressCallback) -> None:
    spec = at_origin(source.spec, box).replace(read_chunk=None, write_chunk=None, attributes={})
    with created_or_removed(f"nifti://{out}", spec) as target:
        copy(source, box, target, (0,) * box.ndim, told)


def _folder(source: VolumeSource, box: Box, out: str, told: ProgressCallback) -> None:
    pieces = list(slabs(source.spec, box))
    spec = source.spec.replace(domain=box, encoding={"format": "png"})
    with created_or_removed(f"images://{out.rstrip('/')}", spec) as target:
        for done, piece in enumerate(pieces, 1):
            target.write(piece, source.read(piece))
            told(done, len(pieces))


def _tiff(source: VolumeSource, box: Box, out: str, told: ProgressCallback) -> None:
    import tifffile

    spec = source.spec
    if spec.dtype.kind not in "biuf" or box.ndim < 2:
        raise UnsupportedFormat(f"{out}: TIFF holds images of y, x; this is {spec.dtype} of {'/'.join(spec.axes)}")
    ome = spec.dtype.name in _OME and {*spec.axes} <= {*"tczyx"}
    big = box.size * spec.dtype.itemsize > _CLASSIC_BYTES
    with _new(out) as path, tifffile.TiffWriter(path, ome=ome, bigtiff=big) as tiff:
        tiff.write(
            _sections(source, box, told),
            shape=box.shape,
            dtype=spec.dtype,
            photometric="minisblack",
            compression="zlib",
            metadata=_ome_words(spec) if ome else {"axes": "".join(spec.axes).upper()},
        )


def _png(source: VolumeSource, box: Box, out: str, told: ProgressCallback) -> None:
    import imagecodecs

    spec = source.spec
    if box.size != int(np.prod(box.shape[-2:])):
        raise InvalidInput(
            f"{out} would hold {box.shape}: a .png is one section; name one by --box, or a folder: NAME/"
        )
    if spec.dtype not in (np.uint8, np.uint16):
        raise UnsupportedFormat(f"{out}: PNG holds uint8 and uint16, not {spec.dtype}; write .tif")
    section = np.ascontiguousarray(source.read(box).reshape(box.shape[-2:]))
    with _new(out) as path:
        path.write_bytes(imagecodecs.png_encode(section))
    told(1, 1)


def at_origin(spec: VolumeSpec, box: Box) -> VolumeSpec:
    """The spec of a copy of `box` whose indices start at 0; where it lies is kept in its offset."""
    offset = spec.offset_nm
    if spec.voxel_size_nm is not None and len(spec.spatial) == 3:
        z, y, x = (
            o + start * size
            for o, start, size in zip(offset, spec.spatial_box(box).start, spec.voxel_size_nm, strict=True)
        )
        offset = z, y, x
    return spec.replace(domain=Box.of_shape(box.shape), offset_nm=offset, write_chunk=spec.read_chunk, encoding=None)


def _sections(source: VolumeSource, box: Box, told: ProgressCallback) -> Iterator[NDArray[Any]]:
    pieces = list(slabs(source.spec, box))
    for done, piece in enumerate(pieces, 1):
        yield from source.read(piece).reshape(-1, *box.shape[-2:])
        told(done, len(pieces))


def _ome_words(spec: VolumeSpec) -> dict[str, Any]:
    words: dict[str, Any] = {"axes": "".join(spec.axes).upper()}
    for axis, length in zip("ZYX", spec.voxel_size_nm or (), strict=False):
        words |= {f"PhysicalSize{axis}": length, f"PhysicalSize{axis}Unit": "nm"}
    return words


def _new(out: str) -> AbstractContextManager[Path]:
    """A file beside `out` that takes its place when it is whole."""
    path = Path(out)
    if path.exists():
        raise AlreadyExists(f"{out} is there already; choose another name, or delete it")
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
    ".nii": _nifti,
    "/": _folder,
}
