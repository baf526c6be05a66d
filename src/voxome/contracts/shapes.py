"""Meshes, skeletons and annotations as plain arrays.

Positions are z, y, x in nm from the corner of voxel 0, as in Neuroglancer: voxel i of the finest level covers
``i * voxel_size_nm`` to ``(i + 1) * voxel_size_nm``. See docs/coordinates.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxome.calls import explain_construction
from voxome.contracts.arguments import require_mapping, require_positions_in_order
from voxome.contracts.provenance import Provenance
from voxome.contracts.ragged import Ragged, as_labels
from voxome.errors import InvalidInput, UnknownName, describe_value
from voxome.extras import require
from voxome.geometry.segments import segments_meet_box

AnnotationShape = Literal["point", "line", "box", "ellipsoid"]
"""Geometry that all annotations of one collection share."""


@explain_construction
@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of triangles.

    Attributes
    ----------
    vertices_nm : (n, 3) array of float32
        z, y, x of each vertex, in nm.
    faces : (m, 3) array of uint32
        Rows of the three vertices of each triangle, counter-clockwise seen from outside: with z, y, x as the axes of a
        right-handed system, the volume that a closed mesh encloses is positive.
    provenance : Provenance or None
        What made it; None where that is not known.
    """

    vertices_nm: NDArray[np.float32]
    faces: NDArray[np.uint32]
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        _set_array(self, "vertices_nm", np.float32, (3,))
        _set_array(self, "faces", np.uint32, (3,))
        if self.faces.size and self.faces.max() >= len(self.vertices_nm):
            raise InvalidInput(f"a face refers to vertex {self.faces.max()} of {len(self.vertices_nm)}")

    @classmethod
    def join(cls, parts: Sequence[Mesh]) -> Mesh:
        """Concatenate several meshes; vertices that coincide are kept apart."""
        if not parts:
            return cls(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint32))
        offsets = np.cumsum([0, *(len(part.vertices_nm) for part in parts[:-1])])
        faces = [part.faces + np.uint32(offset) for part, offset in zip(parts, offsets, strict=True)]
        return cls(np.concatenate([part.vertices_nm for part in parts]), np.concatenate(faces))


@explain_construction
@dataclass(frozen=True, eq=False)
class Skeleton:
    """A graph of nodes and edges, usually a tree.

    Attributes
    ----------
    nodes_nm : (n, 3) array of float64
        z, y, x of each node, in nm.
    edges : (m, 2) array of int64
        Rows of the two nodes of each edge; from child to parent where the format distinguishes them.
    radii_nm : (n,) array of float64
        NaN where unknown.
    attributes : mapping
        Further values of the nodes by name, each an array of n rows. ``swc_type`` holds the numbers of SWC: 0
        undefined, 1 soma, 2 axon, 3 dendrite, …
    provenance : Provenance or None
        What made it; None where that is not known.
    """

    nodes_nm: NDArray[np.float64]
    edges: NDArray[np.int64]
    radii_nm: NDArray[np.float64]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        _set_array(self, "nodes_nm", np.float64, (3,))
        _set_array(self, "edges", np.int64, (2,))
        _set_array(self, "radii_nm", np.float64, ())
        count = len(self.nodes_nm)
        require_mapping("attributes", self.attributes, "{'swc_type': [1, 3]}")
        for name, values in {"radii_nm": self.radii_nm, **self.attributes}.items():
            if len(values) != count:
                raise InvalidInput(f"a skeleton of {count} nodes cannot have {len(values)} values of {name}")
        if self.edges.size and not 0 <= self.edges.min() <= self.edges.max() < count:
            raise InvalidInput(f"edges join rows of the {count} nodes, from 0 to {count - 1}")

    @property
    def length_nm(self) -> float:
        """Total length of the edges, in nm."""
        steps = self.nodes_nm[self.edges[:, 0]] - self.nodes_nm[self.edges[:, 1]]
        return float(np.linalg.norm(steps, axis=1).sum())

    def to_networkx(self) -> Any:
        """Return the skeleton as a graph of networkx.

        Returns
        -------
        networkx.Graph
            Nodes are rows, with ``position_nm`` (z, y, x), ``radius_nm`` and all attributes; edges have ``length_nm``.

        Raises
        ------
        MissingExtra
            If networkx is not installed.
        """
        require("em", "networkx")
        import networkx

        graph = networkx.Graph()
        columns = {"position_nm": map(tuple, self.nodes_nm.tolist()), "radius_nm": self.radii_nm.tolist()}
        columns |= {name: np.asarray(values).tolist() for name, values in self.attributes.items()}
        rows = zip(*columns.values(), strict=True)
        graph.add_nodes_from((node, dict(zip(columns, row, strict=True))) for node, row in enumerate(rows))
        lengths = np.linalg.norm(self.nodes_nm[self.edges[:, 0]] - self.nodes_nm[self.edges[:, 1]], axis=1)
        for (child, parent), length in zip(self.edges.tolist(), lengths.tolist(), strict=True):
            graph.add_edge(child, parent, length_nm=length)
        return graph

    @cached_property
    def parents(self) -> NDArray[np.int64]:
        """Row of the parent of each node, -1 for a root.

        Where the edges do not run from child to parent, the first node of each connected part is its root.

        Raises
        ------
        InvalidInput
            If the edges contain a cycle.
        """
        parents = np.full(len(self.nodes_nm), -1, np.int64)
        directed = len(np.unique(self.edges[:, 0])) == len(self.edges)
        if len(self.edges) != len(self.nodes_nm) - self._count_parts():
            raise InvalidInput("a skeleton whose edges contain a cycle has no parents; use edges")
        if directed:
            parents[self.edges[:, 0]] = self.edges[:, 1]
            return parents
        return self._rooted(parents)

    def _count_parts(self) -> int:
        from scipy.sparse.csgraph import connected_components

        return int(connected_components(self._graph(), directed=False, return_labels=False))

    def _rooted(self, parents: NDArray[np.int64]) -> NDArray[np.int64]:
        from scipy.sparse.csgraph import breadth_first_order, connected_components

        graph = self._graph()
        _, part = connected_components(graph, directed=False)
        for root in np.unique(part, return_index=True)[1]:
            order, before = breadth_first_order(graph, root, directed=False)
            parents[order[1:]] = before[order[1:]]
        return parents

    def _graph(self) -> Any:
        from scipy.sparse import coo_array

        count = len(self.nodes_nm)
        ends = self.edges[:, 0], self.edges[:, 1]
        return coo_array((np.ones(len(self.edges), np.uint8), ends), shape=(count, count)).tocsr()


