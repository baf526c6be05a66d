"""Tables by groups of ids: pieces of objects that blocks return, read object by object."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from voxome.contracts.formats import GROUPS
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.id_groups import count_groups
from voxome.contracts.kinds import Kind, Target
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.kinds.group_parts import ID, SUFFIX, PartWriter, read_group
from voxome.kinds.object_rows import ObjectRows
from voxome.kinds.ownership import FOREIGN, require_own
from voxome.kinds.paths import has_lost_parts, part_name, parts_folder
from voxome.kinds.rows import require_rows
from voxome.kinds.versions import pinned_folder
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

_INDEX = "groups.json"


@dataclass(frozen=True)
class GroupIndex:
    """What the parts of a table of groups are.

    Attributes
    ----------
    groups : int
        Number of groups of ids.
    parts : int
        Number of parts: of the jobs of the step.
    step_key : str
        Key of the step that they belong to.
    """

    groups: int
    parts: int
    step_key: str = FOREIGN

    def to_json(self) -> bytes:
        """Return the index as JSON, marked with its format."""
        return json.dumps(
            GROUPS.stamp({"groups": self.groups, "parts": self.parts, "step_key": self.step_key})
        ).encode()

    @classmethod
    def read(cls, path: StoragePath) -> GroupIndex:
        """Return the index of the table of groups in a folder.

        Raises
        ------
        NotFound
            If there is none.
        CorruptData
            If it cannot be read.
        """
        text = (path / _INDEX).read_bytes()
        if text is None:
            raise NotFound(f"the table of groups {path} does not exist")
        try:
            content = GROUPS.content(json.loads(text), path / _INDEX)
            return cls(int(content["groups"]), int(content["parts"]), str(content["step_key"]))
        except (json.JSONDecodeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise CorruptData(f"the table of groups {path} is damaged: {error!r}; remove it, and rerun") from error


@dataclass(frozen=True)
class GroupReader:
    """A table of groups as an input: a tool of groups gets the rows of its group."""

    folder: StoragePath
    index: GroupIndex
    columns: Mapping[str, str]

    def read(self, box: Box) -> ObjectRows:
        """Return the rows of a group; the box of group *i* starts at *i* along its first axis."""
        return self.rows(box.start[0])

    def rows(self, group: int) -> ObjectRows:
        """Return the rows of group `group`; those of no other are read.

        Raises
        ------
        InvalidInput
            If there is no such group.
        """
        if not 0 <= group < self.index.groups:
            raise InvalidInput(f"there is no group {group} in {self.folder}, which has {self.index.groups}")
        names = _part_names(self.index.parts)
        return ObjectRows(read_group(self.folder, names, group, self.columns), self.columns)

    def view(self) -> GroupReader:
        """Return this reader."""
        return self


class GroupWriter:
    """The rows of the blocks of a job, in one part, sorted by group."""

    def __init__(self, columns: Mapping[str, str], target: Target, groups: int) -> None:
        self._columns, self._target, self._part = columns, target, PartWriter(columns, groups)

    def begin_job(self) -> None:
        """Discard the rows of a job that failed."""
        self._part.clear()

    def write(self, value: object, block: Block) -> None:
        """Take the rows of a block."""
        self._part.append(require_rows(value, self._columns, self._target))

    def end_job(self, phase: int, job: int) -> None:
        """Write the part of the job."""
        self._part.write(parts_folder(self._target) / part_name(phase, job, SUFFIX))


@dataclass(frozen=True)
class Groups(Kind):
    """Rows with the id of an object, kept by groups of ids, so that a tool sees all rows of an object at once.

    A tool of blocks returns them, one of scope ``groups`` gets those of its group as
    `voxome.contracts.context.GroupRows`. Nothing is folded.

    Attributes
    ----------
    columns : mapping of str to str
        Column name → dtype; ``bytes`` are byte strings of any length. One is ``id``, of ``uint64``.
    """

    columns: Mapping[str, str]
    type: ClassVar[str] = "groups"

    def __post_init__(self) -> None:
        if self.columns.get(ID) != "uint64":
            raise TypeError(f"a table of groups needs a column {ID!r} of uint64; its columns are {dict(self.columns)}")

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        return pinned_folder(handle, _INDEX)

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        if STORE in handle.uri:
            return
        path = storage_at(handle.uri)
        names = _part_names(GroupIndex.read(path).parts)
        missing = path.missing(names)
        if missing:
            yield f"is not finished: {len(missing)} of {len(names)} parts are missing; rerun what computes it"

    def open(self, handle: Handle) -> GroupReader:
        path = storage_at(handle.uri)
        return GroupReader(path, GroupIndex.read(path), self.columns)

    def location(self, base: str) -> str:
        return base

    def prepare(self, target: Target) -> None:
        folder = parts_folder(target)
        require_own(target, _owner_of(folder))
        (folder / _INDEX).write_bytes(GroupIndex(_groups(target), target.jobs(0), target.key).to_json())

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        return _owner_of(parts_folder(target)) != target.key or has_lost_parts(target, done, SUFFIX)

    def is_complete(self, target: Target) -> bool:
        return not self.is_lost(target, [range(target.jobs(0))], ended=True)

    def remove(self, target: Target) -> None:
        folder = parts_folder(target)
        if _owner_of(folder) not in (None, target.key):
            return
        (folder / _INDEX).unlink()
        if folder.taken():
            folder.delete()

    def writer(self, target: Target) -> GroupWriter:
        return GroupWriter(self.columns, target, _groups(target))


def _part_names(parts: int) -> list[str]:
    return [part_name(0, job, SUFFIX) for job in range(parts)]


def _groups(target: Target) -> int:
    if target.frame is None:
        raise InvalidInput(
            f"the output {target.name!r} of {target.tool} needs a volume as input, of whose objects it is"
        )
    return count_groups(target.frame.box.size)


def _owner_of(path: StoragePath) -> str | None:
    """Return the key of the step that has written a table of groups, `FOREIGN`, or None if the table is missing."""
    try:
        return GroupIndex.read(path).step_key
    except NotFound:
        return None
    except CorruptData:
        return FOREIGN
