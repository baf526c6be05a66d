"""Layers of napari, with a stand-in for its viewer, which needs a display."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, MissingExtra, UnknownName, UnsupportedFormat
from voxome.viewer import in_napari


class FakeViewer:
    """Notes the layers that it gets."""

    def __init__(self, title: str) -> None:
        self.title, self.scale_bar = title, SimpleNamespace(visible=False, unit=None)
        self.layers: list[tuple[str, Any, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("add_"):
            raise AttributeError(name)
        return lambda data, **options: self.layers.append((name, data, options))


@pytest.fixture
def napari(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("napari")
    module.Viewer = FakeViewer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "napari", module)
    monkeypatch.setattr(in_napari, "find_spec", lambda name: module)


@pytest.mark.usefixtures("napari")
def test_volumes_labels_and_annotations_are_layers_in_nm(tmp_path: Path) -> None:
    voxels = np.arange(4 * 6 * 8, dtype=np.uint8).reshape(4, 6, 8)
    spec = voxome.VolumeSpec.of(voxels.shape, voxels.dtype, voxel_size_nm=(40, 8, 4))
    em = voxome.create(f"zarr://{tmp_path}/em.zarr", spec)
    em[...] = voxels
    em.source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    points = voxome.Annotations("point", np.array([1], np.uint64), np.array([[[80.0, 8, 4]]]))
    lines = voxome.Annotations("line", np.array([1], np.uint64), np.array([[[0.0, 0, 0], [40, 8, 4]]]))
    labels = (voxels > 100).astype(np.uint64)
    names = ["p", "l", "cells", "em"]
    shown: Any = voxome.view(points, lines, labels, em.uri, names=names, voxel_size_nm=(40, 8, 4), viewer="napari")
    assert (shown.scale_bar.visible, shown.scale_bar.unit) == (True, "nm")
    added = {options["name"]: (method, data, options) for method, data, options in shown.layers}
    assert [method for method, _, _ in shown.layers] == ["add_image", "add_labels", "add_points", "add_shapes"]
    _, levels, options = added["em"]
    assert [level.shape for level in levels] == [(4, 6, 8), (4, 3, 4)]
    np.testing.assert_array_equal(levels[0][1, :, 2:5], voxels[1, :, 2:5])
    assert (options["scale"], options["translate"]) == ([40, 8, 4], [20, 4, 2])
    assert options["contrast_limits"] == (0, 255)
    assert added["cells"][2]["scale"] == [40, 8, 4]
    np.testing.assert_array_equal(np.asarray(added["cells"][1]), labels)
    assert added["p"][1].tolist() == [[80, 8, 4]]
    assert added["l"][1][0].tolist() == [[0, 0, 0], [40, 8, 4]]


@pytest.mark.usefixtures("napari")
@pytest.mark.parametrize(
    ("axes", "scale", "translate"),
    [("yx", [8, 4], [4, 2]), ("xy", [4, 8], [2, 4]), ("zx", [40, 4], [20, 2]), ("cyx", [1, 8, 4], [0, 4, 2])],
)
def test_volumes_without_some_axes_have_the_sizes_of_theirs(
    axes: str, scale: list[float], translate: list[float]
) -> None:
    uri = f"memory://{uuid4().hex}"
    voxome.create(uri, voxome.VolumeSpec.of((3,) * len(axes), "uint8", axes=axes, voxel_size_nm=(40, 8, 4)))
    shown: Any = voxome.view(uri, viewer="napari")
    _, _, options = shown.layers[0]
    assert (options["scale"], options["translate"]) == (scale, translate)


@pytest.mark.usefixtures("napari")
def test_what_napari_cannot_show_is_refused() -> None:
    boxes = voxome.Annotations("box", np.array([1], np.uint64), np.zeros((1, 2, 3)))
    with pytest.raises(UnsupportedFormat, match="napari shows points and lines"):
        voxome.view(boxes, viewer="napari")
    image = np.zeros((2, 2, 2), np.uint8)
    with pytest.raises(InvalidInput, match="napari takes no annotate, port"):
        voxome.view(image, viewer="napari", annotate="drawn", port=8080)
    with pytest.raises(UnknownName, match="did you mean 'napari'"):
        voxome.view(image, viewer="naparri")


def test_a_missing_napari_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_napari, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'napari\[all\]'"):
        voxome.view(np.zeros((2, 2, 2), np.uint8), viewer="napari")
