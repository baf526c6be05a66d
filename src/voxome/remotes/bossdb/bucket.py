"""Voxels of channels that the server keeps in a cloud bucket, as a precomputed volume."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.levels import TOLERANCE, Lengths
from voxome.contracts.source import Remote, Source, VolumeSource
from voxome.contracts.spec import Scale
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, VoxomeError
from voxome.geometry import Box
from voxome.geometry.notation import comma_text
from voxome.registry import load
from voxome.remotes.bossdb.description import Description

_log = logging.getLogger(__name__)
_ANONYMOUS: Mapping[str, str] = {"anonymous": "true"}
_CONFIGURED: Mapping[str, str] = {}
"""Options of a URI, without credentials and with those that are configured."""


class BucketLevel:
    """Voxels of a channel at one resolution, in the bucket.

    Parameters
    ----------
    source : VolumeSource
        The level in the bucket.
    name : str
        Name of the channel, for messages.
    """

    def __init__(self, source: VolumeSource, name: str) -> None:
        self._source, self._name = source, name
        self._readable = True

    @property
    def chunk(self) -> tuple[int, ...] | None:
        """Shape of the chunks that are read (z, y, x); None if unknown."""
        return self._source.spec.read_chunk

    @property
    def origin(self) -> tuple[int, ...]:
        """Index at which a chunk begins."""
        return self._source.spec.domain.start

    def has(self, box: Box) -> bool:
        """Return whether `box` is inside the volume of the bucket, which was readable so far."""
        return self._readable and box in self._source.spec.domain

    def read(self, box: Box, out: NDArray[Any]) -> bool:
        """Fill `out` with the voxels of `box`; return whether the bucket has them.

        It has not if the box is not inside its volume, and after an error, of which a warning is logged.
        """
        if not self.has(box):
            return False
        try:
            if self._source.spec.dtype == out.dtype:
                self._source.read(box, out=out)
            else:
                out[...] = self._source.read(box)
        except VoxomeError as error:
            self._readable = False
            _warn(self._name, error)
            return False
        return True


class BucketVolume:
    """Voxels of a channel at the resolutions that are in the bucket.

    Parameters
    ----------
    source : VolumeSource
        The finest level in the bucket.
    name : str
        Name of the channel, for messages.
    """

    def __init__(self, source: VolumeSource, name: str) -> None:
        self._source, self._name = source, name
        self._levels = cast(SupportsLevels, ability(source, SupportsLevels))

    def level(self, scale: Scale) -> BucketLevel | None:
        """Return the level whose voxels span `scale` (z, y, x) voxels of the finest, or None.

        Levels are found by their scale, because a bucket may have other ones than the server's experiment.
        """
        scales = [level.scale for level in self._levels.levels]
        if scale not in scales:
            return None
        try:
            return BucketLevel(self._levels.level(scales.index(scale)), self._name)
        except VoxomeError as error:
            _warn(self._name, error)
            return None


def open_bucket(description: Description) -> BucketVolume | None:
    """Open the volume in the bucket that a channel names.

    A public channel is read without credentials, another one with the configured ones; if that is denied, vice versa.

    Parameters
    ----------
    description : Description
        The server's description of the channel, with which the bucket must agree; its data type may be narrower.

    Returns
    -------
    BucketVolume or None
        None if the channel names no bucket, or the bucket cannot be read, of which a warning is logged.
    """
    channel, name = description.channel, "/".join(description.channel.names)
    if channel.precomputed is None:
        return None
    try:
        source = _open(Uri.parse(channel.precomputed), public=channel.public)
    except VoxomeError as error:
        _warn(name, error)
        return None
    if problem := _problem(source, description):
        _warn(name, problem)
        return None
    return BucketVolume(cast(VolumeSource, source), name)


def _open(address: Uri, *, public: bool) -> Source:
    """Open a layer without credentials if it is `public`, otherwise with the configured ones; if denied, vice versa."""
    remote = cast(Remote, load("voxome.remotes", address.scheme)())
    first, second = (_ANONYMOUS, _CONFIGURED) if public else (_CONFIGURED, _ANONYMOUS)
    try:
        return remote.open(replace(address, query=first))
    except AccessDenied as denied:
        try:
            return remote.open(replace(address, query=second))
        except VoxomeError:
            raise denied from None


def _problem(source: Source, description: Description) -> str:
    """Return why a layer in a bucket cannot have the voxels of a channel; empty if it can."""
    if ability(source, SupportsLevels) is None:
        return "the layer there is not a volume"
    spec = cast(VolumeSource, source).spec
    expected = description.spec(next(iter(description.scales)))
    if spec.axes != expected.axes:
        return f"the axes there are {', '.join(spec.axes)}, those of the channel {', '.join(expected.axes)}"
    if not np.can_cast(spec.dtype, expected.dtype, "safe"):
        return f"the dtype there is {spec.dtype}, that of the channel {expected.dtype}"
    size, expected_size = spec.voxel_size_nm, expected.voxel_size_nm
    if size is None or expected_size is None or not np.allclose(size, expected_size, rtol=TOLERANCE):
        return f"the voxel size there is {_nm(size)}, that of the channel {_nm(expected_size)}"
    if spec.domain not in expected.domain:
        return f"the extent there is {spec.domain}, which is not in that of the channel, {expected.domain}"
    return ""


def _nm(size: Lengths | None) -> str:
    return "unknown" if size is None else f"{comma_text(size)} nm"


def _warn(name: str, cause: object) -> None:
    _log.warning("%s: its bucket cannot be read, so its voxels are read through the BossDB API: %s", name, cause)
