"""Collections, coordinate frames, experiments and channels as the server tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.geometry.units import nm_per
from voxome.remotes.bossdb.service import Json, understood

Triple = tuple[float, float, float]


class Described:
    """What the four have in common: names from the collection down, and fields by the server's words."""

    words: ClassVar[dict[str, str]] = {}
    """Field → the server's word for it; all that is sent to make one."""
    changeable: ClassVar[frozenset[str]] = frozenset({"name", "description"})
    """Fields that can be changed later."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that lead to it."""
        raise NotImplementedError

    @classmethod
    def told(cls, told: Json, above: Sequence[str]) -> Self:
        """Read what the server says of one inside what `above` names."""
        raise NotImplementedError

    def body(self) -> dict[str, Any]:
        """What is sent to make it."""
        return {word: getattr(self, field) for field, word in self.words.items()}


@dataclass(frozen=True)
class Collection(Described):
    """A collection of experiments."""

    name: str
    description: str = ""
    public: bool = False
    creator: str = ""
    experiments: tuple[str, ...] = ()

    words: ClassVar[dict[str, str]] = {"name": "name", "description": "description"}

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @classmethod
    def told(cls, told: Json, above: Sequence[str]) -> Self:
        with understood("a collection"):
            return cls(told["name"], experiments=_texts(told.get("experiments")), **_common(told))


@dataclass(frozen=True)
class CoordinateFrame(Described):
    """Where the voxels of experiments lie, and how large they are.

    Attributes
    ----------
    name, description : str
        Its name is unique on the server.
    box : Box
        All voxels (z, y, x) of the finest resolution.
    voxel_size : (z, y, x)
        Edge lengths of a voxel, in `voxel_unit`.
    voxel_unit : str
        nanometers, micrometers, millimeters or centimeters.
    """

    name: str
    box: Box
    voxel_size: Triple
    voxel_unit: str = "nanometers"
    description: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def unit_nm(self) -> float:
        """Length of `voxel_unit` in nm."""
        nm = nm_per(self.voxel_unit.lower().removesuffix("s"))
        if nm is None:
            raise CorruptData(f"the coordinate frame {self.name} has voxels in {self.voxel_unit!r}, no unit of length")
        return nm

    @property
    def voxel_size_nm(self) -> Triple:
        """Edge lengths of a voxel (z, y, x) in nm."""
        z, y, x = (size * self.unit_nm for size in self.voxel_size)
        return z, y, x

    @classmethod
    def told(cls, told: Json, above: Sequence[str] = ()) -> Self:
        with understood("a coordinate frame"):
            start, stop, size = ([told[f"{axis}_{what}"] for axis in "zyx"] for what in ("start", "stop", "voxel_size"))
            z, y, x = (float(length) for length in size)
            box = Box(tuple(start), tuple(stop))
            return cls(told["name"], box, (z, y, x), told["voxel_unit"], told.get("description") or "")

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"name": self.name, "description": self.description, "voxel_unit": self.voxel_unit}
        for axis, start, stop, size in zip("zyx", self.box.start, self.box.stop, self.voxel_size, strict=True):
            body |= {f"{axis}_start": start, f"{axis}_stop": stop, f"{axis}_voxel_size": size}
        return body


