"""Parameters of a phantom of cells and vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput, UnknownName
from voxome.geometry import Box

VOXEL_SIZES_NM: dict[str, tuple[float, float, float]] = {"xrm": (650.0, 650.0, 650.0), "lm": (5000.0, 2000.0, 2000.0)}
"""Modality → voxel size (z, y, x): X-ray microtomography of Dyer et al. 2017 (eNeuro 4), and light-sheet microscopy."""
DENSITIES = ("dense", "sparse")


@dataclass(frozen=True)
class TissueSpec:
    """Size, seed and modality of a phantom of cells and vessels.

    Attributes
    ----------
    shape : (z, y, x)
        Shape in voxels.
    seed : int
        Random seed. The tissue is a function of seed and position: a larger shape has the same cells and vessels.
    modality : {"xrm", "lm"}
        X-ray microtomography (cells dark, vessels darker) or fluorescence light microscopy (cells bright).
    density : {"dense", "sparse"}
        Whether cells are as many as in cortex, many of them touching, or few.
    """

    shape: tuple[int, int, int]
    seed: int = 0
    modality: str = "xrm"
    density: str = "dense"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise InvalidInput(f"shape must be 3 positive integers (z, y, x), not {self.shape}")
        if self.seed < 0:
            raise InvalidInput(f"seed must not be negative, but is {self.seed}")
        if self.modality not in VOXEL_SIZES_NM:
            raise UnknownName.of("modality", self.modality, VOXEL_SIZES_NM)
        if self.density not in DENSITIES:
            raise UnknownName.of("density", self.density, DENSITIES)

    @property
    def domain(self) -> Box:
        """Domain of the volume."""
        return Box.of_shape(self.shape)

    @property
    def key(self) -> np.uint64:
        """Initial value of every hash."""
        return np.uint64(self.seed)

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Voxel size (z, y, x)."""
        return VOXEL_SIZES_NM[self.modality]

    @property
    def voxel_um(self) -> NDArray[np.float64]:
        """Voxel size (z, y, x) in micrometres."""
        return np.array(self.voxel_size_nm) / 1000.0

    def extent_um(self, box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and the upper corner (z, y, x) of a box, at the faces of its voxels."""
        return (np.array(box.start) - 0.5) * self.voxel_um, (np.array(box.stop) - 0.5) * self.voxel_um
