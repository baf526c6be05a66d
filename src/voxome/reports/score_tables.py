"""Tables that are scored: points, cells, edges and lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.arguments import require_path
from voxome.contracts.uri import Location
from voxome.errors import InvalidInput
from voxome.metrics.cells import Cells
from voxome.metrics.graph import Edges
from voxome.resources.point_positions import is_annotations, read_positions
from voxome.resources.table import TableFile

TableLike = Location | Mapping[str, NDArray[Any]]
"""A Parquet file, or columns by name; of points also the URI of annotations."""

POSITION = ("z_nm", "y_nm", "x_nm")


def read_columns(
    argument: str, table: TableLike, names: tuple[str, ...], *, drop_nulls: bool = False
) -> dict[str, NDArray[np.generic]]:
    """Return the named columns of a Parquet file, or of columns in memory."""
    if isinstance(table, Mapping):
        known, where = list(table), "the table"
    else:
        file = TableFile(require_path(argument, table))
        known, where = list(file.columns), str(table)
    if missing := [name for name in names if name not in known]:
        raise InvalidInput(f"{where} has no column {', '.join(missing)}; its columns: {', '.join(known)}")
    if isinstance(table, Mapping):
        rows = {name: np.asarray(table[name]) for name in names}
    else:
        rows = file.read(names, drop_nulls=drop_nulls)
    if any(values.ndim != 1 or values.dtype.kind not in "biuf" for values in rows.values()):
        raise InvalidInput(f"the columns {', '.join(names)} of {where} should be numbers, one for each row")
    if len({len(values) for values in rows.values()}) > 1:
        counts = ", ".join(str(len(values)) for values in rows.values())
        raise InvalidInput(f"the columns {', '.join(names)} of {where} have {counts} rows; expected equally many")
    return rows


def read_points(argument: str, table: TableLike) -> NDArray[np.float64]:
    """Return positions (n, 3), z, y, x in nm, of a table or of annotations."""
    if isinstance(table, str) and is_annotations(table):
        return read_positions(table)
    rows = read_columns(argument, table, POSITION)
    points = np.stack([rows[name].astype(np.float64) for name in POSITION], axis=1)
    if not np.isfinite(points).all():
        raise InvalidInput("the table has rows without a position in nm; rerun with --voxel-size Z,Y,X")
    return points


def read_cells(argument: str, table: TableLike) -> Cells:
    """Return cells, with their radii if the table has them."""
    if is_annotations(table):
        return Cells(read_points(argument, table), None)
    columns = list(table) if isinstance(table, Mapping) else TableFile(require_path(argument, table)).columns
    radius = read_columns(argument, table, ("radius_nm",))["radius_nm"] if "radius_nm" in columns else None
    return Cells(read_points(argument, table), radius)


def read_edges(argument: str, table: TableLike) -> Edges:
    """Return the edges of a table; those with an unknown end are left out."""
    rows = read_columns(argument, table, ("pre_id", "post_id", "directed"), drop_nulls=True)
    for name in ("pre_id", "post_id"):
        if rows[name].dtype.kind not in "iu":
            raise InvalidInput(f"the column {name} is {rows[name].dtype}; expected integers: floats round ids")
    return Edges(rows["pre_id"], rows["post_id"], rows["directed"].astype(np.bool_))


def read_line_voxels(argument: str, table: TableLike) -> NDArray[np.int64]:
    """Return the voxels (n, 3) of lines, sorted along z."""
    rows = read_columns(argument, table, ("z", "y", "x"))
    if any(values.dtype.kind not in "iu" for values in rows.values()):
        raise InvalidInput(f"the columns z, y, x of {argument} should be whole numbers: indices of voxels")
    voxels = np.stack([rows[name].astype(np.int64) for name in ("z", "y", "x")], axis=1)
    return voxels[np.argsort(voxels[:, 0], kind="stable")]


def read_length_nm(argument: str, table: TableLike) -> float:
    """Return the total length of branches in nm."""
    length = read_columns(argument, table, ("length_nm",))["length_nm"].astype(np.float64)
    if not (length >= 0).all():
        raise InvalidInput(f"length_nm of a branch of {argument} is not a number of at least 0")
    return float(length.sum())
