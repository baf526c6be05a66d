"""Rendering of one box of a phantom of cells and vessels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.data.vascular.cells import MAX_REACH_UM, Cells, cells_in
from voxome.data.vascular.images import BLUR_RADIUS, IMAGES, Scene
from voxome.data.vascular.network import Lattice, draw_lattice, vessels_in
from voxome.data.vascular.shapes import FAR_UM, paint_cells, paint_vessels
from voxome.data.vascular.spec import TissueSpec
from voxome.geometry import Block, Box


@dataclass(frozen=True)
class Tissue:
    """Cells and vessels of a phantom.

    Attributes
    ----------
    spec : TissueSpec
        Phantom.
    lattice : Lattice
        Lattice of the vessels.
    cells : Cells
        Those with their centre in the domain, sorted by z, y, x; their ids are their positions, from 1. Others are
        not in the phantom, so that every cell in it has a row.
    """

    spec: TissueSpec
    lattice: Lattice
    cells: Cells

    @classmethod
    def of(cls, spec: TissueSpec, blocks: Iterable[Block]) -> Tissue:
        """Place the cells of a phantom, block by block."""
        lattice = draw_lattice(spec.key)
        parts = [cells_in(spec.key, spec.density, lattice, *spec.extent_um(block.write)) for block in blocks]
        cells = Cells.concatenate(parts)
        return cls(spec, lattice, cells.take(np.lexsort(cells.centres.T[::-1])))


@dataclass(frozen=True)
class RenderedBlock:
    """Voxels of one box.

    Attributes
    ----------
    images : mapping of str to (z, y, x) array
        Image ``raw``, and in light microscopy ``background``.
    labels : (z, y, x) uint64
        Cells.
    vessels : (z, y, x) uint8
        255 in voxels whose centre is in a vessel, 0 elsewhere.
    """

    images: Mapping[str, NDArray[Any]]
    labels: NDArray[np.uint64]
    vessels: NDArray[np.uint8]


def render(tissue: Tissue, box: Box) -> RenderedBlock:
    """Render the voxels of a box; they do not depend on the choice of the box.

    Parameters
    ----------
    tissue : Tissue
        Phantom.
    box : Box
        Box (z, y, x).
    """
    spec = tissue.spec
    grown = box.grow((BLUR_RADIUS,) * 3)
    low, high = spec.extent_um(grown)
    start = np.array(grown.start)
    labels = np.zeros(grown.shape, np.uint64)
    to_cell, to_vessel = np.full(grown.shape, FAR_UM), np.full(grown.shape, FAR_UM)
    reach = MAX_REACH_UM + 2.0 * float(spec.voxel_um.max())
    near = np.flatnonzero(((tissue.cells.centres > low - reach) & (tissue.cells.centres < high + reach)).all(axis=1))
    _, *shapes = tissue.cells.take(near)
    paint_cells(labels, to_cell, start, spec.voxel_um, (near + 1).astype(np.uint64), *shapes)
    margin = 2.0 * float(spec.voxel_um.max())
    paint_vessels(to_vessel, start, spec.voxel_um, vessels_in(tissue.lattice, low - margin, high + margin).lines)
    width = np.float32(spec.voxel_um.min())
    scene = Scene(spec, grown, labels, _share(to_cell, width), _share(to_vessel, width))
    inner = box.within(grown)
    images = {name: image[inner] for name, image in IMAGES[spec.modality](scene).items()}
    return RenderedBlock(images, labels[inner], np.where(to_vessel[inner] <= 0, 255, 0).astype(np.uint8))


def _share(distance: NDArray[np.float32], width: np.float32) -> NDArray[np.float32]:
    """Return how much of a voxel is inside a surface, from the signed distance to it."""
    share: NDArray[np.float32] = np.clip(np.float32(0.5) - distance / width, 0, 1)
    return share
