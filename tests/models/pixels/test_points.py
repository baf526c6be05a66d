"""Tables of labelled points: voxels by nm, classes by name or label, and nothing left out in silence."""

from __future__ import annotations

import numpy as np
import pytest

import voxome
from voxome.contracts.shapes import Annotations
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.models.pixels.points import PointMarks

SPEC = VolumeSpec.of((200, 200, 200), "uint8", voxel_size_nm=(40, 4, 4), offset_nm=(100, 0, 0))
CLASSES = {"cells": 1, "other": 5}


def read(path, box=SPEC.domain):
    marks = list(PointMarks.of(str(path), SPEC, box, CLASSES).read())
    return np.concatenate([one.voxels for one in marks]).tolist(), np.concatenate(
        [one.classes for one in marks]
    ).tolist()


def write(path, *rows, header="z_nm,y_nm,x_nm,class"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_positions_are_voxels_and_classes_are_names_or_labels(tmp_path):
    path = write(tmp_path / "points.csv", "100,0,0,cells", "181,9,796,other", "119,1,1,cells")
    assert read(path) == ([[0, 0, 0], [2, 2, 199]], [0, 1])
    numbers = write(tmp_path / "numbers.csv", "100,0,0,1", "181,9,790,5")
    assert read(numbers) == ([[0, 0, 0], [2, 2, 198]], [0, 1])


def test_only_points_of_the_box_count(tmp_path):
    path = write(tmp_path / "points.csv", "100,0,0,1", "181,9,790,5")
    assert read(path, Box((1, 0, 0), (200, 200, 200))) == ([[2, 2, 198]], [1])


@pytest.mark.parametrize(
    ("row", "message"),
    [("0,0,0,1", "outside of the image"), ("100,0,0,nuclei", "nuclei"), ("101,0,0,5", "two classes")],
)
def test_rows_that_cannot_be_used_are_named(tmp_path, row, message):
    with pytest.raises(InvalidInput, match=message):
        read(write(tmp_path / "points.csv", "100,0,0,1", row))


def test_tables_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(NotFound):
        read(tmp_path / "none.csv")
    with pytest.raises(UnsupportedFormat):
        read(write(tmp_path / "points.txt", "100,0,0,1"))
    with pytest.raises(InvalidInput, match="no column class"):
        read(write(tmp_path / "points.csv", "1,2,3", header="z_nm,y_nm,x_nm"))


def test_points_of_annotations_have_the_class_of_their_collection(tmp_path):
    drawn = {}
    for name, nm in {"cells": [[100, 0, 0], [119, 1, 1]], "other": [[181, 9, 796]]}.items():
        found = Annotations("point", np.arange(1, len(nm) + 1, dtype="uint64"), np.array(nm, float)[:, None])
        voxome.create_annotations(f"precomputed://{tmp_path}/{name}", found, voxel_size_nm=(1, 1, 1))
        drawn[name] = f"precomputed://{tmp_path}/{name}"
    marks = list(PointMarks.drawn(drawn, SPEC, SPEC.domain, CLASSES).read())
    assert np.concatenate([one.voxels for one in marks]).tolist() == [[0, 0, 0], [2, 2, 199]]
    assert np.concatenate([one.classes for one in marks]).tolist() == [0, 1]
    with pytest.raises(InvalidInput, match="nuclei"):
        PointMarks.drawn({"nuclei": drawn["cells"]}, SPEC, SPEC.domain, CLASSES)
    with pytest.raises(NotFound):
        PointMarks.drawn({"cells": f"precomputed://{tmp_path}/none"}, SPEC, SPEC.domain, CLASSES)


def test_annotations_that_are_no_points_are_refused(tmp_path):
    lines = Annotations("line", np.array([1], "uint64"), np.zeros((1, 2, 3)))
    voxome.create_annotations(f"precomputed://{tmp_path}/lines", lines, voxel_size_nm=(1, 1, 1))
    with pytest.raises(InvalidInput, match="line"):
        PointMarks.drawn({"cells": f"precomputed://{tmp_path}/lines"}, SPEC, SPEC.domain, CLASSES)