@explain_construction
@dataclass(frozen=True, eq=False)
class Annotations:
    """Points, lines, boxes or ellipsoids, with properties and the labels that they belong to.

    Attributes
    ----------
    shape : {"point", "line", "box", "ellipsoid"}
        Geometry of all of them.
    ids : (n,) array of uint64
        Unique in their store.
    positions_nm : (n, k, 3) array of float64
        z, y, x in nm. Of a point its position (k = 1), of a line its two ends, of a box two opposite corners, of an
        ellipsoid its centre and its radii (k = 2).
    properties : mapping
        Values by name, each an array of n rows.
    relations : mapping
        By name, the labels (uint64 arrays) that each of the n annotations is related to: a list for each, or an array
        of n rows. Empty where the store does not deliver them with the annotations.
    provenance : Provenance or None
        What made it; None where that is not known.
    """

    shape: AnnotationShape
    ids: NDArray[np.uint64]
    positions_nm: NDArray[np.float64]
    properties: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    relations: Mapping[str, Sequence[Any] | NDArray[Any]] = field(default_factory=dict)
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        if self.shape not in get_args(AnnotationShape):
            raise UnknownName.of("shape of annotations", self.shape, get_args(AnnotationShape))
        require_mapping("properties", self.properties, "{'score': [0.5]}")
        require_mapping("relations", self.relations, "{'segment': [[7]]}")
        object.__setattr__(self, "ids", as_labels("ids", self.ids))
        relations = {name: Ragged.of(f"the relation {name!r}", rows) for name, rows in self.relations.items()}
        object.__setattr__(self, "relations", relations)
        properties = {name: np.asarray(values) for name, values in self.properties.items()}
        object.__setattr__(self, "properties", properties)
        _set_array(self, "positions_nm", np.float64, (1 if self.shape == "point" else 2, 3))
        columns = {"positions_nm": self.positions_nm, **self.properties, **self.relations}
        for name, values in columns.items():
            if len(values) != len(self.ids):
                raise InvalidInput(f"{len(self.ids)} annotations cannot have {len(values)} rows of {name}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def bounds_nm(self) -> NDArray[np.float64]:
        """Lowest and highest corner of each annotation.

        Returns
        -------
        (n, 2, 3) array of float64
            z, y, x in nm.
        """
        first, second = self.positions_nm[:, 0], self.positions_nm[:, -1]
        if self.shape == "ellipsoid":
            return np.stack([first - second, first + second], axis=1)
        return np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)

    def select(self, rows: NDArray[np.integer[Any]]) -> Annotations:
        """Return the annotations at some indices."""
        return Annotations(
            self.shape,
            self.ids[rows],
            self.positions_nm[rows],
            {name: values[rows] for name, values in self.properties.items()},
            {name: Ragged.of(name, labels).take(rows) for name, labels in self.relations.items()},
            self.provenance,
        )

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        """Return the annotations that meet the box from `start_nm` to `stop_nm` (z, y, x), half-open.

        A line does if a point of it is in the box; an ellipsoid, if its bounds meet the box.

        Raises
        ------
        InvalidBox
            If a start is above its stop.
        """
        return self.select(np.flatnonzero(self.meet_box(start_nm, stop_nm)))

    def meet_box(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> NDArray[np.bool_]:
        """Return which annotations meet a box, as `within` does."""
        start, stop = require_positions_in_order(start_nm, stop_nm)
        return columns_meet_box(self.shape, np.moveaxis(self.positions_nm, 0, -1), start, stop)

    def replace(self, **changes: Any) -> Annotations:
        """Return these annotations with other values of some attributes."""
        return replace(self, **changes)

    @classmethod
    def join(cls, parts: Sequence[Annotations]) -> Annotations:
        """Concatenate parts of one collection and sort them by id; one that occurs in several parts is kept once."""
        joined = cls.concatenate(parts)
        return joined.select(np.unique(joined.ids, return_index=True)[1])

    @classmethod
    def concatenate(cls, parts: Sequence[Annotations]) -> Annotations:
        """Concatenate parts of one collection, in their order."""
        if not parts:
            raise InvalidInput("there are no annotations to join; expected at least one part, which may be empty")
        first = parts[0]
        return cls(
            first.shape,
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.positions_nm for part in parts]),
            {name: np.concatenate([part.properties[name] for part in parts]) for name in first.properties},
            {name: Ragged.join([Ragged.of(name, part.relations[name]) for part in parts]) for name in first.relations},
            first.provenance,
        )


