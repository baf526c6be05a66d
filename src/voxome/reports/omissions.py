"""What a report cannot show, since data of the finished run are missing or damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData, VoxomeError
from voxome.resources.table import TableFile

T = TypeVar("T")
Other = TypeVar("Other")


class Omissions:
    """Parts that a report leaves out, and why: a run whose work is done does not fail for its report.

    Attributes
    ----------
    reasons : dict of str to str
        Part of the report → why it is left out.

    Examples
    --------
    >>> omissions = Omissions()
    >>> omissions.attempt("cells", lambda: len(read_columns("cells.parquet", ["id"])["id"]), None)
    >>> omissions.facts()
    {'not in this report: cells': 'the table cells.parquet does not exist'}
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def attempt(self, part: str, make: Callable[[], T], otherwise: Other) -> T | Other:
        """Return what `make` returns; if what it reads is missing or damaged, `otherwise`, and keep the reason.

        Errors of programming are raised.
        """
        try:
            return make()
        except (VoxomeError, OSError) as error:
            self.reasons[part] = str(error)
            return otherwise

    def facts(self) -> dict[str, str]:
        """Return what is left out, for the notes and the summary of the report."""
        return {f"not in this report: {part}": reason for part, reason in self.reasons.items()}


def read_columns(path: str, columns: Sequence[str]) -> Rows:
    """Return columns of a table.

    Raises
    ------
    NotFound
        If there is no such table.
    CorruptData
        If it cannot be read, or lacks a column.
    """
    table = TableFile(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise CorruptData(f"{path} has no column {', '.join(missing)}; run the step that writes it again")
    return table.read(columns)
