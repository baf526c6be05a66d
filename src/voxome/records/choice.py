"""The record store that a user chose for a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from voxome.contracts.records import RecordStore
from voxome.errors import InvalidInput, describe_value
from voxome.registry import factory

DEFAULT = "sqlite"
RecordsChoice = str | RecordStore
"""``NAME[?option=value&…]``, or a record store, which its owner closes."""
OpenRecords = Callable[[Path, str], AbstractContextManager[RecordStore]]
"""Opens the records of this name in a folder, and closes them on exit."""


def records_opener(choice: RecordsChoice | None) -> OpenRecords:
    """Return a function that opens the records of the user's choice; ``sqlite`` if None.

    Raises
    ------
    UnknownName, InvalidInput, PluginError
        If the record store does not exist, or if it does not take an option.
    """
    chosen = DEFAULT if choice is None else choice
    if not isinstance(chosen, str | RecordStore) or chosen == "":
        raise InvalidInput(
            f"records is {describe_value(choice)}; expected the name of a record store, such as 'sqlite', or a "
            "record store"
        )
    if not isinstance(chosen, str):
        store = chosen
        return lambda _folder, _name: nullcontext(store)
    open_store: Callable[..., RecordStore] = factory("voxome.records", chosen)
    return lambda folder, name: closing(open_store(folder=folder, name=name))
