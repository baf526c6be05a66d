"""Tables: blocks emit rows, which are folded into one table by their key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from voxome.contracts.frame import Frame
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.kinds import Arrays, Kind, Rows, Target
from voxome.contracts.provenance import ATTRIBUTE
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, InvalidInput, NotFound, StoreError
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.kinds.merge import ROWS_AT_ONCE, Fold, Folding, merge_parts
from voxome.kinds.ownership import FOREIGN, require_own, require_still_own
from voxome.kinds.paths import has_lost_parts, part_name, parts_folder, with_suffix
from voxome.kinds.rows import require_rows
from voxome.kinds.versions import pinned_file, require_recordable
from voxome.resources.columns import provenance_metadata
from voxome.resources.rows import concatenate
from voxome.resources.table import TableFile, write_batches, write_table
from voxome.storage.find import storage_at

_SUFFIX = ".parquet"
_STEP_KEY = "voxome_step_key"
"""Metadata of a table: the key of the step that it belongs to."""


@dataclass(frozen=True)
class TableReader:
    """A table as an input: tools get a TableFile, and read the rows that they need."""

    table: TableFile

    def read(self, box: Box) -> TableFile:
        """Return the table."""
        return self.table

    def view(self) -> TableFile:
        """Return the table."""
        return self.table


class TableWriter:
    """The rows of a job, folded into one part."""

    def __init__(self, folding: Folding, target: Target) -> None:
        self._folding, self._folder, self._target = folding, parts_folder(target), target
        self._rows: list[Rows] = []

    def begin_job(self) -> None:
        """Discard the rows of a job that failed."""
        self._rows.clear()

    def write(self, value: object, block: Block) -> None:
        """Take the rows of a block, or an iterator over parts of them."""
        parts = value if isinstance(value, Iterator) else iter([value])
        self._rows.extend(require_rows(part, self._folding.columns, self._target) for part in parts)

    def end_job(self, phase: int, job: int) -> None:
        """Write the part of the job."""
        rows, self._rows = self._rows, []
        columns = self._folding.columns
        folded = self._folding.apply(concatenate(rows, columns))
        write_table(self._folder / part_name(phase, job), folded, columns, row_group=ROWS_AT_ONCE)


@dataclass(frozen=True)
class Table(Kind):
    """Rows that blocks emit and that are folded into one table sorted by its key.

    Attributes
    ----------
    columns : mapping of str to str
        Column name → dtype.
    key : tuple of str
        Columns that identify a row of the folded table; integers.
    fold : mapping of str to {"sum", "min", "max"}
        How every other column of rows with the same key is combined; a table without folds keeps every row. Sums are
        of integers only, so that the order of blocks does not matter.
    """

    columns: Mapping[str, str]
    key: tuple[str, ...]
    fold: Mapping[str, Fold] = field(default_factory=dict)
    type: ClassVar[str] = "table"
    has_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        rest = set(self.columns) - set(self.key)
        if set(self.fold) != rest and self.fold:
            raise TypeError(f"fold names {sorted(self.fold)}; it must name {sorted(rest)}")
        for name, how in self.fold.items():
            if how == "sum" and np.dtype(self.columns[name]).kind not in "iu":
                raise TypeError(f"column {name!r} is a sum of {self.columns[name]}; only integers can be summed")

    @cached_property
    def folding(self) -> Folding:
        """How its rows are combined."""
        return Folding(self.columns, self.key, self.fold)

    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        return pinned_file(handle)

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        if STORE not in handle.uri:
            table = TableFile(handle.uri)
            missing = self.columns.keys() - set(table.columns)
            if missing:
                yield f"lacks columns: {', '.join(sorted(missing))}"
            empty = table.columns_with_nulls & self.columns.keys()
            if empty:
                yield f"has rows without a value in {', '.join(sorted(empty))}; fill or remove them"

    def open(self, handle: Handle) -> TableReader:
        return TableReader(TableFile(handle.uri))

    def arrays(self, handle: Handle, frame: Frame) -> Arrays | None:
        return TableFile(handle.uri).read()

    def location(self, base: str) -> str:
        return with_suffix(base, _SUFFIX)

    def target_uri(self, uri: str) -> str:
        path = storage_at(uri, writing=True)
        if not path.name.lower().endswith(_SUFFIX):
            raise InvalidInput(f"{path} is to be a Parquet table; end its name in {_SUFFIX}")
        return require_recordable(Uri("", path.path, path.options))

    def target_problems(self, target: Target, workers: int) -> Iterator[str]:
        owner = _owner_of(target.uri)
        if owner in (None, target.key) or (target.replacing and owner != FOREIGN):
            return
        advice = "remove it" if owner == FOREIGN else "replace it (--overwrite, overwrite=True)"
        yield f"{target.uri} exists, and is not the result of the same call; choose another file, or {advice}"

    def discard(self, target: Target) -> None:
        if target.replacing and _owner_of(target.uri) not in (None, target.key, FOREIGN):
            storage_at(target.uri).unlink()

    def prepare(self, target: Target) -> None:
        require_own(target, _owner_of(target.uri))

    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        if ended:
            return _owner_of(target.uri) != target.key
        return bool(target.grids) and has_lost_parts(target, done)

    def is_complete(self, target: Target) -> bool:
        if _owner_of(target.uri) != target.key:
            return False
        return not target.existing or ATTRIBUTE in TableFile(target.uri).metadata

    def remove(self, target: Target) -> None:
        if _owner_of(target.uri) in (None, target.key):
            storage_at(target.uri).unlink()
            self.drop_parts(target)

    def writer(self, target: Target) -> TableWriter:
        return TableWriter(self.folding, target)

    def write(self, target: Target, value: object) -> None:
        """Write a table, or an iterator over parts of one in the order of the key, of which it holds one at a time."""
        self.prepare(target)
        parts = value if isinstance(value, Iterator) else iter([value])
        batches = (require_rows(part, self.columns, target) for part in parts)
        write_batches(target.uri, batches, self.columns, metadata={_STEP_KEY: target.key})

    def fold_parts(self, target: Target) -> None:
        self.prepare(target)
        folder = parts_folder(target)
        parts = ((folder / part_name(0, job)).address for job in range(target.jobs(0)))
        merge_parts(parts, target.uri, folder / "merge", self.folding, metadata={_STEP_KEY: target.key})

    def finish(self, target: Target) -> None:
        """Write what made it into a table that the user has named; other tables are described by their run."""
        if not target.existing or self.is_complete(target):
            return
        require_still_own(target, _owner_of(target.uri))
        table = TableFile(target.uri)
        metadata = {_STEP_KEY: target.key, **provenance_metadata(target.provenance)}
        write_batches(target.uri, table.batches(ROWS_AT_ONCE), self.columns, row_group=ROWS_AT_ONCE, metadata=metadata)

    def drop_parts(self, target: Target) -> None:
        with suppress(NotFound, StoreError):
            parts_folder(target).delete()


def _owner_of(address: str) -> str | None:
    """Return the key of the step that has written a table, `FOREIGN`, or None if the table is missing."""
    try:
        return TableFile(address).metadata.get(_STEP_KEY, FOREIGN)
    except NotFound:
        return None
    except CorruptData:
        return FOREIGN
