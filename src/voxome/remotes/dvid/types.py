"""DVID's types of voxels, and what the server says of an instance of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.dvid.node import Node

Triple = tuple[int, int, int]
SUB = 8
"""Voxels along an edge of a sub-block of labels."""

DTYPES: Mapping[str, str] = {
    "uint8blk": "uint8",
    "uint16blk": "uint16",
    "uint32blk": "uint32",
    "uint64blk": "uint64",
    "float32blk": "float32",
    "labelblk": "uint64",
    "labelmap": "uint64",
}
"""Type → dtype of its voxels."""
LABELS = frozenset({"labelblk", "labelmap"})
"""Those whose voxels are labels."""
BLOCKS: Mapping[str, int] = {"labelmap": 64}
"""Edge of a block where the server's own default is not the right one to name."""
BLOCK = 32
"""Edge of a block otherwise."""
_NM = {
    "nanometers": 1.0,
    "nanometer": 1.0,
    "nm": 1.0,
    "microns": 1e3,
    "micrometers": 1e3,
    "um": 1e3,
    "millimeters": 1e6,
}


@dataclass(frozen=True)
class Info:
    """What the server says of an instance that holds voxels.

    Attributes
    ----------
    type : str
        Its DVID type.
    data_uuid : str
        What tells it from an instance that had its name before.
    versioned : bool
        Whether each version has its own voxels.
    block : (z, y, x)
        Voxels of a block.
    domain : Box
        Its extents, z, y, x; empty where nothing was written nor said.
    voxel_size_nm : (z, y, x) or None
        None where the server's unit is not one of length ("voxels": what an instance is made with that has no size).
    coarsest : int
        The number of its last level.
    """

    type: str
    data_uuid: str
    versioned: bool
    block: Triple
    domain: Box
    voxel_size_nm: tuple[float, float, float] | None
    coarsest: int

    @classmethod
    def of(cls, name: str, info: Mapping[str, Any]) -> Info:
        """Read the JSON of ``info``.

        Raises
        ------
        UnsupportedFormat
            If the instance holds no voxels that voxome reads.
        CorruptData
            If what is said makes no sense.
        """
        try:
            kind = str(info["Base"]["TypeName"])
            found = None if kind not in DTYPES else cls._read(kind, info["Base"], info["Extended"], info.get("Extents"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptData(f"{name}: what the server says of it makes no sense: {error!r}") from error
        if found is None:
            raise UnsupportedFormat(f"{name} is a {kind}, which is no volume; volumes are {', '.join(DTYPES)}")
        return found

    @classmethod
    def _read(cls, kind: str, base: Mapping[str, Any], extended: Mapping[str, Any], extents: Any) -> Info:
        return cls(
            kind,
            base["DataUUID"],
            base["Versioned"],
            _block(extended["BlockSize"]),
            _domain(extents or extended),
            _voxel_size_nm(extended),
            int(extended.get("MaxDownresLevel", 0)),
        )

    @classmethod
    def asked(cls, node: Node, instance: str, name: str) -> Info:
        """What the server says of an instance; errors call it `name`."""
        return cls.of(name, node.api.json("GET", node.path(instance, "info")))

    @property
    def spec(self) -> VolumeSpec:
        """The spec of its finest level."""
        meaning: VolumeKind = "labels" if self.type in LABELS else "image"
        return VolumeSpec(
            self.domain,
            np.dtype(DTYPES[self.type]),
            axes=("z", "y", "x"),
            kind=meaning,
            voxel_size_nm=self.voxel_size_nm,
            read_chunk=self.block,
            write_chunk=self.block,
            encoding={"type": self.type, "levels": self.coarsest},
        )

    def over(self, domain: Box) -> Info:
        """The same with other extents."""
        return replace(self, domain=domain)


def type_of(spec: VolumeSpec) -> str:
    """The type that holds `spec`: the one that its encoding names, or the usual one.

    Raises
    ------
    UnsupportedFormat
        If there is none.
    """
    asked = (spec.encoding or {}).get("type")
    if asked is None:
        asked = "labelmap" if spec.kind == "labels" else f"{spec.dtype}blk"
    if DTYPES.get(asked) != spec.dtype.name or (asked in LABELS) != (spec.kind == "labels"):
        held = ", ".join(f"{name} ({dtype}{', labels' if name in LABELS else ''})" for name, dtype in DTYPES.items())
        raise UnsupportedFormat(f"DVID holds no {spec.dtype} {spec.kind} in a {asked}; it has {held}")
    return str(asked)


def settings(kind: str, spec: VolumeSpec) -> dict[str, str]:
    """What an instance of type `kind` is made with.

    Raises
    ------
    UnsupportedFormat
        If its blocks cannot be of that size.
    """
    block = spec.write_chunk or (BLOCKS.get(kind, BLOCK),) * 3
    if kind == "labelmap" and any(n % SUB for n in block):
        raise UnsupportedFormat(f"blocks of a labelmap are multiples of {SUB} voxels long, not {block} (z, y, x)")
    size, unit = (spec.voxel_size_nm, "nanometers") if spec.voxel_size_nm else ((1.0, 1.0, 1.0), "voxels")
    # A unit given once instead of for each axis makes the server crash when it is asked for metadata.
    found = {"BlockSize": _listed(block), "VoxelSize": _listed(size), "VoxelUnits": ",".join([unit] * 3)}
    if kind == "labelmap":
        found["MaxDownresLevel"] = str((spec.encoding or {}).get("levels", 0))
    return found


def extents(domain: Box) -> dict[str, list[int]]:
    """A domain (z, y, x) as DVID says it: x, y, z of the first and last voxel."""
    return {"MinPoint": [*reversed(domain.start)], "MaxPoint": [n - 1 for n in reversed(domain.stop)]}


def _domain(said: Mapping[str, Any]) -> Box:
    low, high = said.get("MinPoint"), said.get("MaxPoint")
    if low is None or high is None:
        return Box((0, 0, 0), (0, 0, 0))
    return Box(_turned(low), tuple(n + 1 for n in _turned(high)))


def _voxel_size_nm(said: Mapping[str, Any]) -> tuple[float, float, float] | None:
    units = [_NM.get(str(unit).lower()) for unit in said["VoxelUnits"]]
    units = units * 3 if len(units) == 1 else units
    if None in units:
        return None
    x, y, z = (float(size) * cast(float, unit) for size, unit in zip(said["VoxelSize"], units, strict=True))
    return z, y, x


def _block(xyz: Any) -> Triple:
    block = _turned(xyz)
    if min(block) < 1:
        raise ValueError(f"blocks of {block} voxels")
    return block


def _turned(xyz: Any) -> Triple:
    x, y, z = map(int, xyz)
    return z, y, x


def _listed(zyx: tuple[float, ...]) -> str:
    return ",".join(f"{n:.9g}" for n in reversed(zyx))
