"""Records of collections, coordinate frames, experiments and channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.geometry.units import nm_per
from voxome.remotes.bossdb.service import Json, parsing

Triple = tuple[float, float, float]


class BossRecord:
    """A record of the server: names from the collection down, and fields with their JSON keys."""

    keys: ClassVar[dict[str, str]] = {}
    """Field → its key in JSON; all that are sent to create one."""
    changeable: ClassVar[frozenset[str]] = frozenset({"name", "description"})
    """Fields that can be changed."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names from the collection down."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, answer: Json, parents: Sequence[str]) -> Self:
        """Return the record in an answer of the server; `parents` are the names above it."""
        raise NotImplementedError

    def body(self) -> dict[str, Any]:
        """Return the JSON that creates it."""
        return {key: getattr(self, field) for field, key in self.keys.items()}


@dataclass(frozen=True)
class Collection(BossRecord):
    """A collection of experiments."""

    name: str
    description: str = ""
    public: bool = False
    creator: str = ""
    experiments: tuple[str, ...] = ()

    keys: ClassVar[dict[str, str]] = {"name": "name", "description": "description"}

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @classmethod
    def from_json(cls, answer: Json, parents: Sequence[str]) -> Self:
        with parsing("a collection"):
            return cls(answer["name"], experiments=_strings(answer.get("experiments")), **_common(answer))


@dataclass(frozen=True)
class CoordinateFrame(BossRecord):
    """Extent and voxel size of experiments.

    Attributes
    ----------
    name, description : str
        The name is unique on the server.
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
            raise CorruptData(
                f"the coordinate frame {self.name} has voxels in {self.voxel_unit!r}, which is not a unit of length"
            )
        return nm

    @property
    def voxel_size_nm(self) -> Triple:
        """Edge lengths of a voxel (z, y, x) in nm."""
        z, y, x = (size * self.unit_nm for size in self.voxel_size)
        return z, y, x

    @classmethod
    def from_json(cls, answer: Json, parents: Sequence[str] = ()) -> Self:
        with parsing("a coordinate frame"):
            start, stop, size = (
                [answer[f"{axis}_{what}"] for axis in "zyx"] for what in ("start", "stop", "voxel_size")
            )
            z, y, x = (float(length) for length in size)
            box = Box(tuple(start), tuple(stop))
            return cls(answer["name"], box, (z, y, x), answer["voxel_unit"], answer.get("description") or "")

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"name": self.name, "description": self.description, "voxel_unit": self.voxel_unit}
        for axis, start, stop, size in zip("zyx", self.box.start, self.box.stop, self.voxel_size, strict=True):
            body |= {f"{axis}_start": start, f"{axis}_stop": stop, f"{axis}_voxel_size": size}
        return body


@dataclass(frozen=True)
class Experiment(BossRecord):
    """Channels in one coordinate frame.

    Attributes
    ----------
    collection, name, coordinate_frame, description : str
        Names.
    levels : int
        Number of resolutions, the finest included.
    hierarchy_method : {"anisotropic", "isotropic"}
        Whether coarser resolutions keep the sections (z), or halve them too.
    time_samples : int
        Number of points in time.
    time_step, time_step_unit : optional
        Time between two of them.
    public : bool
        Whether everybody may read it.
    creator : str
        User who created it.
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

    keys: ClassVar[dict[str, str]] = {
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
    def from_json(cls, answer: Json, parents: Sequence[str]) -> Self:
        with parsing(f"an experiment of {parents[0]}"):
            return cls(
                parents[0],
                answer["name"],
                answer["coord_frame"],
                levels=int(answer["num_hierarchy_levels"]),
                hierarchy_method=answer["hierarchy_method"].lower(),
                time_samples=int(answer.get("num_time_samples") or 1),
                time_step=answer.get("time_step"),
                time_step_unit=answer.get("time_step_unit"),
                channels=_strings(answer.get("channels")),
                **_common(answer),
            )


@dataclass(frozen=True)
class Channel(BossRecord):
    """One array of voxels.

    Attributes
    ----------
    collection, experiment, name, description : str
        Names.
    type : {"image", "annotation"}
        The voxels of an annotation are labels.
    dtype : str
        uint8, uint16, uint32 or uint64.
    base_resolution : int
        Its finest resolution.
    default_time_sample : int
        Point in time that is read where none is named.
    sources, related : tuple of str
        Channels from which it was derived, and related ones.
    downsample_status : str
        NOT_DOWNSAMPLED, IN_PROGRESS, QUEUED, DOWNSAMPLED or FAILED.
    public : bool
        Whether everybody may read it.
    creator : str
        User who created it.
    precomputed : str or None
        URI of its voxels as a precomputed volume, if the server stores them so.
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

    keys: ClassVar[dict[str, str]] = {
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
    def from_json(cls, answer: Json, parents: Sequence[str]) -> Self:
        with parsing(f"a channel of {'/'.join(parents[:2])}"):
            cv_path = answer.get("cv_path") if answer.get("storage_type") == "cloudvol" else None
            return cls(
                parents[0],
                parents[1],
                answer["name"],
                answer["type"].lower(),
                answer["datatype"].lower(),
                base_resolution=int(answer.get("base_resolution") or 0),
                default_time_sample=int(answer.get("default_time_sample") or 0),
                sources=_strings(answer.get("sources")),
                related=_strings(answer.get("related")),
                downsample_status=answer.get("downsample_status") or "NOT_DOWNSAMPLED",
                precomputed=f"precomputed://s3://{answer.get('bucket')}/{cv_path.strip('/')}" if cv_path else None,
                **_common(answer),
            )


def _common(answer: Json) -> dict[str, Any]:
    return {
        "description": answer.get("description") or "",
        "public": bool(answer.get("public")),
        "creator": str(answer.get("creator") or ""),
    }


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())
