"""Faces of runs: a section, a volume of one plane, has none above and below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tools.common.blockwise import as_file, frame_of, run_blocks
from tools.common.vessel_lines import thin_runs

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.geometry import Box
from voxome.tools.common.cell_distances import CELLS_WITH_ID, cell_distances
from voxome.tools.common.instance_sums import instance_sums
from voxome.tools.common.mask_components import components
from voxome.tools.common.vessels.network import vessel_network
from voxome.tools.common.vessels.runs import fill_voids, find_runs

UM = 1000.0


@pytest.mark.parametrize("block", [20, 7, 5])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_objects_of_a_section_touch_a_face_only_at_its_rim(axis: int, block: int) -> None:
    plane = np.zeros((20, 20), np.uint64)
    plane[2:9, 3:9], plane[12:14, 16:20] = 1, 2
    labels = np.expand_dims(plane, axis)
    blocks, frame = (block, block, block), frame_of(labels.shape)
    volumes = {"labels": labels, "probability": (255 * (labels > 0)).astype(np.uint8)}
    assert run_blocks(instance_sums, volumes, blocks, frame)["result"]["face"].tolist() == [0, 1]
    if block == 20:
        sums = run_blocks(components, {"mask": labels}, blocks, frame)["sums"]
        assert sums["on_face"].tolist() == [0, 1]


def test_components_touch_the_faces_of_the_box_of_a_run() -> None:
    domain, box = Box.of_shape((9, 9, 30)), Box((2, 2, 10), (7, 7, 20))
    mask = np.zeros(box.shape, np.uint8)
    mask[2, 2, 0], mask[2, 2, 5] = 1, 1
    sums = components(mask, block=BlockContext(box, box, Frame(domain, box, (UM,) * 3, (0.0,) * 3)))["sums"]
    assert sums["on_face"].tolist() == [1, 0]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_face_of_a_section_is_its_rim(axis: int, tmp_path: Path) -> None:
    tissue = np.ones(np.insert([60, 60], axis, 1), np.uint8)
    places = np.insert(np.array([[30.0, 30.0], [50.0, 30.0]]), axis, 0, axis=1) * UM
    rows = dict(zip(("z_nm", "y_nm", "x_nm"), places.T, strict=True)) | {"id": np.array([1, 2])}
    file = as_file(tmp_path / "cells.parquet", rows, CELLS_WITH_ID.columns)
    frame = frame_of(tissue.shape, start=(0, 0, 0))
    found = run_blocks(cell_distances, {"tissue": tissue}, tissue.shape, frame, cells=file)["result"]
    assert found["face_um"].tolist() == [29.5, 9.5]


def test_a_vessel_in_a_section_with_a_hole_of_a_voxel_has_no_loop() -> None:
    mask = np.zeros((1, 40, 80), bool)
    mask[0, 15:25, 5:75] = True
    lengths = []
    for hole in (False, True):
        mask[0, 20, 40] = not hole
        box = Box.of_shape(mask.shape)
        frame, runs = Frame(box, box, (UM,) * 3, (0.0,) * 3), fill_voids(find_runs(mask, box), box).runs
        graph = vessel_network(runs, thin_runs(runs, frame), frame, 2.0)
        assert (graph.counts["loops"].tolist(), graph.counts["ends_on_face"].tolist()) == ([0], [0])
        lengths.append(graph.branches["length_nm"].tolist())
    assert lengths[0] == lengths[1] == [pytest.approx(70 * UM, rel=0.02)]
