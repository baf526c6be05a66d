"""Files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Kind, Target
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.kinds.ownership import file_owner, remove_own_file, require_own, write_own_file
from voxome.kinds.paths import with_suffix
from voxome.kinds.versions import pinned_file
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath


@dataclass(frozen=True)
class FileReader:
    """A file as an input: tools get its path, with `read_bytes` and `open_file`."""

    path: StoragePath

    def read(self, box: Box) -> StoragePath:
        """Return the path."""
        return self.path

    def view(self) -> StoragePath:
        """Return the path."""
        return self.path


@dataclass(frozen=True)
class File(Kind):
    """A file that a tool of whole tables returns as bytes."""

    extension: str
    type: ClassVar[str] = "file"

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        return pinned_file(handle)

    def open(self, handle: Handle) -> FileReader:
        return FileReader(storage_at(handle.uri))

    def location(self, base: str) -> str:
        return with_suffix(base, f".{self.extension}")

    def prepare(self, target: Target) -> None:
        require_own(target, file_owner(storage_at(target.uri)))

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        return ended and not self.is_complete(target)

    def is_complete(self, target: Target) -> bool:
        return file_owner(storage_at(target.uri)) == target.key

    def remove(self, target: Target) -> None:
        remove_own_file(target)

    def write(self, target: Target, value: object) -> None:
        if not isinstance(value, bytes):
            raise InvalidInput(
                f"output {target.name!r} of {target.tool} is a {type(value).__name__}; bytes are expected"
            )
        write_own_file(target, value)
