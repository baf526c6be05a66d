"""Random parameters of the tissue of a phantom, drawn from its seed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.data.phantom.spec import PhantomSpec

WAVES = 28
TRUNK_LENGTH_NM, BRANCH_LENGTH_NM, TWIG_LENGTH_NM = 5000.0, 2600.0, 1800.0


class Plan(NamedTuple):
    """Parameters of the tissue; lengths in nm, one entry per family of tubes (thickest first).

    Attributes
    ----------
    key : uint64
        Initial value of every hash.
    wave_vectors, wave_amplitudes : (n, 3) float64
        Sine waves of the warp, with phases in `wave_phases`.
    frames : (families + 1, 3, 3) float64
        Direction of the tubes, and two directions across it, as rows; the last frame is that of the rods.
    pitches, jitters, radii, spreads, lengths, presences : (families,) float64
        Grid spacing across, maximum shift of an axis, median radius, standard deviation of its logarithm, length of a
        tube, and fraction of grid positions with a tube.
    rod_pitch, rod_length : float
        Grid spacing and length of the finest neurites.
    """

    key: np.uint64
    wave_vectors: NDArray[np.float64]
    wave_amplitudes: NDArray[np.float64]
    wave_phases: NDArray[np.float64]
    frames: NDArray[np.float64]
    pitches: NDArray[np.float64]
    jitters: NDArray[np.float64]
    radii: NDArray[np.float64]
    spreads: NDArray[np.float64]
    lengths: NDArray[np.float64]
    presences: NDArray[np.float64]
    rod_pitch: float
    rod_length: float

    @property
    def max_warp_nm(self) -> float:
        """Maximum displacement by the warp along any axis."""
        return float(np.abs(self.wave_amplitudes).sum(axis=0).max())

    @property
    def max_squeeze_nm(self) -> float:
        """Maximum displacement by the removal of all tubes."""
        return float((self.pitches / 4).sum())


def draw_plan(spec: PhantomSpec) -> Plan:
    """Draw the parameters of a phantom from its seed."""
    rng = np.random.default_rng(spec.seed)
    wavelength = np.exp(rng.uniform(math.log(350.0), math.log(4000.0), WAVES))
    direction = _directions(rng, WAVES)
    amplitude = _directions(rng, WAVES) * (0.075 * wavelength / (2 * math.pi) * 1.3)[:, None]
    frames = []
    for _ in range(3):
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        frames += [np.roll(axes, -i, axis=0) for i in range(3)]
    trunk, branch = spec.trunk_radius_nm, spec.branch_radius_nm
    return Plan(
        key=spec.key,
        wave_vectors=direction * (2 * math.pi / wavelength)[:, None],
        wave_amplitudes=amplitude,
        wave_phases=rng.uniform(0, 2 * math.pi, WAVES),
        frames=np.ascontiguousarray(frames[:7]),
        pitches=np.array([5.2 * trunk] * 3 + [5.4 * branch] * 3),
        jitters=np.array([0.25 * trunk] * 3 + [0.3 * branch] * 3),
        radii=np.array([trunk] * 3 + [branch] * 3),
        spreads=np.array([0.3] * 3 + [0.35] * 3),
        lengths=np.array([TRUNK_LENGTH_NM] * 3 + [BRANCH_LENGTH_NM] * 3),
        presences=np.array([0.9] * 3 + [0.85] * 3),
        rod_pitch=spec.twig_pitch_nm,
        rod_length=TWIG_LENGTH_NM,
    )


def _directions(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    vectors = rng.normal(size=(count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
