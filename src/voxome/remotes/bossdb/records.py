"""Records of collections, coordinate frames, experiments and channels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from voxome.errors import CorruptData
from voxome.geometry import Box
from voxome.geometry.units import nm_per
from voxome.remotes.bossdb.service import Json, parsing

Triple = tuple[float, float, float]


class BossRecord(ABC):
    """A record of the server: names from the collection down, and fields with their JSON keys."""

    keys: ClassVar[dict[str, str]] = {}
    """Field → its key in JSON; all that are sent to create one."""
    changeable: ClassVar[frozenset[str]] = frozenset({"name", "description"})
    """Fields that can be changed."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names from the collection down."""

    @classmethod
    @abstractmethod
    def from_json(cls, response: Json, parents: Sequence[str]) -> Self:
        """Return the record in a response of the server; `parents` are the names above it."""

    def body(self) -> dict[str, Any]:
        """Return the JSON that creates it."""
        return {key: getattr(self, field) for field, key in self.keys.items()}


_MOST_RESOLUTIONS = 64
"""Most levels of an experiment: the coordinates of BossDB have 64 bits."""


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
    def from_json(cls, response: Json, parents: Sequence[str]) -> Self:
        with parsing("a collection"):
            return cls(response["name"], experiments=_strings(response.get("experiments")), **_common(response))


@dataclass(frozen=True)
class CoordinateFrame(BossRecord):
    """Extent and voxel size of experiments.

    Attributes
    ----------
    name : str
        Name, unique on the server.
    box : Box
        All voxels (z, y, x) of the finest resolution.
    voxel_size : (z, y, x)
        Edge lengths of a voxel, in `voxel_unit`.
    voxel_unit : str
        nanometers, micrometers, millimeters or centimeters.
    description : str
        Text for people.
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
    def from_json(cls, response: Json, parents: Sequence[str] = ()) -> Self:
        with parsing("a coordinate frame"):
            start, stop, size = (
                [response[f"{axis}_{what}"] for axis in "zyx"] for what in ("start", "stop", "voxel_size")
            )
            z, y, x = (float(length) for length in size)
            box = Box(tuple(start), tuple(stop))
            return cls(response["name"], box, (z, y, x), response["voxel_unit"], response.get("description") or "")

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
    collection : str
        Name of the collection that contains it.
    name : str
        Name, unique in the collection.
    coordinate_frame : str
        Name of the coordinate frame.
    description : str
        Text for people.
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
    def from_json(cls, response: Json, parents: Sequence[str]) -> Self:
        with parsing(f"an experiment of {parents[0]}"):
            return cls(
                parents[0],
                response["name"],
                response["coord_frame"],
                levels=_resolutions("num_hierarchy_levels", response["num_hierarchy_levels"]),
                hierarchy_method=response["hierarchy_method"].lower(),
                time_samples=int(response.get("num_time_samples") or 1),
                time_step=response.get("time_step"),
                time_step_unit=response.get("time_step_unit"),
                channels=_strings(response.get("channels")),
                **_common(response),
            )


@dataclass(frozen=True)
class Channel(BossRecord):
    """One array of voxels.

    Attributes
    ----------
    collection, experiment : str
        Names of the collection and the experiment that contain it.
    name : str
        Name, unique in the experiment.
    description : str
        Text for people.
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
        URI of its voxels as a precomputed volume, if the server stores them so and names the bucket.
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
    def from_json(cls, response: Json, parents: Sequence[str]) -> Self:
        with parsing(f"a channel of {'/'.join(parents[:2])}"):
            in_bucket = response.get("storage_type") == "cloudvol" and response.get("bucket")
            return cls(
                parents[0],
                parents[1],
                response["name"],
                response["type"].lower(),
                response["datatype"].lower(),
                base_resolution=_resolutions("base_resolution", response.get("base_resolution") or 0),
                default_time_sample=int(response.get("default_time_sample") or 0),
                sources=_strings(response.get("sources")),
                related=_strings(response.get("related")),
                downsample_status=response.get("downsample_status") or "NOT_DOWNSAMPLED",
                precomputed=_bucket_uri(response, (*parents[:2], response["name"])) if in_bucket else None,
                **_common(response),
            )


def _bucket_uri(response: Json, names: Sequence[str]) -> str:
    """Return the URI of the voxels of a channel whose storage type is ``cloudvol``, in the bucket that it names."""
    folder = (response.get("cv_path") or "").strip("/") or "/".join(names)
    return f"precomputed://s3://{response['bucket']}/{folder}"


def _common(response: Json) -> dict[str, Any]:
    return {
        "description": response.get("description") or "",
        "public": bool(response.get("public")),
        "creator": str(response.get("creator") or ""),
    }


def _resolutions(name: str, value: object) -> int:
    """Return a number of resolutions, as a server gives it: voxels are never halved more often."""
    number = int(value)  # type: ignore[call-overload]
    if not 0 <= number <= _MOST_RESOLUTIONS:
        raise ValueError(f"{name} is {value!r}; expected at most {_MOST_RESOLUTIONS}")
    return int(number)


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())
