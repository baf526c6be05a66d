"""Settings of tiles, which are stored with their values, so that another step can compare its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.kinds.merge import Fold
from voxome.resources.table import TableFile

EDGES = ("edge_z", "edge_y", "edge_x")
"""Lengths of a tile, in voxels."""
EDGE_COLUMNS = dict.fromkeys(EDGES, "int64")
EDGE_FOLD: dict[str, Fold] = dict.fromkeys(EDGES, "max")


def repeat_settings(settings: Mapping[str, float], count: int) -> Rows:
    """Return settings as columns of so many rows."""
    return {name: np.full(count, value) for name, value in settings.items()}


def require_settings(table: TableFile, settings: Mapping[str, float], advice: str) -> None:
    """Refuse a table of other settings.

    Parameters
    ----------
    table : TableFile
        Table with the columns of `settings`; its first row is compared.
    settings : mapping of str to number
        What is expected.
    advice : str
        What to do.

    Raises
    ------
    InvalidInput
        If they differ.
    """
    first = next(table.batches(1), None)
    if first is not None:
        require_same({name: first[name][0].item() for name in settings}, settings, table.path, advice)


def require_same(found: Mapping[str, float], settings: Mapping[str, float], where: str, advice: str) -> None:
    """Refuse tiles of other settings, with what to do.

    Raises
    ------
    InvalidInput
        If they differ.
    """
    if found != settings:
        shown = (", ".join(f"{name} {value:g}" for name, value in one.items()) for one in (found, settings))
        raise InvalidInput("{} has tiles of {}; expected {}: {}".format(where, *shown, advice))
