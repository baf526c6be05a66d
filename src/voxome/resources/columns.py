"""Tables in memory, as services return them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_calls, explain_construction
from voxome.contracts.arguments import require_flags, require_id, require_path
from voxome.contracts.kinds import Rows
from voxome.contracts.provenance import ATTRIBUTE, Provenance
from voxome.contracts.uri import Location
from voxome.errors import CorruptData, InvalidInput, NotFound, UnknownName
from voxome.resources.table import TableFile
from voxome.resources.table_files import require_new_table, table_path, write_table_file


@explain_construction
class Table:
    """Columns of numbers, sorted by those that identify a row.

    ``table["voxels"]`` is a column, an array; ``len(table)`` the number of rows; ``dict(table.rows)`` what
    ``pandas.DataFrame`` and ``polars.DataFrame`` take.

    Parameters
    ----------
    rows : mapping of str to array
        One array a column, all of one length.
    key : sequence of str
        Columns that identify a row.
    provenance : Provenance, optional
        What made it.
    pairs : bool
        Whether the key is two ids in either order, the smaller one first.
    """

    def __init__(
        self,
        rows: Mapping[str, NDArray[Any]],
        key: Sequence[str],
        provenance: Provenance | None = None,
        *,
        pairs: bool = False,
    ) -> None:
        self.rows: Rows = dict(rows)
        self.key, self.provenance, self._pairs = tuple(key), provenance, pairs

    def __repr__(self) -> str:
        return f"<Table of {len(self):,} rows: {', '.join(self.columns)}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.rows)

    def __len__(self) -> int:
        return len(self.rows[self.key[0]])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column.

        Raises
        ------
        UnknownName
            If there is none of that name.
        """
        if name not in self.rows:
            raise UnknownName.of("column", name, self.rows)
        return self.rows[name]

    @explain_calls
    def row(self, *key: int) -> dict[str, Any]:
        """Return the row with the given values of the columns that identify it, as Python numbers by column.

        A pair of ids, as of `contacts`, may be given in either order.

        Raises
        ------
        InvalidInput
            If there are fewer or more values than such columns.
        NotFound
            If there is no such row.
        """
        if len(key) != len(self.key):
            raise InvalidInput(f"a row is identified by {', '.join(self.key)}; {len(key)} values were given")
        values = [require_id(name, value) for name, value in zip(self.key, key, strict=True)]
        found = np.ones(len(self), np.bool_)
        for name, value in zip(self.key, sorted(values) if self._pairs else values, strict=True):
            found &= self.rows[name] == np.uint64(value)
        if not found.any():
            wanted = ", ".join(f"{name} {value}" for name, value in zip(self.key, key, strict=True))
            raise NotFound(f"the table has no row with {wanted}")
        at = int(found.argmax())
        return {name: column[at].item() for name, column in self.rows.items()}

    @explain_calls
    def write(self, path: Location, *, overwrite: bool = False) -> None:
        """Write the table as a file ``.parquet``, with its provenance, or ``.csv``.

        Parameters
        ----------
        path : str or path
            Path or address, such as ``s3://bucket/regions.parquet``.
        overwrite : bool
            Whether a file that exists is replaced.

        Raises
        ------
        AlreadyExists
            If the file exists, unless `overwrite`.
        InvalidInput
            If its suffix is another one.
        ReadOnly
            If its store or folder cannot be written to.
        StoreError
            If it cannot be written.
        """
        require_flags(overwrite=overwrite)
        target = table_path(require_path("path", path))
        if not overwrite:
            require_new_table(target)
        columns = {name: str(values.dtype) for name, values in self.rows.items()}
        write_table_file(target, [self.rows], columns, provenance_metadata(self.provenance))


def provenance_metadata(provenance: Provenance | None) -> dict[str, str]:
    """Return the metadata of a table file that keep what made it."""
    return {} if provenance is None else {ATTRIBUTE: json.dumps(provenance.to_json())}


def read_table_provenance(path: str) -> tuple[Provenance, ...]:
    """Return what made a table file; empty if it does not say.

    Raises
    ------
    NotFound, CorruptData, UnsupportedFormat
        If there is no such file, it is no Parquet file, or it is of another version.
    """
    text = TableFile(path).metadata.get(ATTRIBUTE)
    if text is None:
        return ()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"{path}: its provenance is not JSON: {error}") from error
    return (Provenance.from_json(data, path),)
