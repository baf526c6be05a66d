"""Labels whose server keeps segments, edits and versions itself, as DVID does.

A *body* is a segment: a set of *supervoxels*, which are what is stored in the voxels. Points and boxes are z, y, x in
voxels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.contracts.kinds import Rows
from voxome.contracts.uri import Uri
from voxome.geometry import Box
from voxome.geometry.runs import Runs


class LabelMutation(Protocol):
    """One edit, as the server lists it."""

    @property
    def action(self) -> str:
        """What was done, such as ``merge``."""

    @property
    def mutation_id(self) -> int | None:
        """Number of the edit; None if the server does not send it."""

    @property
    def user(self) -> str:
        """Its user, or empty."""

    @property
    def time(self) -> str:
        """Its time, ISO 8601, or empty."""

    @property
    def details(self) -> Mapping[str, Any]:
        """All else, under the server's names."""


class LastLabelEdit(Protocol):
    """Last edit of a body; 0 and empty texts if there was none."""

    @property
    def mutation_id(self) -> int:
        """Number of the edit."""

    @property
    def user(self) -> str:
        """Its user."""

    @property
    def time(self) -> str:
        """Its time."""


class LabelCleave(Protocol):
    """Result of a cleave."""

    @property
    def label(self) -> int:
        """The new body."""

    @property
    def mutation_id(self) -> int:
        """Number of the edit."""


class SupervoxelPart(Protocol):
    """Result of the split of a supervoxel."""

    @property
    def part(self) -> int:
        """Supervoxel of the voxels that were split off."""

    @property
    def mutation_id(self) -> int:
        """Number of the edit."""


class LabelEdits(Protocol):
    """Bodies and supervoxels of one version."""

    @property
    def block_shape(self) -> tuple[int, int, int]:
        """Voxels of a block along z, y, x."""

    def at(self, points: ArrayLike) -> NDArray[np.uint64]:
        """Return the body at each point; 0 in the background."""

    def bodies_of(self, supervoxels: Iterable[int]) -> NDArray[np.uint64]:
        """Return the body of each supervoxel; 0 if it does not exist."""

    def supervoxels(self, label: int) -> NDArray[np.uint64]:
        """Return the supervoxels of a body, sorted."""

    def mappings(self) -> Rows:
        """Return the supervoxels whose label differs from that of their body: ``supervoxel`` and ``body``."""

    def runs(self, label: int, *, box: Box | None = None, supervoxel: bool = False) -> Runs:
        """Return the voxels of a body or supervoxel, inside `box`."""

    def blocks(self, label: int) -> Runs:
        """Return the blocks that a body touches, in blocks."""

    def merge(self, label: int, others: Iterable[int]) -> int:
        """Merge other bodies into `label`; return the number of the edit."""

    def cleave(self, label: int, supervoxels: Iterable[int]) -> LabelCleave:
        """Divide supervoxels off a body."""

    def split_supervoxel(self, supervoxel: int, part: Runs) -> SupervoxelPart:
        """Divide a supervoxel in two, which stay in its body."""

    def mutations(self) -> Sequence[LabelMutation]:
        """Return the edits in this version, in order."""

    def last_edit(self, label: int) -> LastLabelEdit:
        """Return the last edit of a body; NotFound if it does not exist."""


class LabelVersionInfo(Protocol):
    """One version, as the server lists it."""

    @property
    def uuid(self) -> str:
        """Identifies the version."""

    @property
    def branch(self) -> str:
        """Its branch."""

    @property
    def note(self) -> str:
        """Its note."""

    @property
    def locked(self) -> bool:
        """Whether it is committed."""

    @property
    def parents(self) -> tuple[str, ...]:
        """UUIDs of the versions that it follows."""


class LabelVersion(Protocol):
    """One version of all data of a repository."""

    @property
    def url(self) -> str:
        """Address of the server."""

    @property
    def uuid(self) -> str:
        """Identifies the version."""

    @property
    def info(self) -> LabelVersionInfo:
        """Description of this version."""

    @property
    def versions(self) -> Mapping[str, LabelVersionInfo]:
        """All versions by UUID, oldest first."""

    @property
    def branches(self) -> list[str]:
        """Names of all branches, the main one first."""

    def branch_versions(self, branch: str) -> list[str]:
        """Return the UUIDs of a branch, the last one first."""

    def labels(self, name: str) -> LabelEdits:
        """Return the labels of one instance."""

    def at(self, version: str) -> Self:
        """Return another version."""

    def commit(self, note: str = "") -> None:
        """Lock the version for good."""

    def new_version(self) -> Self:
        """Create a version that follows this one, which is committed."""

    def branch(self, name: str) -> Self:
        """Create a version on a new branch."""

    def merge_versions(self, others: Iterable[str], note: str = "") -> Self:
        """Merge committed versions without conflicts into a new one."""

    def resolve_versions(self, others: Iterable[str], instances: Iterable[str], note: str = "") -> Self:
        """Merge committed versions; where they conflict, the earlier ones win."""

    def reload_metadata(self) -> None:
        """Let the server read its metadata again."""


@runtime_checkable
class SupportsLabelEdits(Protocol):
    """A remote whose server keeps the segments of labels, their edits and versions."""

    def open_label_edits(self, uri: Uri, author: str | None) -> tuple[LabelVersion, str]:
        """Return the version of the labels at `uri`, and their name in it.

        Parameters
        ----------
        uri : Uri
            Address of the labels.
        author : str or None
            Who makes edits; the user of the profile, or of this machine, if None.

        Raises
        ------
        InvalidUri
            If it does not name labels of a version.
        InvalidInput
            If there are no such labels.
        """
