"""``nifti://FILE.nii`` and ``.nii.gz``: NIfTI-1 and NIfTI-2, by nibabel.

Stored x first, opened in the order t, c, z, y, x. Voxels are as stored, or scaled to float64 where the header has a
slope other than 1 or an intercept other than 0. Lengths without a unit are taken as mm, as NIfTI's own tools do, with a
warning; a size of 1 without a unit counts as unknown.

References
----------
NIfTI-1 data format, https://nifti.nimh.nih.gov/nifti-1 (dim, pixdim, xyzt_units, scl_slope, intent_code, sform).
"""

from __future__ import annotations

import gzip
import logging
import math
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxome.config.settings import in_worker
from voxome.contracts.listing import volume_entry
from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, CorruptData, NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.axes import standard_order
from voxome.geometry.units import nm_per
from voxome.remotes.arrays import copy_out, writable_slices
from voxome.remotes.local_files import file_version, require_content, write_blank
from voxome.remotes.spec_checks import metadata_of, parse_options, require_storable
from voxome.storage.atomic import replacing, storing
from voxome.storage.bounded_file import BoundedFile

if TYPE_CHECKING:
    import nibabel

GZ_LIMIT_BYTES = 2 * 1024**3
"""Largest ``.nii.gz`` that is opened, uncompressed: gzip has no index, so the file is decompressed into memory."""

_LOG = logging.getLogger(__name__)
_AFFINE = "affine"
"""Attribute with the affine of a file, where that is more than a voxel size and an offset."""
_warned: set[str] = set()
"""Files whose orientation or unit was warned of."""
_SUFFIXES = (".nii", ".nii.gz")
_HEADER_BYTES, _NIFTI2_BYTES = 348, 540
_MOST_EXTENSIONS = _MOST_TRAILING = 1 << 26
"""Most bytes that are read before the voxels of a ``.nii.gz``, which nibabel reads into memory, and after them."""
_STORED_AXES = ("x", "y", "z", "t", "c", "d5", "d6")


