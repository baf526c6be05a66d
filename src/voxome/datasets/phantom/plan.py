"""The numbers that a phantom's tissue is made from, drawn from its seed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voxome.datasets.phantom.spec import PhantomSpec

WAVES = 28
LONGEST_TRUNK_NM, LONGEST_BRANCH_NM, LONGEST_TWIG_NM = 5000.0, 2600.0, 1800.0


class Plan(NamedTuple):
    """The numbers from which any point is placed; lengths in nm, one entry a family of tubes (thickest first).

    Attributes
    ----------
    key : uint64
        Start of every hash.
    wave_vectors, wave_amplitudes : (n, 3) float64
        The warp is a sum of sine waves; phases in `wave_phases`.
    frames : (families + 1, 3, 3) float64
        Rows are the direction of the tubes and two across it; the last is that of the rods.
    pitches, jitters, radii, spreads, lengths, presences : (families,) float64
        Lattice constant across, greatest shift of an axis, median radius, standard deviation of its logarithm, length
        of a tube, and share of the places that hold one.
    rod_pitch, rod_length : float
        Lattice constant and length of the finest neurites.
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
    def greatest_warp_nm(self) -> float:
        """No point is moved farther than this by the warp, along any axis."""
        return float(np.abs(self.wave_amplitudes).sum(axis=0).max())

    @property
    def greatest_squeeze_nm(self) -> float:
        """No point is moved farther than this by the removal of all tubes."""
        return float((self.pitches / 4).sum())


def plan_of(spec: PhantomSpec) -> Plan:
    """Draw the waves and directions of a phantom from its seed."""
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
        lengths=np.array([LONGEST_TRUNK_NM] * 3 + [LONGEST_BRANCH_NM] * 3),
        presences=np.array([0.9] * 3 + [0.85] * 3),
        rod_pitch=spec.twig_pitch_nm,
        rod_length=LONGEST_TWIG_NM,
    )


def _directions(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    vectors = rng.normal(size=(count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
