"""``cloudvolume://PATH`` and ``graphene://…``: formats that only the cloud-volume library reads, by that library.

These are graphene layers, whose ids a server computes, and precomputed volumes whose chunks are encoded as crackle,
compresso, fpzip, kempressed, zfpc, jxl, …; all others are read faster by ``precomputed://``. Needs the extra
``voxome[cloudvolume]``. A missing chunk is an error, as cloud-volume cannot distinguish it from one without
permission, unless ``?fill_missing=true`` makes it zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.config.profiles import store_profile
from voxome.contracts.levels import Lengths, Level, finest_first, offset_at_corner, require_level, scale_between
from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri, at_level
from voxome.errors import (
    AccessDenied,
    CorruptData,
    NotFound,
    ReadOnly,
    StoreError,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.extras import require
from voxome.geometry import Box
from voxome.remotes.arrays import allocate


class CloudVolumeSource:
    """One scale of a layer, read only.

    Parameters
    ----------
    volume : cloudvolume.CloudVolume
        The volume, opened at that scale.
    spec : VolumeSpec
        Shape and meaning.
    name : str
        The URI, for messages.
    """

    concurrent_writers = False

    def __init__(self, volume: Any, spec: VolumeSpec, name: str) -> None:
        self._volume, self._spec, self.name = volume, spec, name

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = allocate(box, self._spec, out)
        if not box.empty:
            frame = self._spec.spatial_box(box)
            voxels = np.asarray(_call(self.name, lambda: self._volume.download(_bounds(frame)))).T
            data[...] = voxels[0 if box.ndim == 3 else slice(box.start[0], box.stop[0])]
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly(
            f"{self.name} is read only, as cloud-volume may leave an old file beside a new one; copy it instead"
        )

    def version(self) -> Version:
        return Version("", pinned=False)


class CloudVolumePyramid(CloudVolumeSource):
    """A layer with all its scales."""

    def __init__(self, uri: Uri) -> None:
        self._uri = uri
        volume = _open(uri, 0)
        self._sizes = [_zyx(volume.mip_resolution(mip)) for mip in volume.available_mips]
        self._mips = finest_first(self._sizes)
        if self._mips[0] != 0:
            volume = _open(uri, self._mips[0])
        super().__init__(volume, self._spec_of(volume, self._mips[0]), str(uri))

    @property
    def levels(self) -> Sequence[Level]:
        sizes = [self._sizes[mip] for mip in self._mips]
        return [Level(size, offset_at_corner(size, sizes[0]), scale_between(size, sizes[0])) for size in sizes]

    def level(self, number: int) -> CloudVolumeSource:
        require_level(self.name, number, len(self._mips))
        volume = _open(self._uri, self._mips[number])
        return CloudVolumeSource(volume, self._spec_of(volume, self._mips[number]), at_level(self.name, number))

    def create_level(self, scale: tuple[int, int, int]) -> CloudVolumeSource:
        raise ReadOnly(f"{self.name} is read only; no level can be added")

    def _spec_of(self, volume: Any, mip: int) -> VolumeSpec:
        bounds, chunk = volume.mip_bounds(mip), tuple(int(n) for n in volume.mip_chunk_size(mip))[::-1]
        start, stop = (tuple(int(n) for n in point)[::-1] for point in (bounds.minpt, bounds.maxpt))
        many = int(volume.num_channels)
        lead = (many,) if many > 1 else ()
        size = self._sizes[mip]
        return VolumeSpec(
            Box((0,) * len(lead) + start, lead + stop),
            np.dtype(volume.dtype),
            axes=("c", "z", "y", "x") if lead else ("z", "y", "x"),
            kind="labels" if volume.layer_type == "segmentation" else "image",
            voxel_size_nm=size,
            offset_nm=offset_at_corner(size, self._sizes[self._mips[0]]),
            read_chunk=lead + chunk,
            write_chunk=lead + chunk,
            encoding={"codec": {"name": volume.encoding}},
        )


class CloudVolumeRemote:
    """Layers that cloud-volume opens."""

    uri_options = ("fill_missing", "agglomerate", "timestamp")

    def open(self, uri: Uri, *, mode: Mode = "r") -> CloudVolumePyramid:
        if mode == "r+":
            raise ReadOnly(f"{uri} is read only; write precomputed:// instead")
        return CloudVolumePyramid(uri)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        raise UnsupportedFormat(f"{uri} cannot be listed; name a layer")


def _open(uri: Uri, mip: int) -> Any:
    """Return cloud-volume's object; it neither retries what it may not read nor fills what is missing."""
    options: dict[str, Any] = {name: uri.query.get(name, "false") == "true" for name in ("fill_missing", "agglomerate")}
    if uri.scheme != "graphene":
        options.pop("agglomerate")
    if "timestamp" in uri.query:
        options["timestamp"] = int(uri.query["timestamp"])
    token = store_profile(uri.scheme, uri.path if "://" in uri.path else f"https://{uri.path}").token
    secrets = None if token is None else {"token": token.reveal()}
    require("cloudvolume", "cloudvolume")
    import cloudvolume

    return _call(
        str(uri),
        lambda: cloudvolume.CloudVolume(
            _cloudpath(uri), mip=mip, bounded=True, progress=False, parallel=1, secrets=secrets, **options
        ),
    )


def _cloudpath(uri: Uri) -> str:
    if uri.scheme == "graphene":
        return f"graphene://{uri.path}"
    return uri.path if "://" in uri.path else f"file://{uri.local_path}"


def _zyx(xyz: Sequence[Any]) -> Lengths:
    x, y, z = (float(n) for n in xyz)
    return (z, y, x)


def _bounds(frame: Box) -> Any:
    import cloudvolume

    return cloudvolume.Bbox(frame.start[::-1], frame.stop[::-1])


_ERRORS: tuple[tuple[tuple[str, ...], type[VoxomeError]], ...] = (
    (("InfoUnavailableError", "ScaleUnavailableError"), NotFound),
    (("EmptyVolumeException", "EmptyFileException", "DecodingError"), CorruptData),
    (("AuthenticationError",), AccessDenied),
    (("UnsupportedFormatError", "UnsupportedProtocolError"), UnsupportedFormat),
)


def _call(name: str, call: Any) -> Any:
    """Return what `call` returns, and turn cloud-volume's errors into voxome's."""
    try:
        return call()
    except VoxomeError:
        raise
    except Exception as error:
        names = {base.__name__ for base in type(error).__mro__}
        category = next((ours for theirs, ours in _ERRORS if names & set(theirs)), StoreError)
        hint = "; ?fill_missing=true reads missing chunks as 0" if "EmptyVolumeException" in names else ""
        raise category(f"{name}: cloud-volume raised {type(error).__name__}: {error}{hint}") from error
