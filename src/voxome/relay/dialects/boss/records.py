"""The records of BossDB projects."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from voxome.relay.catalogue.contract import Record


@dataclass(frozen=True, kw_only=True)
class Collection(Record):
    """A project that contains experiments."""

    name: str
    description: str = ""
    creator: str = ""
    public: bool = False


@dataclass(frozen=True, kw_only=True)
class CoordinateFrame(Record):
    """Extent and voxel size of the finest level; several experiments may share one.

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
    served : str
        Name of the relay's source that is this channel, read-only; empty where the voxels are stored by BossDB's API.
    next_id : int
        First id that is not reserved.
    uid : str
        Name of its voxels in the store, never reused; it does not change when the channel is renamed.
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
    served: str = ""
    next_id: int = 1
    uid: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class LevelsJob(Record):
    """The computation of the levels of a channel.

    Attributes
    ----------
    uid : str
        That of the channel.
    owner : str
        The process that computes them; empty if none does.
    beat : int
        Changes while the owner lives.
    blocks : int
        Number of blocks of the coarsest level that are finished.
    cancelled : bool
        Whether it is to stop.
    outdated : bool
        Whether voxels were written since it began.
    ended : bool
        Whether a write can no longer mark it.
    """

    KEY = ("uid",)

    uid: str
    owner: str = ""
    beat: int = 0
    blocks: int = 0
    cancelled: bool = False
    outdated: bool = False
    ended: bool = False


@dataclass(frozen=True, kw_only=True)
class OutdatedLevels(Record):
    """A source whose finest level was written since its coarser ones were computed, be it a channel already or not."""

    KEY = ("identity",)

    identity: str


@dataclass(frozen=True, kw_only=True)
class Metadatum(Record):
    """A text under a key of a collection, an experiment or a channel (names below it are empty)."""

    KEY = ("collection", "experiment", "channel", "label")

    collection: str
    experiment: str = ""
    channel: str = ""
    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Grant(Record):
    """The permissions of a group on a collection, an experiment or a channel (names below it are empty)."""

    KEY = ("group", "collection", "experiment", "channel")

    group: str
    collection: str
    experiment: str = ""
    channel: str = ""
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Profile(Record):
    """Details of a user; `password` is a salted hash."""

    KEY = ("user",)

    user: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    password: str = field(default="", repr=False)


Resource = Collection | CoordinateFrame | Experiment | Channel
"""Records with a creator and permissions."""
PARTS = ("collection", "experiment", "channel")
"""Names that lead to a channel, outermost first."""


def names_of(resource: Resource) -> dict[str, str]:
    """Return the names of the collection, the experiment and the channel of a resource, empty where it has none."""
    key = () if isinstance(resource, CoordinateFrame) else resource.key
    return dict(zip(PARTS, (*key, "", "", ""), strict=False))
