"""Parameters of a phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxome.errors import InvalidInput
from voxome.geometry import Box


@dataclass(frozen=True)
class PhantomSpec:
    """Size, seed and texture of a phantom; the defaults imitate FIB-25 (FIB-SEM, fly medulla; `docs/phantom.md`).

    Attributes
    ----------
    shape : (z, y, x)
        Shape in voxels.
    seed : int
        Random seed.
    voxel_size_nm : (z, y, x)
        Voxel size.
    trunk_radius_nm, branch_radius_nm : float
        Median radius of thick and of medium neurites.
    twig_pitch_nm : float
        Grid spacing of the finest neurites; their radius is about a third of it.
    synapse_pitch_nm : float
        Grid spacing of candidate synapses.
    cytoplasm, cytoplasm_spread : float
        Mean and standard deviation over neurons of their grey value, from 0 to 255.
    membrane, mitochondrion, density : float
        Grey values of membranes, mitochondria and synaptic densities, before blurring.
    rim : float
        Membrane stain, from 0 to 1, of the voxels next to membranes.
    blur_voxels : (z, y, x)
        Standard deviation of the point spread function.
    granularity : float
        Standard deviation of the texture of cytoplasm, before blurring.
    noise : float
        Standard deviation of the detector noise, before blurring.
    noise_blur_voxels : (z, y, x)
        Standard deviation of the blur of the noise.
    unevenness : float
        Relative standard deviation of slow changes in contrast and brightness.
    """

    shape: tuple[int, int, int]
    seed: int = 0
    voxel_size_nm: tuple[float, float, float] = (10.0, 10.0, 10.0)
    trunk_radius_nm: float = 460.0
    branch_radius_nm: float = 205.0
    twig_pitch_nm: float = 690.0
    synapse_pitch_nm: float = 290.0
    cytoplasm: float = 158.0
    cytoplasm_spread: float = 16.0
    membrane: float = 70.0
    rim: float = 0.65
    mitochondrion: float = 76.0
    density: float = 18.0
    blur_voxels: tuple[float, float, float] = (0.64, 1.56, 1.56)
    granularity: float = 9.0
    noise: float = 13.5
    noise_blur_voxels: tuple[float, float, float] = (0.29, 0.33, 0.51)
    unevenness: float = 0.06

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "voxel_size_nm", tuple(float(n) for n in self.voxel_size_nm))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise InvalidInput(f"shape must be 3 positive integers (z, y, x), not {self.shape}")
        if len(self.voxel_size_nm) != 3 or min(self.voxel_size_nm) <= 0:
            raise InvalidInput(f"voxel_size_nm must be 3 positive lengths (z, y, x), not {self.voxel_size_nm}")
        if self.seed < 0:
            raise InvalidInput(f"seed must not be negative, but is {self.seed}")

    @property
    def domain(self) -> Box:
        """Domain of the volume."""
        return Box.of_shape(self.shape)

    @property
    def key(self) -> np.uint64:
        """Initial value of every hash."""
        return np.uint64(self.seed)
