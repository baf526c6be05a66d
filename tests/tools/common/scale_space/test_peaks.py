"""Peaks: one for each plateau, at its centroid."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.tools.common.scale_space.peaks import find_peaks


def test_a_plateau_is_one_peak_at_its_centroid() -> None:
    response = np.zeros((9, 9, 9), np.float32)
    response[4, 3:6, 2:5] = 7
    peaks = find_peaks([response], 1.0)
    assert peaks.first.tolist() == [[4, 3, 2]]
    assert (peaks.first + peaks.centres).tolist() == [[4.0, 4.0, 3.0]]
    assert peaks.scores.tolist() == [7.0]


def test_zeros_are_no_peaks() -> None:
    assert len(find_peaks([np.zeros((5, 5, 5), np.float32)] * 3, 0.5).scores) == 0


def test_a_peak_is_placed_between_voxels_by_a_parabola() -> None:
    z, y, x = np.mgrid[:9, :9, :9]
    response = (50 - (z - 4.2) ** 2 - (y - 3.7) ** 2 - (x - 4.0) ** 2).astype(np.float32)
    peaks = find_peaks([response], 45.0)
    assert (peaks.first + peaks.centres)[0] == pytest.approx([4.2, 3.7, 4.0], abs=1e-4)


def test_equal_values_in_two_scales_are_one_peak() -> None:
    response = np.zeros((5, 5, 5), np.float32)
    response[2, 2, 2] = 3
    peaks = find_peaks([0.5 * response, response, response, 0.5 * response], 1.0)
    assert peaks.levels.round().tolist() in ([1.0], [2.0])
    assert peaks.at_end.tolist() == [False]
