"""SWC: skeletons as text, a line ``id type x y z radius parent`` for each node; parent -1 for a root.

Format: http://www.neuronland.org/NLMorphologyConverter/MorphologyFormats/SWC/Spec.html
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shape_files import UNITS
from voxome.contracts.shapes import Skeleton
from voxome.errors import CorruptData, InvalidInput

_COLUMNS = 7
_TYPE = "swc_type"
_META = "# Meta: "
_REPEATS = "# repeats: "
_UNIT_NAMES = {"nanometer": "nm", "micrometer": "um", "micron": "um", "microns": "um", "millimeter": "mm"}
_STATED = re.compile(r"\s*1?\s*([a-zA-Zµ]+)\s*")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SwcTable:
    """The nodes of a file.

    Attributes
    ----------
    types : (n,) array of int64
        1 soma, 2 axon, 3 dendrite, …
    xyz : (n, 3) array of float64
        x, y, z in the unit of the file.
    radii : (n,) array of float64
        In the unit of the file; NaN where it is 0 or less, which means unknown.
    parents : (n,) array of int64
        Row of the parent of each node, -1 for a root.
    """

    types: NDArray[np.int64]
    xyz: NDArray[np.float64]
    radii: NDArray[np.float64]
    parents: NDArray[np.int64]

    @property
    def edges(self) -> NDArray[np.int64]:
        """Rows of child and parent (m, 2)."""
        children = np.flatnonzero(self.parents >= 0)
        return np.column_stack([children, self.parents[children]])


def _numbers(line: str, what: str) -> list[float]:
    try:
        numbers = [float(one) for one in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != _COLUMNS:
        raise CorruptData(f"{what} is {line.strip()[:60]!r}; expected seven numbers")
    return numbers


def parse_swc(text: str, what: str) -> SwcTable:
    """Parse the lines of a file; `what` begins error messages.

    Raises
    ------
    CorruptData
        If a line does not have seven numbers, an id occurs twice, or a parent is missing.
    """
    lines = [
        _numbers(line, f"{what}: line {number}")
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    table = np.array(lines, np.float64).reshape(-1, _COLUMNS)
    ids, types, x, y, z, radii, parents = table.T
    rows = _parent_rows(ids.astype(np.int64), parents.astype(np.int64), what)
    known = np.where(radii > 0, radii, np.nan)
    return SwcTable(types.astype(np.int64), np.column_stack([x, y, z]), known, rows)


def decode_swc(text: str, what: str, unit: str | None = None) -> Skeleton:
    """Decode a skeleton.

    Parameters
    ----------
    text : str
        Content of the file.
    what : str
        Beginning of error messages.
    unit : {"nm", "um", "mm"}, optional
        Unit of the file; the one in its header if None.

    Raises
    ------
    InvalidInput
        If neither the header nor `unit` says what the unit is.
    CorruptData
        If the lines are not SWC.
    """
    table = parse_swc(text, what)
    size = UNITS[_unit_of(text, what) if unit is None else unit]
    edges, kept = _join_repeats(table.edges, text, len(table.types), what)
    return Skeleton(
        (table.xyz * size)[kept][:, ::-1],
        edges,
        (table.radii * size)[kept],
        {_TYPE: table.types[kept]},
    )


def encode_swc(skeleton: Skeleton, id: int | None = None) -> str:
    """Encode a skeleton in nm: nodes are numbered 1 to n, parents before their children.

    SWC has no cycles: where a skeleton has one, a node is repeated at its place, and a comment says which, by which
    `decode_swc` closes the cycle again. Attributes other than ``swc_type`` are left out; this is logged, and in a
    comment.

    Parameters
    ----------
    skeleton : Skeleton
        Skeleton to encode.
    id : int, optional
        Segment that it is of, for the header.
    """
    parents, repeated = _spanning_forest(skeleton)
    order = _parents_first(parents)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    source = np.concatenate([np.arange(len(skeleton.nodes_nm)), repeated])
    types = np.asarray(skeleton.attributes.get(_TYPE, np.zeros(len(skeleton.nodes_nm))), np.int64)
    above = np.where(parents < 0, -1, rank[parents])
    rows = zip(
        types[source[order]].tolist(),
        skeleton.nodes_nm[source[order]].tolist(),
        np.nan_to_num(skeleton.radii_nm[source[order]]).tolist(),
        above[order].tolist(),
        strict=True,
    )
    lines = [
        f"{row} {type} {x!r} {y!r} {z!r} {radius!r} {parent}"
        for row, (type, (z, y, x), radius, parent) in enumerate(rows, start=1)
    ]
    pairs = np.column_stack([rank[len(skeleton.nodes_nm) :], rank[repeated]]).tolist()
    return "\n".join([*_header(skeleton, id, pairs), *lines, ""])


def _header(skeleton: Skeleton, id: int | None, pairs: list[list[int]]) -> list[str]:
    meta = {"units": "1 nanometer", **({} if id is None else {"id": str(id)})}
    lines = ["# voxome: x, y, z and radius in nm from the corner of voxel 0", f"{_META}{json.dumps(meta)}"]
    if left_out := sorted(set(skeleton.attributes) - {_TYPE}):
        _log.warning("SWC has no place for the attributes %s of a skeleton; they are left out", ", ".join(left_out))
        lines.append(f"# left out: {', '.join(left_out)}")
    if pairs:
        lines.append(f"{_REPEATS}{json.dumps(pairs)}")
    return [*lines, "# id type x y z radius parent"]


def _spanning_forest(skeleton: Skeleton) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the parents (n + m) of all nodes and of m repeated ones, and the nodes (m) that these repeat."""
    count, edges = len(skeleton.nodes_nm), skeleton.edges
    kept = _without_cycles(edges, count)
    forest = Skeleton(skeleton.nodes_nm, edges[kept], skeleton.radii_nm)
    extra = edges[~kept]
    return np.concatenate([forest.parents, extra[:, 0]]), extra[:, 1]