def columns_meet_box(
    shape: AnnotationShape, columns: NDArray[np.float64], start: Sequence[float], stop: Sequence[float]
) -> NDArray[np.bool_]:
    """Return which annotations meet the half-open box from `start` to `stop`, as `Annotations.within` does.

    Parameters
    ----------
    shape : AnnotationShape
        Their geometry.
    columns : (k, 3, n) array of float64
        Their positions, in the units of the box; quickest if each coordinate is contiguous.
    start, stop : sequence of float
        Corners of the box, along the axes of `columns`.

    Returns
    -------
    (n,) array of bool
    """
    first, second = columns[0], columns[-1]
    if shape == "ellipsoid":
        return _in_box(first - second, first + second, start, stop)
    if shape == "point":
        return _in_box(first, first, start, stop)
    meets = _in_box(np.minimum(first, second), np.maximum(first, second), start, stop)
    if shape == "line":
        ends_inside = _in_box(first, first, start, stop) | _in_box(second, second, start, stop)
        unsure = np.flatnonzero(meets & ~ends_inside)
        meets[unsure] = segments_meet_box(np.moveaxis(columns[:, :, unsure], -1, 0), start, stop)
    return meets


def _in_box(
    low: NDArray[np.float64], high: NDArray[np.float64], start: Sequence[float], stop: Sequence[float]
) -> NDArray[np.bool_]:
    """Return which boxes from `low` to `high`, closed, (d, n), meet the half-open one from `start` to `stop`."""
    meets = np.ones(low.shape[1], np.bool_)
    for axis in range(len(low)):  # in turn, which is several times as fast as all of a short axis
        meets &= (low[axis] < stop[axis]) & (high[axis] >= start[axis])
    return meets


def _set_array(owner: object, name: str, dtype: DTypeLike, row: tuple[int, ...]) -> None:
    """Convert one attribute to an array of `dtype` whose rows have the shape `row`."""
    value = getattr(owner, name)
    try:
        values: NDArray[Any] = np.asarray(value, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        rows = f"({', '.join(['n', *map(str, row)])})"
        raise InvalidInput(
            f"{name} is {describe_value(value)}; expected an array of {np.dtype(dtype)} of shape {rows}"
        ) from error
    if values.size == 0:
        values = values.reshape(0, *row)
    if values.ndim != 1 + len(row) or values.shape[1:] != row:
        raise InvalidInput(f"{name} should have the shape {('n', *row)}, not {values.shape}")
    object.__setattr__(owner, name, values)
