"""Cells of the spatial index of annotations: which ones an annotation meets, and their codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.ragged import ragged_indices
from voxome.contracts.shapes import AnnotationShape
from voxome.geometry.segments import crossed_cells

_LONGER = 2**0.5
"""An axis along which cells are this much longer than along another is halved, that one is not."""

_CODE_BITS = 63


@dataclass(frozen=True, eq=False)
class CellGrid:
    """The cells of one level, in the order and units of the dimensions.

    Attributes
    ----------
    lower : (3,) array of float64
        Corner of the first cell.
    size : (3,) array of float64
        Extent of a cell.
    shape : tuple of int
        Cells along each dimension.
    """

    lower: NDArray[np.float64]
    size: NDArray[np.float64]
    shape: tuple[int, ...]

    @classmethod
    def of_bounds(cls, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> Self:
        """Return the grid of a single cell."""
        return cls(lower, upper - lower, (1,) * len(lower))

    def halved(self, unit_nm: NDArray[np.float64]) -> Self:
        """Return the grid whose cells are halved along their longest axes, so that they become more like cubes.

        Cells that would be smaller than a unit stay as they are, as do all if there were too many for a code.
        """
        lengths = self.size * unit_nm
        splittable = self.size >= 2
        longest = lengths[splittable].max(initial=0)
        factors = np.where(splittable & (lengths * _LONGER >= longest), 2, 1)
        halved = type(self)(self.lower, self.size / factors, tuple((np.array(self.shape) * factors).tolist()))
        return halved if halved.bits <= _CODE_BITS else self

    @property
    def bits(self) -> int:
        """Number of bits of a code."""
        return sum(1 for _ in _morton_bits(self.shape))

    def find(self, shape: AnnotationShape, vectors: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return the cells that annotations meet.

        Parameters
        ----------
        shape : AnnotationShape
            Their geometry.
        vectors : (n, k, 3) array of floats
            Their positions, as stored.

        Returns
        -------
        rows : (m,) array of int64
            Index of an annotation, ascending.
        codes : (m,) array of uint64
            Code of a cell that it meets; a line, of a cell that it crosses; an ellipsoid, of one that its bounds meet.
        """
        positions = (vectors.astype(np.float64) - self.lower) / self.size
        if shape == "line":
            rows, cells = crossed_cells(positions, self.shape)
            return rows, morton_codes(cells, self.shape)
        low, high = self._bounds(shape, vectors, positions)
        last = np.array(self.shape) - 1
        first = np.clip(np.floor(low), 0, last).astype(np.int64)
        counts = np.clip(np.floor(high), 0, last).astype(np.int64) - first + 1
        total = counts.prod(axis=1)
        rows = np.repeat(np.arange(len(total)), total)
        number = ragged_indices(np.zeros(len(total), np.int64), total)
        cells = np.empty((len(rows), len(last)), np.int64)
        for axis in range(len(last)):
            number, cells[:, axis] = np.divmod(number, counts[rows, axis])
        return rows, morton_codes(cells + first[rows], self.shape)

    def _bounds(
        self, shape: AnnotationShape, vectors: NDArray[Any], positions: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if shape == "ellipsoid":
            radii = vectors[:, 1].astype(np.float64) / self.size
            return positions[:, 0] - radii, positions[:, 0] + radii
        return positions.min(axis=1), positions.max(axis=1)

    def mean_cells(self, shape: AnnotationShape, vectors: NDArray[Any]) -> float:
        """Return how many cells an annotation meets on average, at most."""
        positions = (vectors.astype(np.float64) - self.lower) / self.size
        low, high = self._bounds(shape, vectors, positions)
        last = np.array(self.shape) - 1
        counts = np.clip(np.floor(high), 0, last) - np.clip(np.floor(low), 0, last) + 1
        return float((counts.sum(axis=1) if shape == "line" else counts.prod(axis=1)).mean())


def morton_codes(cells: NDArray[np.integer[Any]], grid: Sequence[int]) -> NDArray[np.uint64]:
    """Return the compressed Morton codes of cells, as `morton_code` does of one.

    Parameters
    ----------
    cells : (n, d) array of integers
        Their coordinates.
    grid : sequence of int
        Cells along each dimension.
    """
    columns = cells.astype(np.uint64)
    codes = np.zeros(len(cells), np.uint64)
    for bit, (axis, level) in enumerate(_morton_bits(grid)):
        codes |= ((columns[:, axis] >> np.uint64(level)) & np.uint64(1)) << np.uint64(bit)
    return codes


def morton_code(cell: Sequence[int], grid: Sequence[int]) -> int:
    """Return the compressed Morton code of a cell: bits of its coordinates in turn, as far as the grid needs them."""
    return int(morton_codes(np.array([cell], np.int64), grid)[0])


def morton_cells(codes: NDArray[np.uint64], grid: Sequence[int]) -> NDArray[np.int64]:
    """Return the cells of compressed Morton codes, (n, d)."""
    cells = np.zeros((len(codes), len(grid)), np.int64)
    for bit, (axis, level) in enumerate(_morton_bits(grid)):
        cells[:, axis] |= (((codes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(level)).astype(np.int64)
    return cells


def morton_cell(code: int, grid: Sequence[int]) -> tuple[int, ...]:
    """Return the cell of a compressed Morton code."""
    return tuple(morton_cells(np.array([code], np.uint64), grid)[0].tolist())


def _morton_bits(grid: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the axis and the position there of each bit of a code, lowest first."""
    widths = [max(0, (n - 1).bit_length()) for n in grid]
    for level in range(max(widths, default=0)):
        yield from ((axis, level) for axis, width in enumerate(widths) if level < width)
