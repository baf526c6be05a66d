"""Projects of ilastik: voxels where they were labelled, whatever the order of the axes, or an error."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from voxome.errors import CorruptData, InvalidInput, NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.models.pixels.ilastik import IlastikProject

DOMAIN = Box((10, 0, 0), (15, 7, 9))
CLASSES = {"cells": 1, "other": 2}
FEATURES = ("GaussianSmoothing", "HessianOfGaussianEigenvalues")


def tags(axes):
    return json.dumps({"axes": [{"key": axis, "typeFlags": 2} for axis in axes]}).encode()


def write(path, raw, axes, voxels, *, tagged=False, flat=(False, False), start=0):
    """Write a project of an image of 5×7×9 voxels whose labels have `axes`."""
    size = {"t": 1, "c": 1, "z": 5, "y": 7, "x": 9}
    with h5py.File(path, "w") as file:
        info = file.create_group("Input Data/infos/lane0000/Raw Data")
        info["axistags"] = tags(raw)
        file["PixelClassification/LabelNames"] = np.array([b"cells", b"other"])
        group = file.create_group("PixelClassification/LabelSets/labels000")
        block = np.zeros([size[axis] for axis in axes], np.uint8)
        for (z, y, x), label in voxels.items():
            block[tuple({"t": 0, "c": 0, "z": z, "y": y, "x": x}[axis] for axis in axes)] = label
        cut = tuple(slice(start if axis in "zyx" else 0, None) for axis in axes)
        group["block0000"] = block[cut]
        group["block0000"].attrs["blockSlice"] = (
            "[" + ",".join(f"{one.start}:{n}" for one, n in zip(cut, block.shape, strict=True)) + "]"
        )
        if tagged:
            group["block0000"].attrs["axistags"] = tags(axes)
        features = file.create_group("FeatureSelections")
        features["FeatureIds"] = np.array([name.encode() for name in FEATURES])
        features["Scales"] = np.array([0.7, 3.5])
        features["SelectionMatrix"] = np.array([[True, False], [True, True]])
        features["ComputeIn2d"] = np.array(flat)
    return str(path)


def read(path):
    marks = list(IlastikProject.read(path).read_marks(0, DOMAIN, DOMAIN, CLASSES).read())
    return [(one.voxels - np.array(DOMAIN.start)).tolist() for one in marks], [one.classes.tolist() for one in marks]


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize(
    ("raw", "axes", "tagged"),
    [
        ("zyx", "zyx", False),
        ("zyx", "zyxc", False),
        ("zyxc", "zyx", False),
        ("tzyxc", "tzyxc", False),
        ("tzyxc", "zyx", False),
        ("xyz", "xyz", False),
        ("xyz", "tzyxc", True),
        ("zyx", "xyz", True),
        ("zyx", "txyzc", True),
    ],
)
def test_a_label_comes_back_where_it_was_set(tmp_path, raw, axes, tagged, start):
    path = write(tmp_path / "one.ilp", raw, axes, {(1, 2, 3): 2}, tagged=tagged, start=start)
    assert read(path) == ([[[1, 2, 3]]], [[1]])


def test_labels_of_five_axes_without_tags_are_placed_by_what_fits(tmp_path):
    path = write(tmp_path / "new.ilp", "zyx", "tzyxc", {(1, 2, 8): 1})
    assert read(path) == ([[[1, 2, 8]]], [[0]])
    path = write(tmp_path / "old.ilp", "zyx", "txyzc", {(1, 2, 8): 1})
    assert read(path) == ([[[1, 2, 8]]], [[0]])


def test_labels_that_fit_in_two_ways_or_none_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="tzyxc and txyzc both do"):
        read(write(tmp_path / "two.ilp", "zyx", "tzyxc", {(1, 2, 3): 2}))
    project = IlastikProject.read(write(tmp_path / "none.ilp", "zyx", "zyx", {(4, 2, 3): 2}))
    with pytest.raises(InvalidInput, match="no order of axes"):
        project.read_marks(0, Box((0, 0, 0), (3, 7, 9)), Box((0, 0, 0), (3, 7, 9)), CLASSES)
    with pytest.raises(InvalidInput, match="has 1 images"):
        project.read_marks(1, DOMAIN, DOMAIN, CLASSES)


def test_features_are_those_that_were_chosen(tmp_path):
    project = IlastikProject.read(write(tmp_path / "one.ilp", "zyx", "zyx", {}))
    assert project.classes == ("cells", "other")
    choice, dimensions = project.choose_features((650.0, 650.0, 650.0))
    found = [(one.name, round(one.sigma_um, 4)) for one in choice]
    assert (found, dimensions) == ([("gaussian", 0.455), ("hessian", 0.455), ("hessian", 2.275)], 3)
    flat = IlastikProject.read(write(tmp_path / "flat.ilp", "zyx", "zyx", {}, flat=(True, True)))
    assert flat.choose_features((1, 1, 1))[1] == 2
    mixed = IlastikProject.read(write(tmp_path / "mixed.ilp", "zyx", "zyx", {}, flat=(True, False)))
    with pytest.raises(UnsupportedFormat, match="in 2D and in 3D"):
        mixed.choose_features((1, 1, 1))


def test_files_that_are_no_projects_are_named(tmp_path):
    with pytest.raises(NotFound):
        IlastikProject.read(str(tmp_path / "none.ilp"))
    (tmp_path / "text.ilp").write_text("no")
    with pytest.raises(UnsupportedFormat):
        IlastikProject.read(str(tmp_path / "text.ilp"))
    h5py.File(tmp_path / "other.ilp", "w").close()
    with pytest.raises(UnsupportedFormat, match="pixel classification"):
        IlastikProject.read(str(tmp_path / "other.ilp"))


@pytest.mark.parametrize("scale", [-0.7, 0.0, np.nan, np.inf])
def test_scales_that_are_no_lengths_are_damage(tmp_path, scale):
    path = write(tmp_path / "a.ilp", "zyx", "zyx", {(1, 2, 3): 1})
    with h5py.File(path, "r+") as file:
        file["FeatureSelections/Scales"][1] = scale
    with pytest.raises(CorruptData, match=r"have the scales \[0\.7, .*\]; expected lengths in voxels"):
        IlastikProject.read(path)