@dataclass(frozen=True)
class Experiment(Described):
    """Channels in one coordinate frame.

    Attributes
    ----------
    collection, name, coordinate_frame, description : str
        Names.
    levels : int
        Resolutions there are, the finest included.
    hierarchy_method : {"anisotropic", "isotropic"}
        Whether coarser resolutions keep the sections (z), or halve them too.
    time_samples : int
        Points in time.
    time_step, time_step_unit : optional
        Between two of them.
    public : bool
        Whether anybody may read it.
    creator : str
        Who made it.
    channels : tuple of str
        Names of its channels.
    """

    collection: str
    name: str
    coordinate_frame: str
    description: str = ""
    levels: int = 1
    hierarchy_method: str = "anisotropic"
    time_samples: int = 1
    time_step: int | None = 0
    time_step_unit: str | None = "seconds"
    public: bool = False
    creator: str = ""
    channels: tuple[str, ...] = ()

    words: ClassVar[dict[str, str]] = {
        "name": "name",
        "description": "description",
        "collection": "collection",
        "coordinate_frame": "coord_frame",
        "levels": "num_hierarchy_levels",
        "hierarchy_method": "hierarchy_method",
        "time_samples": "num_time_samples",
        "time_step": "time_step",
        "time_step_unit": "time_step_unit",
    }
    changeable = frozenset({"name", "description", "levels", "hierarchy_method"})

    @property
    def names(self) -> tuple[str, ...]:
        return self.collection, self.name

    @classmethod
    def told(cls, told: Json, above: Sequence[str]) -> Self:
        with understood(f"an experiment of {above[0]}"):
            return cls(
                above[0],
                told["name"],
                told["coord_frame"],
                levels=int(told["num_hierarchy_levels"]),
                hierarchy_method=told["hierarchy_method"].lower(),
                time_samples=int(told.get("num_time_samples") or 1),
                time_step=told.get("time_step"),
                time_step_unit=told.get("time_step_unit"),
                channels=_texts(told.get("channels")),
                **_common(told),
            )


@dataclass(frozen=True)
class Channel(Described):
    """One array of voxels.

    Attributes
    ----------
    collection, experiment, name, description : str
        Names.
    type : {"image", "annotation"}
        An annotation's voxels are labels.
    dtype : str
        uint8, uint16, uint32 or uint64.
    base_resolution : int
        The finest resolution that it has.
    default_time_sample : int
        The point in time that is meant where none is named.
    sources, related : tuple of str
        Channels it was made from, or belongs with.
    downsample_status : str
        NOT_DOWNSAMPLED, IN_PROGRESS, QUEUED, DOWNSAMPLED or FAILED.
    public : bool
        Whether anybody may read it.
    creator : str
        Who made it.
    precomputed : str or None
        Where its voxels lie as a precomputed volume too, if the server keeps them so.
    """

    collection: str
    experiment: str
    name: str
    type: str = "image"
    dtype: str = "uint8"
    description: str = ""
    base_resolution: int = 0
    default_time_sample: int = 0
    sources: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    downsample_status: str = "NOT_DOWNSAMPLED"
    public: bool = False
    creator: str = ""
    precomputed: str | None = None

    words: ClassVar[dict[str, str]] = {
        "name": "name",
        "description": "description",
        "type": "type",
        "dtype": "datatype",
        "base_resolution": "base_resolution",
        "default_time_sample": "default_time_sample",
        "sources": "sources",
        "related": "related",
    }
    changeable = frozenset({"name", "description", "base_resolution", "sources", "related"})

    @property
    def names(self) -> tuple[str, ...]:
        return self.collection, self.experiment, self.name

    @classmethod
    def told(cls, told: Json, above: Sequence[str]) -> Self:
        with understood(f"a channel of {'/'.join(above[:2])}"):
            kept = told.get("storage_type") == "cloudvol" and told.get("cv_path")
            return cls(
                above[0],
                above[1],
                told["name"],
                told["type"].lower(),
                told["datatype"].lower(),
                base_resolution=int(told.get("base_resolution") or 0),
                default_time_sample=int(told.get("default_time_sample") or 0),
                sources=_texts(told.get("sources")),
                related=_texts(told.get("related")),
                downsample_status=told.get("downsample_status") or "NOT_DOWNSAMPLED",
                precomputed=f"precomputed://s3://{told.get('bucket')}/{kept.strip('/')}" if kept else None,
                **_common(told),
            )


def _common(told: Json) -> dict[str, Any]:
    return {
        "description": told.get("description") or "",
        "public": bool(told.get("public")),
        "creator": str(told.get("creator") or ""),
    }


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())
