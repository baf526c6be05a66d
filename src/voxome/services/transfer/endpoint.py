"""The endpoints of a transfer: URIs or open volumes, and how a new destination differs from its source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args

import numpy as np

from voxome.contracts.abilities import SupportsLevels, SupportsMetadata, ability
from voxome.contracts.arguments import require_names
from voxome.contracts.source import Mode, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Location, Uri, at_level
from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.geometry.notation import comma_text
from voxome.resources.addresses import absolute
from voxome.resources.open import format_traits, locate, open_source
from voxome.resources.transfer_lock import lock_path
from voxome.resources.view_options import is_percent
from voxome.resources.volume import Volume
from voxome.resources.volume_like import opens, require_location
from voxome.services.transfer.choices import Droppable
from voxome.storage.path import StoragePath


@dataclass(frozen=True)
class Endpoint:
    """Source or destination of a transfer.

    Attributes
    ----------
    uri : str
        URI to show, to record and to open in other processes, without secrets.
    text : str
        URI or path by which this process opens it, with secrets.
    source : VolumeSource, optional
        Open array, if the user passed a volume.
    has_secrets : bool
        Whether `text` contains a user name, a password or a token.
    """

    uri: str
    text: str = field(repr=False)
    source: VolumeSource | None = None
    has_secrets: bool = False

    @classmethod
    def of(cls, volume: Location | Volume, level: int = 0) -> Endpoint:
        """Return the endpoint for a URI, path or volume, at `level` of its pyramid."""
        if isinstance(volume, Volume):
            leveled = volume.level(level) if level else volume
            text = leveled.reveal_uri()
            uri = _absolute(text) if text else None
            return cls("" if uri is None else str(uri), text, leveled.source, uri is not None and uri.has_secrets)
        text = at_level(require_location(volume), level)
        uri = _absolute(text)
        return cls(str(uri), uri.reveal() if is_percent(Uri.parse(text).query) else text, has_secrets=uri.has_secrets)

    @property
    def scheme(self) -> str:
        """Scheme of the URI."""
        return self.uri.partition("://")[0] if "://" in self.uri else ""

    @property
    def lasting(self) -> bool:
        """Whether later calls can open it again."""
        return bool(self.scheme) and not format_traits(self.scheme).one_process and self._reopens

    @property
    def reachable(self) -> bool:
        """Whether other processes can open it, which get no secrets."""
        return self.lasting and not self.has_secrets

    def open(self, mode: Mode = "r") -> VolumeSource:
        """Open the array, unless the user passed an open one."""
        return open_source(self.text, mode=mode) if self.source is None else self.source

    def reopen(self) -> VolumeSource:
        """Open the array again, bypassing any cache, if it has a URI that gives the same voxels."""
        return open_source(self.text) if self.scheme and self._reopens else self.open()

    @cached_property
    def _reopens(self) -> bool:
        return self.source is None or opens(self.text, self.source)

    @property
    def lock(self) -> StoragePath | None:
        """File beside a destination by which a transfer locks it, if it is in a store of files."""
        return lock_path(Uri.parse(self.uri)) if self.scheme else None

    def level(self, number: int) -> Endpoint:
        """Return level `number` of this endpoint."""
        if not number:
            return self
        pyramid = None if self.source is None else ability(self.source, SupportsLevels)
        source = None if pyramid is None else pyramid.level(number)
        return Endpoint(at_level(self.uri, number), at_level(self.text, number), source, self.has_secrets)


def _absolute(text: str) -> Uri:
    """Return the URI independent of the working directory, or that of `text` if there is nothing at it."""
    try:
        return absolute(locate(text))
    except NotFound:
        return Uri.parse(text)


def require_dropped(drop: Collection[str]) -> tuple[str, ...]:
    """Return the properties that a new destination does not keep, sorted.

    Raises
    ------
    InvalidInput, UnknownName
        If they are not a list of names, or one is unknown.
    """
    return tuple(sorted(require_names("drop", drop, get_args(Droppable), "property to drop")))


@dataclass(frozen=True)
class TargetOptions:
    """How a new array differs from its source.

    Attributes
    ----------
    dtype : str, optional
        Data type.
    chunk, shard : (z, y, x), optional
        Shape of the chunks to read, and of those to write.
    encoding : mapping, optional
        Options of the format.
    drop : collection of {"start", "voxel_size", "offset", "attributes"}
        Properties of the source to leave out, for formats that cannot store them.
    """

    dtype: str | None = None
    chunk: tuple[int, int, int] | None = None
    shard: tuple[int, int, int] | None = None
    encoding: Mapping[str, Any] | None = None
    drop: Collection[str] = ()

    def spec(self, old: VolumeSpec, box: Box, scheme: str) -> VolumeSpec:
        """Return the spec of a new array for `box` of the array with the spec `old`."""
        dtype = old.dtype if self.dtype is None else np.dtype(self.dtype)
        traits = format_traits(scheme)
        chunk = self.chunk or ((traits.chunk_edge,) * 3 if traits.one_piece else None)
        overrides: dict[str, Any] = {}
        if "start" in self.drop:
            overrides = {"domain": Box.of_shape(box.shape), "offset_nm": _offset_at(old, box)}
        if "offset" in self.drop:
            overrides["offset_nm"] = (0.0, 0.0, 0.0)
        if "voxel_size" in self.drop:
            overrides["voxel_size_nm"] = None
        return old.replace(
            **{
                "domain": box,
                "dtype": dtype,
                "read_chunk": _chunk_along_axes(chunk, old, box),
                "write_chunk": _chunk_along_axes(self.shard or chunk, old, box),
                "fill": 0,
                "encoding": self.encoding,
                "attributes": {} if "attributes" in self.drop else dict(old.attributes),
                **overrides,
            }
        )


def _chunk_along_axes(chunk: Sequence[int] | None, spec: VolumeSpec, box: Box) -> tuple[int, ...] | None:
    """Return a (z, y, x) chunk along all axes, with length 1 along the others."""
    if chunk is None:
        return None
    by_name = dict(zip("zyx", chunk, strict=True))
    return tuple(min(by_name.get(axis, 1), max(1, n)) for axis, n in zip(spec.axes, box.shape, strict=True))


def _offset_at(spec: VolumeSpec, box: Box) -> tuple[float, float, float]:
    """Return the offset that keeps the position of voxels when indices are shifted to start at 0."""
    start = dict(zip(spec.axes, box.start, strict=True))
    z, y, x = (
        offset + start.get(axis, 0) * size
        for axis, offset, size in zip("zyx", spec.offset_nm, spec.voxel_size_nm or (0.0,) * 3, strict=True)
    )
    return z, y, x


def fill_metadata(target: VolumeSource, values: Mapping[str, Any]) -> None:
    """Set metadata that the store did not take over when the array was created."""
    store = ability(target, SupportsMetadata)
    if store is not None:
        for name, value in values.items():
            if name not in store.metadata:
                store.metadata[name] = value


def mismatches(spec: VolumeSpec, expected: VolumeSpec) -> Iterator[str]:
    """Yield the reasons why an existing array cannot replace the expected one."""
    if spec.axes != expected.axes:
        yield f"its axes are {'/'.join(spec.axes)}, not {'/'.join(expected.axes)}"
    elif expected.domain not in spec.domain:
        yield f"its domain {spec.domain} does not contain {expected.domain}"
    if spec.dtype != expected.dtype:
        yield f"its dtype is {spec.dtype}, not {expected.dtype}"
    for name, unit in (("voxel_size_nm", "voxel size"), ("offset_nm", "offset")):
        old, new = getattr(spec, name), getattr(expected, name)
        if (old is None) != (new is None) or (old is not None and not np.allclose(old, new, rtol=1e-4, atol=1e-3)):
            known, wanted = ("unknown" if one is None else f"{comma_text(one)} nm" for one in (old, new))
            yield f"its {unit} is {known}, not {wanted}"


def require_lossless(spec: VolumeSpec, endpoint: Endpoint) -> None:
    """Refuse to verify a lossy encoding.

    Parameters
    ----------
    spec : VolumeSpec
        Of the array at `endpoint`.
    endpoint : Endpoint
        The destination.

    Raises
    ------
    InvalidInput
        If the codec is lossy.
    """
    traits = format_traits(endpoint.scheme)
    codec = (spec.encoding or {}).get(traits.codec_option)
    if (codec.get("name") if isinstance(codec, Mapping) else codec) in traits.lossy_codecs:
        raise InvalidInput(
            f"{endpoint.uri} has a lossy codec ({codec}), so voxels cannot be verified: "
            "use verify='none' (--verify none)"
        )
