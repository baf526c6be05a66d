"""Regions of interest, on the stand-in server and against recorded responses of a real server."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from remotes.dvid.recorded import response_body

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.runs import Runs
from voxome.remotes.dvid.roi import Roi

pytestmark = pytest.mark.slow

RUNS = Runs.from_table([[0, 0, 0, 2], [0, 1, 1, 4], [1, 0, 2, 3], [1, 2, 0, 5]])


@pytest.fixture
def core(node, create_instance):
    create_instance("roi", "core", BlockSize="32,32,32")
    return Roi(node, "core")


def test_regions_are_written_and_read(core):
    assert len(core.runs()) == 0
    assert not core.mask(Box((0, 0, 0), (4, 4, 4))).any()
    core.write(RUNS)
    assert core.runs() == RUNS
    core.write([[2, 0, 1, 2], [2, 0, -1, 1]])
    assert core.runs().table.tolist() == [[2, 0, -1, 2]]
    core.erase()
    assert len(core.runs()) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", [[[1, 2, 3]], [[0, 0, 3, 3]], [[0, 0, 5, 3]], [[0.5, 0, 0, 1]], [], [[0, 0, 0, 2**40]]]
)
def test_invalid_runs_erase_nothing(core, wrong):
    core.write(RUNS)
    with pytest.raises(InvalidInput):
        core.write(wrong)
    assert core.runs() == RUNS


def test_recorded_responses_are_parsed(recorded_node, recorded):
    core = Roi(recorded_node, "roi_core")
    assert len(core.runs()) == 0, "the first recorded request was sent while the region was empty"
    assert core.contains([[0, 0, 0], [10, 40, 100], [40, 3, 70], [0, 0, 999], [70, 130, 40]]).tolist() == [
        True,
        True,
        True,
        False,
        False,
    ]
    parts = core.partition(2)
    assert len(parts) == 5
    assert sum(part.active_blocks for part in parts) == 11
    assert parts[0].box == Box((0, 0, 0), (64, 64, 64))
    assert (parts[0].total_blocks, parts[0].active_blocks) == (8, 3)


class _LocalRoi(Roi):
    """Region without a server."""

    block_shape = (32, 32, 32)

    def __init__(self, runs):
        self._runs = runs

    def runs(self):
        return self._runs


def test_the_mask_agrees_with_the_servers(recorded):
    expected = np.frombuffer(response_body(recorded, "/mask/0_1_2/96_64_64/0_0_0"), np.uint8).reshape(64, 64, 96) > 0
    assert np.array_equal(_LocalRoi(RUNS).mask(Box.of_shape(expected.shape)), expected)


@given(st.tuples(*[st.integers(-40, 70)] * 3), st.tuples(*[st.integers(0, 50)] * 3))
def test_masks_of_any_box(start, shape):
    runs = Runs.from_table([[-1, 0, -2, 2], [0, 1, 0, 3], [1, -1, 1, 2]])
    whole = Box((-64, -64, -64), (128, 128, 128))
    dense = runs.mask(Box((-2, -2, -2), (4, 4, 4))).repeat(32, 0).repeat(32, 1).repeat(32, 2)
    box = Box.of_shape(shape, start)
    assert np.array_equal(_LocalRoi(runs).mask(box), dense[box.within(whole)])


def test_points_are_split_into_requests(core, monkeypatch):
    monkeypatch.setattr("voxome.remotes.dvid.roi.BATCH", 10)
    core.write(RUNS)
    points = np.random.default_rng(0).integers(-40, 140, (57, 3))
    box = Box((-40, -40, -40), (140, 140, 140))
    assert core.contains(points).tolist() == core.mask(box)[tuple((points + 40).T)].tolist()
    assert core.contains([]).tolist() == []
    with pytest.raises(InvalidInput, match="three integers"):
        core.contains([[0.5, 1, 2]])
