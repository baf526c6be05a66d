"""What is written to: a new array as the source is, or one that is there and fits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from voxome.contracts.abilities import SupportsMetadata, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnknownName
from voxome.geometry import Box
from voxome.resources.metadata import metadata

Droppable = Literal["start", "voxel_size", "offset", "attributes"]
_CHUNK = {"hdf5": 64}
"""Edge of a chunk, for the formats that would not make any."""
CODEC_OPTION = {"hdf5": "compression", "images": "compression"}
"""What a format calls its codec, if not so."""
_LOSSY = {"jpeg"}


@dataclass(frozen=True)
class TargetOptions:
    """How a new array is to differ from its source.

    Attributes
    ----------
    dtype : str, optional
        Of its voxels.
    chunk, shard : (z, y, x), optional
        Smallest pieces to read and to write.
    encoding : mapping, optional
        The format's own options.
    drop : collection of {"start", "voxel_size", "offset", "attributes"}
        What it need not keep: formats refuse what they have no place for.
    """

    dtype: str | None = None
    chunk: tuple[int, int, int] | None = None
    shard: tuple[int, int, int] | None = None
    encoding: Mapping[str, Any] | None = None
    drop: Collection[str] = ()

    def __post_init__(self) -> None:
        for name in self.drop:
            if name not in get_args(Droppable):
                raise UnknownName.of("property to drop", name, get_args(Droppable))

    def spec(self, source: VolumeSource, box: Box, scheme: str) -> VolumeSpec:
        """The spec of a new array that holds `box` of `source`."""
        old = source.spec
        dtype = old.dtype if self.dtype is None else np.dtype(self.dtype)
        chunk = self.chunk or (_CHUNK[scheme],) * 3 if self.chunk or scheme in _CHUNK else None
        dropped: dict[str, Any] = {}
        if "start" in self.drop:
            dropped = {"domain": Box.of_shape(box.shape), "offset_nm": _moved(old, box)}
        if "offset" in self.drop:
            dropped["offset_nm"] = (0.0, 0.0, 0.0)
        if "voxel_size" in self.drop:
            dropped["voxel_size_nm"] = None
        return old.replace(
            **{
                "domain": box,
                "dtype": dtype,
                "read_chunk": _lifted(chunk, old, box),
                "write_chunk": _lifted(self.shard or chunk, old, box),
                "fill": 0,
                "encoding": self.encoding,
                "attributes": {} if "attributes" in self.drop else {**old.attributes, **metadata(source)},
                **dropped,
            }
        )


def _lifted(chunk: Sequence[int] | None, spec: VolumeSpec, box: Box) -> tuple[int, ...] | None:
    """A chunk along z, y, x over all axes, 1 along the others."""
    if chunk is None:
        return None
    by_name = dict(zip("zyx", chunk, strict=True))
    return tuple(min(by_name.get(axis, 1), max(1, n)) for axis, n in zip(spec.axes, box.shape, strict=True))


def _moved(spec: VolumeSpec, box: Box) -> tuple[float, float, float]:
    """The offset that leaves voxels where they are when the first index becomes 0."""
    start = dict(zip(spec.axes, box.start, strict=True))
    z, y, x = (
        offset + start.get(axis, 0) * size
        for axis, offset, size in zip("zyx", spec.offset_nm, spec.voxel_size_nm or (0.0,) * 3, strict=True)
    )
    return z, y, x


def fill_metadata(target: VolumeSource, wanted: Mapping[str, Any]) -> None:
    """Set what a store with metadata of its own did not take as it was made."""
    own = ability(target, SupportsMetadata)
    if own is not None:
        for name, value in wanted.items():
            if name not in own.metadata:
                own.metadata[name] = value


def mismatches(there: VolumeSpec, wanted: VolumeSpec) -> Iterator[str]:
    """Why an array does not hold what is to be written to it."""
    if there.axes != wanted.axes:
        yield f"its axes are {'/'.join(there.axes)}, not {'/'.join(wanted.axes)}"
    elif wanted.domain not in there.domain:
        yield f"it spans {there.domain}, which does not hold {wanted.domain}"
    if there.dtype != wanted.dtype:
        yield f"it is of {there.dtype}, not {wanted.dtype}"
    for name, unit in (("voxel_size_nm", "voxel size"), ("offset_nm", "offset")):
        old, new = getattr(there, name), getattr(wanted, name)
        if (old is None) != (new is None) or (old is not None and not np.allclose(old, new, rtol=1e-4, atol=1e-3)):
            yield f"its {unit} is {old} nm, not {new}"


def require_lossless(spec: VolumeSpec, name: str) -> None:
    """Refuse to read back what is stored with a loss.

    Raises
    ------
    InvalidInput
    """
    codec = (spec.encoding or {}).get("codec")
    if (codec.get("name") if isinstance(codec, Mapping) else codec) in _LOSSY:
        raise InvalidInput(
            f"{name} is encoded with a loss ({codec}), so what is read back differs: give verify='none' (--verify none)"
        )
