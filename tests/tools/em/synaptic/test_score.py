from __future__ import annotations

import numpy as np
import pytest

from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.tools.em.synaptic.score import PsdParams, psd_halo, psd_score

SIZE = (10, 10, 10)


def scene():
    """Return noisy grey cytoplasm with a membrane, a mitochondrion, and two dense spots on the membrane."""
    rng = np.random.default_rng(5)
    image = np.full((60, 70, 80), 150.0)
    image[:, 34:37] = 80
    image[20:50, 45:66, 10:70] = 80
    for x in (20, 60):
        image[26:34, 30:37, x - 4 : x + 4] = 40
    return np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


def test_only_the_dense_spots_are_found():
    score = psd_score(scene(), median=150, percentile_1=70, voxel_size_nm=SIZE)
    assert score[30, 33, 20] > 110
    assert score[30, 33, 60] > 110
    score[24:36, 28:39, 14:26] = 0
    score[24:36, 28:39, 54:66] = 0
    assert score.max() < 80


@pytest.mark.slow
@pytest.mark.parametrize("size", [(10, 10, 10), (40, 8, 8)])
@pytest.mark.parametrize("with_membranes", [False, True])
def test_scores_are_bitwise_equal_in_blocks(size, with_membranes):
    raw = scene()
    domain = Box.of_shape(raw.shape)
    membranes = np.where(raw < 100, 255, 0).astype(np.uint8) if with_membranes else None
    whole = psd_score(raw, median=150, percentile_1=70, voxel_size_nm=size, membranes=membranes)
    assert whole.any()
    halo = psd_halo(PsdParams(), size)
    for b in BlockGrid(domain, (23, 31, 40), halo=(halo, halo)):
        at = b.read.within(domain)
        part = psd_score(
            raw[at],
            median=150,
            percentile_1=70,
            voxel_size_nm=size,
            membranes=None if membranes is None else membranes[at],
        )
        np.testing.assert_array_equal(part[b.write.within(b.read)], whole[b.write.within(domain)])


def test_scores_far_from_membranes_are_0():
    membranes = np.zeros((60, 70, 80), np.uint8)
    membranes[:, 35] = 200
    score = psd_score(scene(), median=150, percentile_1=70, voxel_size_nm=SIZE, membranes=membranes)
    assert not score[:, :32].any()
    assert score[30, 33, 20] > 110


def test_invalid_input_is_refused():
    raw = np.zeros((4, 4, 4), np.uint8)
    with pytest.raises(InvalidInput, match="has no contrast"):
        psd_score(raw, median=0, percentile_1=0, voxel_size_nm=SIZE)
    with pytest.raises(InvalidInput, match=r"\(4, 4, 4\).*\(4, 4, 5\)"):
        psd_score(raw, median=1, percentile_1=0, voxel_size_nm=SIZE, membranes=np.zeros((4, 4, 5), np.uint8))
