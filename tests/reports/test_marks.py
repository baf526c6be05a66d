from __future__ import annotations

import re

import numpy as np
import pytest

from voxome.reports.marks import length_text, scale_bar, synapse_marks


@pytest.mark.parametrize("width_nm", [0.7, 12, 300, 4999, 5120, 81_920, 3e7])
def test_a_scale_bar_is_as_long_as_its_text_says(width_nm: float) -> None:
    matched = re.fullmatch(r'<b class="scale" style="width:([\d.]+)%">([\d.]+) (nm|µm|mm)</b>', scale_bar(width_nm))
    assert matched is not None
    length = float(matched[2]) * {"nm": 1, "µm": 1e3, "mm": 1e6}[matched[3]]
    assert float(matched[1]) == pytest.approx(100 * length / width_nm, abs=0.01)
    assert 12 < float(matched[1]) < 32


def test_lengths_have_a_unit_that_suits_them() -> None:
    assert [length_text(nm) for nm in (4, 999, 1000, 2.56e4, 1e6)] == ["4 nm", "999 nm", "1 µm", "25.6 µm", "1 mm"]


def test_a_ring_stands_at_each_synapse() -> None:
    drawn = synapse_marks(np.array([[3.0, 40.5], [10.0, 2.0]]), (64, 128))
    assert 'viewBox="0 0 128 64"' in drawn
    assert re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn) == [("40.5", "3.0"), ("2.0", "10.0")]
    assert synapse_marks(np.empty((0, 2)), (64, 128)) == ""
