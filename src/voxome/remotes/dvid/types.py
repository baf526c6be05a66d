"""DVID's voxel types, and the description of an instance with voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.units import nm_per
from voxome.remotes.dvid.node import Node

Triple = tuple[int, int, int]
SUB_BLOCK = 8
"""Edge length of a sub-block of labels, in voxels."""

DTYPES: Mapping[str, str] = {
    "uint8blk": "uint8",
    "uint16blk": "uint16",
    "uint32blk": "uint32",
    "uint64blk": "uint64",
    "float32blk": "float32",
    "labelblk": "uint64",
    "labelarray": "uint64",
    "labelmap": "uint64",
}
"""Data type of the voxels of each instance type."""
LABEL_TYPES = frozenset({"labelblk", "labelarray", "labelmap"})
"""Instance types whose voxels are labels."""
GROWING_TYPES = frozenset({"labelblk", "labelarray"})
"""Instance types whose extents cannot be set: they are the blocks that were written."""
LABELS_BELOW_0 = (
    "a DVID server accepts labels there, but its process ends when the shape of one of them is requested; use a start "
    "of 0 or above, as `voxome transfer --drop start` does (grey values may start below 0)"
)
_BLOCK_STEPS: Mapping[str, int] = {"labelmap": 16, "labelarray": SUB_BLOCK}
"""Number of voxels of which every edge of a block must be a multiple, by instance type; 1 for the others."""
_DEFAULT_BLOCKS: Mapping[str, int] = {"labelmap": 64, "labelarray": 64}
"""Default edge length of a block in voxels, by instance type."""
_BLOCK = 32
"""Default edge length of a block of the other types, in voxels."""


@dataclass(frozen=True)
class InstanceInfo:
    """The server's description of an instance with voxels.

    Attributes
    ----------
    type : str
        DVID's name of the data type.
    data_uuid : str
        Identifies the instance, also after another one of the same name was deleted.
    versioned : bool
        Whether voxels are versioned, rather than shared by all versions.
    block : (z, y, x)
        Block shape in voxels.
    domain : Box
        Extents, z, y, x; empty until something is written or the extents are set.
    voxel_size_nm : (z, y, x) or None
        None if the server's unit is not a length ("voxels" for an instance created without a voxel size).
    max_level : int
        Number of the coarsest level.
    """

    type: str
    data_uuid: str
    versioned: bool
    block: Triple
    domain: Box
    voxel_size_nm: tuple[float, float, float] | None
    max_level: int

    @classmethod
    def parse(cls, name: str, info: Mapping[str, Any]) -> InstanceInfo:
        """Parse the JSON of ``info``; errors begin with `name`.

        Raises
        ------
        UnsupportedFormat
            If voxome does not read voxels of this instance type.
        CorruptData
            If the description is malformed.
        """
        try:
            type_name = str(info["Base"]["TypeName"])
            if type_name in DTYPES:
                return cls._parse(type_name, info["Base"], info["Extended"], info.get("Extents"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptData(f"{name}: the server sent a malformed description: {error!r}") from error
        raise UnsupportedFormat(f"{name} is not a volume but a {type_name}; volumes are {', '.join(DTYPES)}")

    @classmethod
    def _parse(cls, type_name: str, base: Mapping[str, Any], extended: Mapping[str, Any], extents: Any) -> InstanceInfo:
        return cls(
            type_name,
            base["DataUUID"],
            base["Versioned"],
            _block_shape(extended["BlockSize"]),
            _domain(extents or extended),
            _voxel_size_nm(extended),
            int(extended.get("MaxDownresLevel", 0)),
        )

    @classmethod
    def fetch(cls, node: Node, instance: str, name: str) -> InstanceInfo:
        """Request the description of an instance; errors begin with `name`."""
        return cls.parse(name, node.api.json("GET", node.path(instance, "info")))

    @property
    def holds_labels(self) -> bool:
        """Whether the voxels are labels."""
        return self.type in LABEL_TYPES

    @property
    def has_settable_extents(self) -> bool:
        """Whether the domain can be set; otherwise it grows with the blocks that are written."""
        return self.type not in GROWING_TYPES

    @property
    def spec(self) -> VolumeSpec:
        """Spec of the finest level."""
        kind: VolumeKind = "labels" if self.holds_labels else "image"
        return VolumeSpec(
            self.domain,
            np.dtype(DTYPES[self.type]),
            axes=("z", "y", "x"),
            kind=kind,
            voxel_size_nm=self.voxel_size_nm,
            read_chunk=self.block,
            write_chunk=self.block,
            encoding={"type": self.type, "levels": self.max_level},
        )


def instance_type(info: Mapping[str, Any]) -> str:
    """Return the type of an instance from the JSON of its ``info``; empty if the description is malformed."""
    try:
        return str(info["Base"]["TypeName"])
    except (LookupError, TypeError):
        return ""


def choose_type(spec: VolumeSpec) -> str:
    """Return the instance type for `spec`: the one named in its encoding, or the default.

    Raises
    ------
    UnsupportedFormat
        If DVID has no such type.
    """
    type_name = (spec.encoding or {}).get("type")
    if type_name is None:
        type_name = "labelmap" if spec.kind == "labels" else f"{spec.dtype}blk"
    if DTYPES.get(type_name) != spec.dtype.name or (type_name in LABEL_TYPES) != (spec.kind == "labels"):
        known = ", ".join(
            f"{name} ({dtype}{', labels' if name in LABEL_TYPES else ''})" for name, dtype in DTYPES.items()
        )
        raise UnsupportedFormat(f"a DVID {type_name} cannot store {spec.kind} of {spec.dtype}; DVID has {known}")
    return str(type_name)


def choose_block(type_name: str, spec: VolumeSpec) -> Triple:
    """Return the block shape (z, y, x) for `spec`: its write chunk, or the default.

    Raises
    ------
    UnsupportedFormat
        If DVID has no such blocks of that type.
    """
    step = _BLOCK_STEPS.get(type_name, 1)
    z, y, x = spec.write_chunk or (_DEFAULT_BLOCKS.get(type_name, _BLOCK),) * 3
    if z % step or y % step or x % step:
        possible = tuple(-(-n // step) * step for n in (z, y, x))
        raise UnsupportedFormat(
            f"blocks of a {type_name} must be multiples of {step} voxels along every axis, not {(z, y, x)} (z, y, x); "
            f"use a chunk such as {possible}, or leave it out"
        )
    return z, y, x


def require_domain(type_name: str, block: Triple, domain: Box) -> None:
    """Raise an error unless an instance of that type can have the domain.

    Raises
    ------
    UnsupportedFormat
        If labels would lie below 0, or the type has no extents but whole blocks.
    """
    if type_name in LABEL_TYPES and min(domain.start) < 0:
        raise UnsupportedFormat(f"a {type_name} cannot start at {domain.start} (z, y, x): {LABELS_BELOW_0}")
    if type_name in GROWING_TYPES and domain.snap(block) != domain:
        raise UnsupportedFormat(
            f"the extents of a {type_name} are whole blocks of {block} voxels (z, y, x), which {domain} cuts; use "
            f"{domain.snap(block)}, or a labelmap, which keeps its extents"
        )


def instance_settings(type_name: str, spec: VolumeSpec) -> dict[str, str]:
    """Return the settings with which an instance is created.

    Raises
    ------
    UnsupportedFormat
        If its blocks cannot have that size.
    """
    block = choose_block(type_name, spec)
    size, unit = (spec.voxel_size_nm, "nanometers") if spec.voxel_size_nm else ((1.0, 1.0, 1.0), "voxels")
    # With one unit instead of one per axis, the server crashes on requests for metadata.
    settings = {"BlockSize": _join_xyz(block), "VoxelSize": _join_xyz(size), "VoxelUnits": ",".join([unit] * 3)}
    if type_name == "labelmap":
        settings["MaxDownresLevel"] = str((spec.encoding or {}).get("levels", 0))
    return settings


def extents_json(domain: Box) -> dict[str, list[int]]:
    """Return a domain (z, y, x) in DVID's form: x, y, z of the first and the last voxel."""
    return {"MinPoint": [*reversed(domain.start)], "MaxPoint": [n - 1 for n in reversed(domain.stop)]}


def _domain(reply: Mapping[str, Any]) -> Box:
    low, high = reply.get("MinPoint"), reply.get("MaxPoint")
    if low is None or high is None:
        return Box((0, 0, 0), (0, 0, 0))
    return Box(_zyx(low), tuple(n + 1 for n in _zyx(high)))


def _voxel_size_nm(reply: Mapping[str, Any]) -> tuple[float, float, float] | None:
    units = [nm_per(str(unit)) for unit in reply["VoxelUnits"]]
    units = units * 3 if len(units) == 1 else units
    if None in units:
        return None
    x, y, z = (float(size) * cast(float, unit) for size, unit in zip(reply["VoxelSize"], units, strict=True))
    return z, y, x


def _block_shape(xyz: Any) -> Triple:
    block = _zyx(xyz)
    if min(block) < 1:
        raise ValueError(f"block shape {block}")
    return block


def _zyx(xyz: Any) -> Triple:
    x, y, z = map(int, xyz)
    return z, y, x


def _join_xyz(zyx: tuple[float, ...]) -> str:
    return ",".join(f"{n:.9g}" for n in reversed(zyx))
