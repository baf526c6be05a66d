"""What is unusual about a probability, before a run."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.tools.common.contrast.unusual import unusual_probability


@pytest.mark.parametrize(("most", "warned"), [(0, False), (1, True), (2, False), (255, False)])
def test_a_mask_is_no_probability(most: int, warned: bool) -> None:
    blocks = [np.zeros((3, 4, 5), np.uint8), np.full((0, 4, 5), 9, np.uint8), np.full((2, 4, 5), most, np.uint8)]
    found = list(unusual_probability("probability", blocks))
    assert [text.startswith("has no value above 1 in a sample of 100 voxels") for text in found] == [True] * warned
    assert not list(unusual_probability("exclude", blocks))
