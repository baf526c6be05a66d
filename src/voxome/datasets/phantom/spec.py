"""What a phantom is made of."""

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
        Voxels.
    seed : int
        Everything random is a function of it and of the place.
    voxel_size_nm : (z, y, x)
        Edge lengths of a voxel.
    trunk_radius_nm, branch_radius_nm : float
        Median radius of thick and of middling neurites.
    twig_pitch_nm : float
        Lattice constant of the finest neurites; their radius is about a third of it.
    synapse_pitch_nm : float
        Lattice constant of the places where a synapse is tried.
    cytoplasm, cytoplasm_spread : float
        Mean and standard deviation over neurons of the grey value inside (0 to 255).
    membrane, mitochondrion, density : float
        Grey values of membranes, of mitochondria and of synaptic densities, before the blur.
    rim : float
        How much of a membrane's stain (0 to 1) the voxels next to its two have.
    blur_voxels : (z, y, x)
        Standard deviation of the point spread function.
    granularity : float
        Standard deviation of the texture of cytoplasm, before the blur.
    noise : float
        Standard deviation of the camera's noise, before its own blur.
    noise_blur_voxels : (z, y, x)
        Standard deviations of the Gaussian that its spectrum has.
    unevenness : float
        Relative amplitude (standard deviation) of slow changes of contrast and brightness.
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
            raise InvalidInput(f"a phantom needs a shape of 3 positive numbers of voxels (z, y, x), not {self.shape}")
        if len(self.voxel_size_nm) != 3 or min(self.voxel_size_nm) <= 0:
            raise InvalidInput(f"voxel_size_nm needs 3 positive lengths (z, y, x), not {self.voxel_size_nm}")
        if self.seed < 0:
            raise InvalidInput(f"the seed is a number from 0, not {self.seed}")

    @property
    def domain(self) -> Box:
        """All voxels."""
        return Box.of_shape(self.shape)

    @property
    def key(self) -> np.uint64:
        """The seed as the start of a hash."""
        return np.uint64(self.seed)
