"""The records of a catalogue: plain values, found by their keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar
from uuid import uuid4


@dataclass(frozen=True, kw_only=True)
class Record:
    """One thing that a catalogue keeps; `KEY` names the fields that tell it from others of its kind."""

    KEY: ClassVar[tuple[str, ...]] = ("name",)

    @property
    def key(self) -> tuple[str, ...]:
        """The values of the fields that `KEY` names."""
        return tuple(getattr(self, name) for name in self.KEY)


@dataclass(frozen=True, kw_only=True)
class Collection(Record):
    """A project: it holds experiments."""

    name: str
    description: str = ""
    creator: str = ""
    public: bool = False


@dataclass(frozen=True, kw_only=True)
class CoordinateFrame(Record):
    """The extent and the voxels of the finest level; several experiments may share one.

    Attributes
    ----------
    x_start, x_stop, … : int
        Half-open index ranges.
    x_voxel_size, … : float
        Edge lengths of a voxel in `voxel_unit`.
    """

    name: str
    description: str = ""
    creator: str = ""
    x_start: int
    x_stop: int
    y_start: int
    y_stop: int
    z_start: int
    z_stop: int
    x_voxel_size: float
    y_voxel_size: float
    z_voxel_size: float
    voxel_unit: str = "nanometers"


@dataclass(frozen=True, kw_only=True)
class Experiment(Record):
    """Channels that share a coordinate frame, a number of levels and of time samples."""

    KEY = ("collection", "name")

    collection: str
    name: str
    description: str = ""
    creator: str = ""
    public: bool = False
    coord_frame: str
    num_hierarchy_levels: int = 1
    hierarchy_method: str = "anisotropic"
    num_time_samples: int = 1
    time_step: float = 0
    time_step_unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Channel(Record):
    """One volume with its levels.

    Attributes
    ----------
    uid : str
        Names its voxels in the store; never used again, whatever the channel is called.
    next_id : int
        The first id that nobody has reserved.
    """

    KEY = ("collection", "experiment", "name")

    collection: str
    experiment: str
    name: str
    description: str = ""
    creator: str = ""
    public: bool = False
    type: str = "image"
    datatype: str = "uint8"
    base_resolution: int = 0
    default_time_sample: int = 0
    sources: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    downsample_status: str = "NOT_DOWNSAMPLED"
    next_id: int = 1
    uid: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class Metadatum(Record):
    """A text kept under a key of a collection, an experiment or a channel (deeper names are empty)."""

    KEY = ("collection", "experiment", "channel", "label")

    collection: str
    experiment: str = ""
    channel: str = ""
    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Group(Record):
    """Users who are given permissions together."""

    name: str
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class Membership(Record):
    """That a user is in a group, as its ``member`` or ``maintainer``."""

    KEY = ("group", "user", "rank")

    group: str
    user: str
    rank: str


@dataclass(frozen=True, kw_only=True)
class Grant(Record):
    """What a group may do with a collection, an experiment or a channel (deeper names are empty)."""

    KEY = ("group", "collection", "experiment", "channel")

    group: str
    collection: str
    experiment: str = ""
    channel: str = ""
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class User(Record):
    """Who may have a token; `password` is a salted hash."""

    name: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Role(Record):
    """That a user may manage users or resources, or everything."""

    KEY = ("user", "role")

    user: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Token(Record):
    """The SHA-256 of a token, and whose it is; the token itself is kept nowhere."""

    KEY = ("digest",)

    digest: str = field(repr=False)
    user: str


KINDS: tuple[type[Record], ...] = (
    Collection, CoordinateFrame, Experiment, Channel, Metadatum, Group, Membership, Grant, User, Role, Token,
)  # fmt: skip
"""All kinds of records."""

Resource = Collection | CoordinateFrame | Experiment | Channel
"""What has a creator, and may be read, changed and deleted by those who are permitted."""


def place(resource: Resource) -> tuple[str, str, str]:
    """Collection, experiment and channel of a resource, empty where it has none."""
    keys = () if isinstance(resource, CoordinateFrame) else resource.key
    return (*keys, "", "", "")[:3]  # type: ignore[return-value]