class NiftiSource:
    """One image; a ``.nii`` is memory-mapped, a ``.nii.gz`` decompressed once and compressed again by every write."""

    concurrent_writers = False

    def __init__(self, path: Path, mode: Mode) -> None:
        self._path, self._mode = path, mode
        self._zipped = path.name.endswith(".gz")
        self._lock = threading.Lock()
        self._loaded: tuple[Version, NDArray[Any]] | None = None
        self._image = _load(path)
        self._scale = (float(self._image.dataobj.slope), float(self._image.dataobj.inter))
        with metadata_of(path):
            self._spec = _spec(self._image, scaled=self._scale != (1, 0), zipped=self._zipped)
        if mode == "r+" and self._scale != (1, 0):
            raise UnsupportedFormat(f"{path} stores scaled voxels (scl_slope), which cannot be changed; copy it first")
        _refuse_size(path, self._image, self._zipped)

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    @property
    def unit(self) -> str:
        """Unit of length in the header; ``unknown`` if there is none."""
        return str(self._image.header.get_xyzt_units()[0])

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        with self._lock:
            voxels = self._voxels()[box.within(self._spec.domain)]
        if self._scale != (1, 0):
            voxels = voxels * np.float64(self._scale[0]) + self._scale[1]
        return copy_out(voxels, self._spec.dtype, out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        slices = writable_slices(f"nifti://{self._path}", self._mode, box, data, self._spec.domain)
        with self._lock, storing(self._path):
            self._voxels()[slices] = data
            if self._zipped:
                self._pack()

    def version(self) -> Version:
        return file_version(self._path)

    def _voxels(self) -> NDArray[Any]:
        """Return the stored voxels in the order of the spec's axes; reread if a compressed file has changed."""
        now = file_version(self._path)
        if self._loaded is None or (self._zipped and self._loaded[0] != now):
            raw = _unpack(self._path, self._image) if self._zipped else _map(self._path, self._image, self._mode)
            self._loaded = now, raw.transpose(standard_order(_STORED_AXES[: raw.ndim]))
        return self._loaded[1]

    def _pack(self) -> None:
        assert self._loaded is not None
        voxels = self._loaded[1]
        stored = voxels.transpose(np.argsort(standard_order(_STORED_AXES[: voxels.ndim])))
        image = type(self._image)(stored, None, self._image.header)
        with replacing(self._path) as new:
            new.write_bytes(gzip.compress(image.to_bytes(), 6))
        self._loaded = file_version(self._path), voxels


class NiftiRemote:
    """Files with one image each."""

    uri_options = ()
    signature = "a NIfTI file (.nii, .nii.gz)"
    traits = FormatTraits(suffix=".nii")

    def recognises(self, path: Path) -> bool:
        """Return whether `path` is a file with the name of a NIfTI file: opening it says if it is damaged."""
        return path.is_file() and path.name.endswith(_SUFFIXES)

    def open(self, uri: Uri, *, mode: Mode = "r") -> NiftiSource:
        source = NiftiSource(_require_file(uri), mode)
        if str(uri.local_path) not in _warned and not in_worker():
            _warned.add(str(uri.local_path))
            _warn_of_unit(uri.local_path, source)
            _warn_of_orientation(uri.local_path, source.spec)
        return source

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        path = uri.local_path
        inside = (file for file in sorted(path.glob("*.nii*")) if file.name.endswith(_SUFFIXES))
        for file in inside if path.is_dir() else [_require_file(uri)]:
            yield volume_entry(str(Uri("nifti", str(file))), partial(_spec_of, file))

    def create(self, uri: Uri, spec: VolumeSpec) -> NiftiSource:
        path = uri.local_path
        if path.exists():
            raise AlreadyExists(f"{path} exists; choose another name, or delete it")
        header = _checked_header(path, spec)
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        zipped = path.name.endswith(".gz")
        with replacing(path) as new, gzip.open(new, "wb", 6) if zipped else new.open("wb") as file:
            header.write_to(file)
            write_blank(file, spec)
        return NiftiSource(path, "r+")

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        _checked_header(uri.local_path, spec)

    def delete(self, uri: Uri) -> None:
        with storing(path := _require_file(uri)):
            path.unlink()


def _warn_of_unit(path: Path, source: NiftiSource) -> None:
    """Log a warning if the header has a voxel size without a unit."""
    size = source.spec.voxel_size_nm
    if size is not None and source.unit == "unknown":
        shown = " x ".join(f"{length:g}" for length in size)
        taken = f"without --voxel-size, it is taken as mm, so that voxels are {shown} nm (z, y, x)"
        _LOG.warning("%s has no unit of length; %s", path, taken)


def _warn_of_orientation(path: Path, spec: VolumeSpec) -> None:
    """Log a warning if positions are not those of the affine."""
    affine = spec.attributes.get(_AFFINE)
    if affine is None:
        return
    _LOG.warning(
        "%s has the affine %s, which flips, rotates or shears the axes, or does not fit its voxel size. Voxels are "
        "read in the order that they are stored in, at the offset 0; the affine is only kept as an attribute",
        path,
        affine,
    )


def _spec_of(file: Path) -> VolumeSpec:
    return NiftiSource(file, "r").spec


def _require_file(uri: Uri) -> Path:
    path = uri.local_path
    if not path.is_file():
        raise NotFound(f"{path} does not exist; nifti:// takes the path of a .nii or .nii.gz file")
    return path


def _load(path: Path) -> nibabel.Nifti1Image:
    import nibabel  # takes 0.2 s
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    require_content(path, "a NIfTI file")
    try:
        with gzip.open(path) if path.name.endswith(".gz") else BoundedFile(path) as stream:
            if len(stream.read(_HEADER_BYTES)) < _HEADER_BYTES:
                raise EOFError(f"the file is truncated: it ends within the {_HEADER_BYTES} bytes of the header")
        with _header_warnings(path):
            image = _load_zipped(path) if path.name.endswith(".gz") else nibabel.load(path)
    except (ImageFileError, HeaderDataError) as error:
        raise UnsupportedFormat(f"{path} is not a readable NIfTI file: {error}") from error
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise CorruptData(f"the header of {path} cannot be read: {error}") from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise UnsupportedFormat(f"{path} is a {type(image).__name__}; a NIfTI file was expected")
    if image.get_data_dtype().kind not in "iuf":
        name = image.header.get_value_label("datatype")
        raise UnsupportedFormat(f"{path} has {name} voxels; voxome reads integers and floats")
    return image


@contextmanager
def _header_warnings(path: Path) -> Iterator[None]:
    """Log what nibabel corrects in a header; it prints that on standard error itself, also before an error."""
    kept = _KeptMessages()
    logger = logging.getLogger("nibabel.global")
    logger.addFilter(kept)
    try:
        yield
    finally:
        logger.removeFilter(kept)
    for text in kept.texts:
        _LOG.warning("%s: %s", path, text)


class _KeptMessages(logging.Filter):
    """Keeps the messages of one thread, which are not printed."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        if record.levelno >= logging.WARNING:
            self.texts.append(record.getMessage())
        return False


def _load_zipped(path: Path) -> nibabel.Nifti1Image:
    """Return an image whose extensions, which nibabel reads into memory, are of plausible size."""
    import nibabel

    with _ShortReads(path) as stream:
        size = stream.read(4)
        stream.seek(0)
        if size in (_NIFTI2_BYTES.to_bytes(4, order) for order in ("little", "big")):
            return nibabel.Nifti2Image.from_stream(stream)
        return nibabel.Nifti1Image.from_stream(stream)


class _ShortReads(gzip.GzipFile):
    """A gzip file of which no more is read than a header and its extensions may have."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MOST_EXTENSIONS - self.tell():
            raise ValueError(f"its extensions have more than {_MOST_EXTENSIONS} bytes")
        return super().read(size)


def _nbytes(image: nibabel.Nifti1Image) -> int:
    return math.prod(image.shape) * int(image.get_data_dtype().itemsize)


def _refuse_size(path: Path, image: nibabel.Nifti1Image, zipped: bool) -> None:
    if zipped and image.dataobj.offset > _MOST_EXTENSIONS:
        raise CorruptData(
            f"the voxels of {path} begin at byte {image.dataobj.offset}; expected at most {_MOST_EXTENSIONS}"
        )
    if zipped and _nbytes(image) > GZ_LIMIT_BYTES:
        raise UnsupportedFormat(
            f"{path} decompresses to {_nbytes(image)} bytes, more than the limit of {GZ_LIMIT_BYTES}; gunzip it first"
        )
    if not zipped and path.stat().st_size < image.dataobj.offset + _nbytes(image):
        raise CorruptData(f"{path} is truncated: {image.shape} voxels of {image.get_data_dtype()} need more bytes")


def _map(path: Path, image: nibabel.Nifti1Image, mode: Mode) -> NDArray[Any]:
    return np.memmap(path, image.get_data_dtype(), mode, image.dataobj.offset, image.shape, "F")


def _unpack(path: Path, image: nibabel.Nifti1Image) -> NDArray[Any]:
    try:
        with gzip.open(path) as file:
            file.seek(image.dataobj.offset)
            raw = bytearray(file.read(_nbytes(image)))
            rest = len(file.read(_MOST_TRAILING + 1))  # to the end, where the checksum is
    except (OSError, EOFError, zlib.error) as error:
        raise CorruptData(f"{path} cannot be decompressed: {error}") from error
    if rest > _MOST_TRAILING:
        raise CorruptData(f"{path} has more than {_MOST_TRAILING} bytes after its voxels, which have {len(raw)}")
    if len(raw) < _nbytes(image):
        raise CorruptData(f"{path} is truncated: it has {len(raw)} bytes of voxels, expected {_nbytes(image)}")
    return np.frombuffer(raw, image.get_data_dtype()).reshape(image.shape, order="F")


def _nm(length: np.floating[Any], per: float) -> float:
    """Return a float32 length in nm, by its shortest decimal form, so that 0.00065 mm is 650 nm."""
    return round(float(str(np.float32(length))) * per, 6)


def _spec(image: nibabel.Nifti1Image, *, scaled: bool, zipped: bool) -> VolumeSpec:
    header, stored = image.header, image.shape
    names = _STORED_AXES[: len(stored)]
    order = standard_order(names)
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError as error:
        raise CorruptData(f"the units {error} in its header are none of NIfTI's") from error
    zooms, per = header.get_zooms()[:3], nm_per(unit) or 1e6
    sized = len(zooms) == 3 and (unit != "unknown" or set(zooms) != {1.0}) and min(zooms) > 0
    fields: dict[str, Any] = {}
    if sized:
        fields["voxel_size_nm"] = tuple(_nm(zoom, per) for zoom in zooms[::-1])
    if header["sform_code"] or header["qform_code"]:
        affine = np.asarray(image.affine)
        if sized and np.allclose(affine[:3, :3], np.diag(zooms), atol=1e-4 * min(zooms)):
            fields["offset_nm"] = tuple(_nm(origin, per) for origin in affine[2::-1, 3])
        else:
            fields["attributes"] = {_AFFINE: affine.tolist()}
    if header.get_intent()[0] == "label":
        fields["kind"] = "labels"
    dtype = np.dtype(np.float64) if scaled else image.get_data_dtype()
    shape = [stored[i] for i in order]
    chunk = [max(1, n) for n in shape] if zipped else None
    return VolumeSpec.of(shape, dtype, chunk=chunk, axes=tuple(names[i] for i in order), **fields)


def _checked_header(path: Path, spec: VolumeSpec) -> nibabel.Nifti1Header:
    """Return a header for `spec`, if NIfTI can store it in a file of this name."""
    if not path.name.endswith(_SUFFIXES):
        raise UnsupportedFormat(f"{path}: the name of a NIfTI file must end in .nii or .nii.gz")
    parse_options("NIfTI", spec, ())
    return _new_header(spec)


def _new_header(spec: VolumeSpec) -> nibabel.Nifti1Header:
    """Return a header for `spec`, with lengths in µm."""
    import nibabel
    from nibabel.spatialimages import HeaderDataError

    names = _STORED_AXES[: spec.domain.ndim]
    order = standard_order(names)
    if spec.axes != tuple(names[i] for i in order):
        raise UnsupportedFormat(f"NIfTI stores the last of the axes t, c, z, y, x, not {'/'.join(spec.axes)}")
    require_storable("NIfTI", spec, "attributes", *([] if spec.voxel_size_nm else ["offset_nm"]))
    big = max(spec.domain.shape, default=0) > np.iinfo(np.int16).max
    header = nibabel.Nifti2Header() if big else nibabel.Nifti1Header()
    try:
        header.set_data_dtype(spec.dtype)
    except HeaderDataError as error:
        raise UnsupportedFormat(f"NIfTI cannot store voxels of dtype {spec.dtype}: {error}") from error
    header.set_data_shape([spec.domain.shape[i] for i in np.argsort(order)])
    header.set_intent("label" if spec.kind == "labels" else "none")
    if spec.voxel_size_nm is not None:
        size_um = np.array(spec.voxel_size_nm[::-1]) / 1000
        header.set_xyzt_units("micron", "unknown")
        header.set_zooms((*size_um, *[1] * (spec.domain.ndim - 3))[: spec.domain.ndim])
        affine = np.diag([*size_um, 1.0])
        affine[:3, 3] = np.array(spec.offset_nm[::-1]) / 1000
        header.set_sform(affine, "scanner")
    return header
