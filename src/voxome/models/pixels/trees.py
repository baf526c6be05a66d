"""Decision trees as arrays, and their prediction, which gives the probabilities of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

NODE = np.dtype([("threshold", "f4"), ("feature", "u4"), ("left", "u4")])
"""A node: the voxel goes to node ``left`` if its feature is at most the threshold, else to the next one."""
_CHUNK = 64
"""Voxels whose features are copied at once, a multiple of 4."""


@dataclass(frozen=True)
class Trees:
    """A forest.

    Attributes
    ----------
    nodes : (n,) `NODE`
        Nodes of all trees; a leaf leads to itself.
    roots : (trees,) uint32
        Index of the first node of each tree.
    values : (n, classes) float64
        Share of each class in the training voxels of a node.
    """

    nodes: NDArray[Any]
    roots: NDArray[np.uint32]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, estimators: Sequence[Any]) -> Trees:
        """Return the trees of a forest of scikit-learn."""
        parts = [_flatten(one.tree_) for one in estimators]
        sizes = [len(nodes) for nodes, _ in parts]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint32)
        for (nodes, _), root in zip(parts, roots, strict=True):
            nodes["left"] += root
        return cls(np.concatenate([one for one, _ in parts]), roots, np.concatenate([one for _, one in parts]))

    def predict(self, features: NDArray[np.float32], index: int) -> NDArray[np.uint8]:
        """Return the probability of a class, 255 for certainty.

        Parameters
        ----------
        features : (values, ...) float32
            Features of voxels.
        index : int
            The class.
        """
        flat = features.reshape(len(features), -1)
        result = np.empty(flat.shape[1], np.uint8)
        _predict(flat, self.nodes, self.roots, np.ascontiguousarray(self.values[:, index]), result)
        return result.reshape(features.shape[1:])


def _flatten(tree: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return nodes and values of a tree, in an order in which the two children of a node follow each other."""
    order, position = [0], 0
    while position < len(order):
        node = order[position]
        if tree.children_left[node] >= 0:
            order += [int(tree.children_left[node]), int(tree.children_right[node])]
        position += 1
    new = np.empty(len(order), np.uint32)
    new[order] = np.arange(len(order), dtype=np.uint32)
    nodes = np.empty(len(order), NODE)
    leaf = tree.children_left[order] < 0
    nodes["feature"] = np.where(leaf, 0, tree.feature[order])
    nodes["threshold"] = np.where(leaf, np.float32(np.inf), _round_down(tree.threshold[order]))
    nodes["left"] = np.where(leaf, np.arange(len(order)), new[tree.children_left[order]])
    shares = tree.value[order, 0, :]
    return nodes, shares / shares.sum(axis=1, keepdims=True)


def _round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 up to each threshold, by which float32 features are divided in the same way."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


@numba.njit(cache=True, nogil=True)
def _predict(
    features: NDArray[np.float32], nodes: NDArray[Any], roots: NDArray[np.uint32], values: NDArray[np.float64],
    result: NDArray[np.uint8],
) -> None:  # fmt: skip
    count, voxels = features.shape
    rows = np.zeros((_CHUNK, count), np.float32)
    total = np.empty(_CHUNK, np.float64)
    for start in range(0, voxels, _CHUNK):
        size = min(_CHUNK, voxels - start)
        for k in range(count):
            for i in range(size):
                rows[i, k] = features[k, start + i]
        total[:] = 0
        for tree in range(len(roots)):
            for i in range(0, size, 4):
                _add_four(rows[i : i + 4], nodes, roots[tree], values, total[i : i + 4])
        for i in range(size):
            result[start + i] = np.uint8(np.rint(255 * (total[i] / len(roots))))


@numba.njit(inline="always")
def _add_four(
    rows: NDArray[np.float32], nodes: NDArray[Any], root: np.uint32, values: NDArray[np.float64],
    total: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add the values of the leaves of four voxels, which go through the tree together: none waits for the memory."""
    a = b = c = d = root
    while True:
        node_a, node_b, node_c, node_d = nodes[a], nodes[b], nodes[c], nodes[d]
        next_a = np.uint32(node_a.left + np.uint32(rows[0, node_a.feature] > node_a.threshold))
        next_b = np.uint32(node_b.left + np.uint32(rows[1, node_b.feature] > node_b.threshold))
        next_c = np.uint32(node_c.left + np.uint32(rows[2, node_c.feature] > node_c.threshold))
        next_d = np.uint32(node_d.left + np.uint32(rows[3, node_d.feature] > node_d.threshold))
        if (next_a == a) & (next_b == b) & (next_c == c) & (next_d == d):
            break
        a, b, c, d = next_a, next_b, next_c, next_d
    total[0] += values[a]
    total[1] += values[b]
    total[2] += values[c]
    total[3] += values[d]
