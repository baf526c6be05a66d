"""Projects of ilastik's pixel classification: labels, names of classes, and the choice of features."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput, NotFound, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.models.pixels.card import FeatureChoice
from voxome.models.pixels.features import UM, FeatureName
from voxome.models.pixels.marks import Marks
from voxome.models.pixels.points import PointMarks, unique_marks

_FEATURES: Mapping[str, FeatureName] = {
    "GaussianSmoothing": "gaussian",
    "LaplacianOfGaussian": "laplacian",
    "GaussianGradientMagnitude": "gradient",
    "DifferenceOfGaussians": "difference",
    "StructureTensorEigenvalues": "structure",
    "HessianOfGaussianEigenvalues": "hessian",
}
_FULL = ("tzyxc", "txyzc")
"""Orders of axes of labels with all five axes, in newer and older projects."""
_SPATIAL = "zyx"


@dataclass(frozen=True)
class IlastikProject:
    """A project.

    Attributes
    ----------
    path : str
        Its file.
    classes : tuple of str
        Names of the classes; label 1 is the first.
    scales : tuple of (feature, scale, dimensions)
        Selected features, with their scales in voxels.
    """

    path: str
    classes: tuple[str, ...]
    scales: tuple[tuple[FeatureName, float, int], ...]

    @classmethod
    def read(cls, path: str) -> IlastikProject:
        """Read names and features of a project.

        Raises
        ------
        NotFound, UnsupportedFormat, CorruptData
            If it does not exist, is no project of pixel classification, or has other values or unknown features.
        """
        with _reading(path) as file:
            names = file.get("PixelClassification/LabelNames")
            classes = () if names is None else tuple(_text(name) for name in names[()])
            return cls(path, classes, tuple(_features(file, path)))

    def choose_features(self, voxel_size_nm: tuple[float, float, float]) -> tuple[list[FeatureChoice], int]:
        """Return features with scales in micrometres, and the number of dimensions.

        ilastik's scales are in voxels of all axes; here they are lengths, in voxels of x.
        """
        dimensions = {one for _, _, one in self.scales}
        if len(dimensions) != 1:
            raise UnsupportedFormat(
                f"{self.path} has {'features in 2D and in 3D' if dimensions else 'no features'}; expected features of "
                "one kind: set choice or sigmas_um"
            )
        um = voxel_size_nm[2] / UM
        return [FeatureChoice(name=name, sigma_um=scale * um) for name, scale, _ in self.scales], dimensions.pop()

    def read_marks(self, lane: int, domain: Box, box: Box, classes: Mapping[str, int]) -> PointMarks:
        """Return the labelled voxels of one image of the project.

        Parameters
        ----------
        lane : int
            Number of the image in the project, from 0.
        domain : Box
            Voxels of the image; the project counts from its start.
        box : Box
            Voxels that count.
        classes : mapping of str to int
            Name of each class → its label.

        Raises
        ------
        InvalidInput
            If there is no such image, or labels have axes that cannot be known, or are outside of the image.
        """
        with _reading(self.path) as file:
            raw = _raw_axes(file, lane, self.path)
            group = file.get(f"PixelClassification/LabelSets/labels{lane:03d}")
            blocks = [] if group is None else [group[name] for name in sorted(group)]
            parts = [_read_block(one, raw, domain.shape, self.path) for one in blocks if one.size]
        voxels = np.concatenate([np.empty((0, 3), np.int64), *(one.voxels for one in parts)]) + np.array(domain.start)
        labels = np.concatenate([np.empty(0, np.int64), *(one.classes for one in parts)])
        numbers = {label: number for number, label in enumerate(classes.values())}
        others = sorted(set(np.unique(labels).tolist()) - set(numbers))
        if others:
            raise InvalidInput(f"{self.path} has the labels {others}, which are no class; expected {list(numbers)}")
        own = ((voxels >= box.start) & (voxels < box.stop)).all(axis=1)
        chosen = np.array([numbers[label] for label in labels[own].tolist()], np.int64)
        return PointMarks(unique_marks(Marks(voxels[own], chosen), self.path), box)


@contextmanager
def _reading(path: str) -> Iterator[Any]:
    """Open a project, and turn what other types and shapes of its values raise into CorruptData."""
    with _open(path) as file:
        try:
            yield file
        except VoxomeError:
            raise
        except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise CorruptData(f"{path} has values that no project has: {error}; save it again with ilastik") from error


def _open(path: str) -> Any:
    """Open a project to read."""
    import h5py

    if not Path(path).is_file():
        raise NotFound(f"The ilastik project {path} does not exist")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UnsupportedFormat(f"{path} is not an ilastik project (HDF5): {error}") from error
    if "PixelClassification" not in file:
        file.close()
        raise UnsupportedFormat(f"{path} is not a project of ilastik's pixel classification")
    return file


def _features(file: Any, path: str) -> Iterator[tuple[FeatureName, float, int]]:
    group = file.get("FeatureSelections")
    if group is None or "SelectionMatrix" not in group:
        return
    names, scales = [_text(name) for name in group["FeatureIds"][()]], group["Scales"][()]
    chosen = group["SelectionMatrix"][()]
    flat = group["ComputeIn2d"][()] if "ComputeIn2d" in group else np.zeros(len(scales), bool)
    if chosen.shape != (len(names), len(scales)) or len(flat) != len(scales):
        raise CorruptData(f"The features of {path} do not fit each other: {chosen.shape} for {len(names)} names")
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise CorruptData(f"The features of {path} have the scales {scales.tolist()}; expected lengths in voxels")
    for row, column in np.argwhere(chosen):
        if names[row] not in _FEATURES:
            raise UnsupportedFormat(f"{path} has the feature {names[row]}; known are {', '.join(_FEATURES)}")
        yield _FEATURES[names[row]], float(scales[column]), 2 if flat[column] else 3


def _raw_axes(file: Any, lane: int, path: str) -> str:
    """Return the axes of an image of the project, by its axis tags or their order."""
    infos = file.get("Input Data/infos")
    lanes = [] if infos is None else sorted(infos)
    if lane >= len(lanes):
        raise InvalidInput(f"{path} has {len(lanes)} images; expected a lane below that, not {lane}")
    info = infos[lanes[lane]]
    info = info.get("Raw Data", info)
    if "axistags" in info:
        return _axes_of_tags(info["axistags"][()], path)
    if "axisorder" in info:
        return _text(info["axisorder"][()])
    raise UnsupportedFormat(f"{path} does not tell the axes of its image {lane}; save it again with a newer ilastik")


def _axes_of_tags(tags: Any, path: str) -> str:
    try:
        return "".join(axis["key"] for axis in json.loads(_text(tags))["axes"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptData(f"{path} has axis tags that cannot be read: {error}") from error


def _read_block(block: Any, raw: str, shape: tuple[int, ...], path: str) -> Marks:
    """Return the labelled voxels of a block, along z, y and x.

    Its axes are those of its tags, or else the only ones, of those that projects had, by which all of its labels are
    inside the image.
    """
    start = [int(first) for first in re.findall(r"(\d+)\s*:", _text(block.attrs["blockSlice"]))]
    values = block[()]
    if len(start) != values.ndim:
        raise CorruptData(f"{path} has labels with {values.ndim} axes at {_text(block.attrs['blockSlice'])}")
    found = np.argwhere(values) + np.array(start)
    labels = values[values != 0].astype(np.int64)
    if "axistags" in block.attrs:
        orders = [_axes_of_tags(block.attrs["axistags"], path)]
    else:
        orders = list(dict.fromkeys(_possible_axes(raw, values.ndim)))
    fitting = {axes: voxels for axes in orders if (voxels := _place(found, axes, shape)) is not None}
    results = {voxels.tobytes(): voxels for voxels in fitting.values()}
    if len(results) != 1:
        why = "no order of axes puts them inside" if not results else f"the axes {' and '.join(fitting)} both do"
        raise InvalidInput(
            f"The labels of {path} at {_text(block.attrs['blockSlice'])} do not fit an image of {shape} voxels: {why} "
            f"(the project's image has {raw}); expected the image that was labelled, or labels with axis tags, as "
            "a newer ilastik saves them"
        )
    return Marks(next(iter(results.values())), labels)


def _possible_axes(raw: str, count: int) -> Iterator[str]:
    """Yield orders of axes that labels of an image may have, without tags."""
    spatial = "".join(axis for axis in raw if axis in _SPATIAL)
    if len(raw) == count:
        yield raw
    elif count == len(raw) + 1 and "c" not in raw:
        yield f"{raw}c"
    elif count == len(raw) - 1 and "c" in raw:
        yield raw.replace("c", "")
    elif count == len(spatial):
        yield spatial
    elif count == len(_FULL[0]):
        yield from _FULL


def _place(found: NDArray[np.int64], axes: str, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return indices along z, y, x, or None if some are outside of the image, or along another axis than these."""
    if len(axes) != found.shape[1] or len(set(axes)) != len(axes) or not set(axes) <= set("tzyxc"):
        return None
    columns = dict(zip(axes, found.T, strict=True))
    if any(columns[axis].any() for axis in "tc" if axis in columns):
        return None
    voxels = np.stack([columns.get(axis, np.zeros(len(found), np.int64)) for axis in _SPATIAL], axis=1)
    return voxels if (voxels < np.array(shape)).all() else None


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    return value.decode() if isinstance(value, bytes) else str(value)
