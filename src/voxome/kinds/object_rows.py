"""The rows of the objects of a group, read object by object from a temporary file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.kinds.group_parts import ID, Spool
from voxome.resources.rows import BYTES, concatenate


class ObjectRows:
    """The rows of one group, by object; see `voxome.contracts.context.GroupRows`.

    Byte strings are in a temporary file: memory holds the numbers of all rows, and the strings of one object.

    Parameters
    ----------
    batches : iterable of mapping of str to array
        In the order of the blocks.
    columns : mapping of str to str
        Names and dtypes.
    """

    def __init__(self, batches: Iterable[Rows], columns: Mapping[str, str]) -> None:
        self._texts = [name for name, dtype in columns.items() if dtype == BYTES]
        self._columns, self._spool = columns, Spool()
        rows = concatenate([self._spill(batch) for batch in batches], self._stored_columns)
        order = np.argsort(rows[ID], kind="stable")
        self._rows = {name: values[order] for name, values in rows.items()}

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of the group, sorted."""
        return np.unique(self._rows[ID])

    def rows(self, id: int) -> Rows:
        """Return the rows of an object, in the order of the blocks."""
        key = np.uint64(id)
        start, stop = (int(np.searchsorted(self._rows[ID], key, side)) for side in ("left", "right"))
        found = {name: values[start:stop] for name, values in self._rows.items()}
        return {name: self._load(found[name]) if name in self._texts else found[name] for name in self._columns}

    @property
    def _stored_columns(self) -> dict[str, str]:
        """The columns in memory; of a byte string, the number of its first byte in the file and of the one after."""
        return {name: "int64,int64" if dtype == BYTES else dtype for name, dtype in self._columns.items()}

    def _spill(self, batch: Rows) -> Rows:
        return {name: self._store(batch[name]) if name in self._texts else batch[name] for name in self._columns}

    def _store(self, texts: NDArray[np.object_]) -> NDArray[np.void]:
        ends = self._spool.size + np.cumsum([len(text) for text in texts], dtype=np.int64)
        spans: NDArray[np.void] = np.empty(len(texts), "int64,int64")
        spans["f0"][1:], spans["f0"][:1], spans["f1"] = ends[:-1], self._spool.size, ends
        self._spool.append(b"".join(texts))
        return spans

    def _load(self, spans: NDArray[np.void]) -> NDArray[np.object_]:
        texts = np.empty(len(spans), object)
        texts[:] = [self._spool.read(start, stop) for start, stop in spans.tolist()]
        return texts