def _without_cycles(edges: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return which edges (m) belong to a spanning forest: all, if there is no cycle."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = np.sort(edges, axis=1).T
    weights = np.arange(1, len(edges) + 1, dtype=np.float64)
    pairs, first = np.unique(np.stack([low, high], axis=1), axis=0, return_index=True)
    rows, columns = pairs.T.astype(np.int32)  # scipy before 1.16 takes no others
    graph = coo_array((weights[first], (rows, columns)), shape=(count, count)).tocsr()
    kept = np.zeros(len(edges), bool)
    kept[minimum_spanning_tree(graph).data.astype(np.int64) - 1] = True
    return kept & (low != high)


def _parents_first(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an order of nodes in which parents come before their children; that which there is, if it is one."""
    if (parents < np.arange(len(parents))).all():
        return np.arange(len(parents))
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import depth_first_order

    top = len(parents)
    above = np.where(parents < 0, top, parents)
    graph = coo_array((np.ones(top, np.int8), (above, np.arange(top))), shape=(top + 1, top + 1)).tocsr()
    order: NDArray[np.int64] = depth_first_order(graph, top, return_predecessors=False)[1:].astype(np.int64)
    return order


def _unit_of(text: str, what: str) -> str:
    """Return the unit in the header, as navis and voxome write it."""
    for line in text.splitlines():
        if line.startswith(_META):
            try:
                stated = str(json.loads(line.removeprefix(_META)).get("units", ""))
            except (ValueError, AttributeError, RecursionError):
                continue
            name = _STATED.fullmatch(stated)
            unit = _UNIT_NAMES.get(name[1].lower(), name[1].lower().replace("µ", "u")) if name else ""
            if unit in UNITS:
                return unit
    raise InvalidInput(f"{what}: its header says no unit; give it: unit={', '.join(UNITS)}")


def _join_repeats(
    edges: NDArray[np.int64], text: str, count: int, what: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges after nodes that a comment says to be repeated are again one, and the rows that are kept."""
    rows = np.arange(count)
    for line in text.splitlines():
        if line.startswith(_REPEATS):
            try:
                pairs = np.array(json.loads(line.removeprefix(_REPEATS)), np.int64).reshape(-1, 2) - 1
                rows[pairs[:, 0]] = pairs[:, 1]
            except (ValueError, IndexError, RecursionError) as error:
                raise CorruptData(f"{what}: cannot read which nodes are repeated: {error}") from error
    kept = np.flatnonzero(rows == np.arange(count))
    new = np.full(count, -1, np.int64)
    new[kept] = np.arange(len(kept))
    return new[rows[edges]], kept


def _parent_rows(ids: NDArray[np.int64], parents: NDArray[np.int64], what: str) -> NDArray[np.int64]:
    order = np.argsort(ids)
    if (np.diff(ids[order]) == 0).any():
        raise CorruptData(f"{what}: a node id occurs twice")
    rows = np.full(len(ids), -1, np.int64)
    children = np.flatnonzero(parents >= 0)
    positions = np.searchsorted(ids, parents[children], sorter=order).clip(max=max(len(ids) - 1, 0))
    rows[children] = order[positions] if len(children) else []
    orphans = children[ids[rows[children]] != parents[children]]
    if orphans.size:
        raise CorruptData(f"{what}: node {ids[orphans[0]]} has parent {parents[orphans[0]]}, which is missing")
    return rows
