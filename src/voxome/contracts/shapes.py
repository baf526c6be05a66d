"""Shapes of objects: meshes and skeletons, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxome.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of triangles.

    Attributes
    ----------
    vertices_nm : (n, 3) array of float32
        z, y, x of each corner, in nm.
    faces : (m, 3) array of uint32
        Three vertices a triangle.
    """

    vertices_nm: NDArray[np.float32]
    faces: NDArray[np.uint32]

    def __post_init__(self) -> None:
        _rows(self, "vertices_nm", np.float32, 3)
        _rows(self, "faces", np.uint32, 3)
        if self.faces.size and self.faces.max() >= len(self.vertices_nm):
            raise InvalidInput(f"a face names vertex {self.faces.max()} of {len(self.vertices_nm)}")

    @classmethod
    def join(cls, parts: list[Mesh]) -> Mesh:
        """One mesh of several, their vertices one after the other."""
        if not parts:
            return cls(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint32))
        offsets = np.cumsum([0, *(len(part.vertices_nm) for part in parts[:-1])])
        faces = [part.faces + np.uint32(offset) for part, offset in zip(parts, offsets, strict=True)]
        return cls(np.concatenate([part.vertices_nm for part in parts]), np.concatenate(faces))


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A tree (or several) of nodes.

    Attributes
    ----------
    nodes_nm : (n, 3) array of float64
        z, y, x of each node, in nm.
    radii_nm : (n,) array of float64
        NaN where unknown.
    parents : (n,) array of int64
        Row of each node's parent; -1 for a root.
    kinds : (n,) array of int64
        What each node is, by the numbers of SWC: 0 undefined, 1 soma, 2 axon, 3 dendrite, …
    """

    nodes_nm: NDArray[np.float64]
    radii_nm: NDArray[np.float64]
    parents: NDArray[np.int64]
    kinds: NDArray[np.int64]

    def __post_init__(self) -> None:
        _rows(self, "nodes_nm", np.float64, 3)
        count = len(self.nodes_nm)
        for name in ("radii_nm", "parents", "kinds"):
            if getattr(self, name).shape != (count,):
                raise InvalidInput(f"{count} nodes have {name} of shape {getattr(self, name).shape}")
        if count and not (self.parents.min() >= -1 and self.parents.max() < count):
            raise InvalidInput(f"parents are rows of the {count} nodes, or -1")

    @property
    def length_nm(self) -> float:
        """Length of all edges, in nm."""
        child = np.flatnonzero(self.parents >= 0)
        steps = self.nodes_nm[child] - self.nodes_nm[self.parents[child]]
        return float(np.linalg.norm(steps, axis=1).sum())


def _rows(owner: object, name: str, dtype: DTypeLike, width: int) -> None:
    """Bring one attribute into `dtype`, and hold it to rows of `width`."""
    values: NDArray[Any] = np.asarray(getattr(owner, name), dtype)
    if values.ndim != 2 or values.shape[1] != width:
        raise InvalidInput(f"{name} are rows of {width}, not of shape {values.shape}")
    object.__setattr__(owner, name, values)
