from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidBox, InvalidInput, UnknownName
from voxome.reports.colours import neuron_colour

SIZE = (40.0, 8.0, 4.0)


def volume(data: np.ndarray[Any, Any], kind: Any = "image") -> voxome.Volume:
    spec = voxome.VolumeSpec.of(data.shape, data.dtype, kind=kind, voxel_size_nm=SIZE)
    created = voxome.create(f"memory://{id(data)}-{kind}", spec)
    created[...] = data
    return created


@pytest.fixture(scope="module")
def image() -> voxome.Volume:
    return volume(np.arange(6 * 20 * 50, dtype=np.uint16).reshape(6, 20, 50))


@pytest.mark.slow
@pytest.mark.parametrize(("axis", "shape"), [("z", (20, 50)), ("y", (6, 50)), ("x", (6, 20))])
def test_a_plane_is_drawn_in_its_own_shape(image: voxome.Volume, axis: str, shape: tuple[int, int]) -> None:
    axes = voxome.plot.section(image, 3, axis=axis).axes[0]
    drawn = axes.images[0].get_array()
    assert drawn.shape == shape
    assert (drawn.min(), drawn.max()) == (0, 255)
    rows, columns = [one for one in "zyx" if one != axis]
    sizes = dict(zip("zyx", SIZE, strict=True))
    assert axes.get_aspect() == sizes[rows] / sizes[columns]
    assert (axes.get_ylabel(), axes.get_xlabel(), axes.get_title()) == (rows, columns, f"{axis} = 3")


def test_the_scale_bar_has_the_length_of_its_text(image: voxome.Volume) -> None:
    axes = voxome.plot.section(image).axes[0]
    (start, stop), (text,) = axes.lines[0].get_xdata(), axes.texts
    assert text.get_text() == "50 nm"
    assert stop - start == pytest.approx(50 / 4)


def test_labels_and_points_are_at_their_voxels(image: voxome.Volume) -> None:
    labels = np.zeros(image.shape, np.uint64)
    labels[:, 5:, 30:] = 2**63 + 5
    points = [[3.5 * 40, 10.5 * 8, 20.5 * 4], [4.5 * 40, 0, 0]]
    axes = voxome.plot.section(image, 3, labels=volume(labels, "labels"), points_nm=points).axes[0]
    painted = axes.images[1].get_array()
    assert painted[4, 40, 3] == painted[10, 29, 3] == 0
    assert tuple(painted[5, 30]) == (*neuron_colour(2**63 + 5), 255)
    assert axes.collections[0].get_offsets().tolist() == [[20, 10]]


def test_a_part_keeps_the_coordinates_of_the_volume(image: voxome.Volume) -> None:
    axes = voxome.plot.section(image, box="2:4,5:15,10:40").axes[0]
    assert axes.images[0].get_extent() == [9.5, 39.5, 14.5, 4.5]
    assert axes.get_title() == "z = 3"


@pytest.mark.slow
def test_the_interactive_figure_shows_the_same(image: voxome.Volume, tmp_path: Path) -> None:
    figure = voxome.plot.section(image, 3, points_nm=[[140, 84, 82]], interactive=True)
    assert np.asarray(figure.data[0].z).shape == (20, 50, 3)
    assert (figure.data[1].x[0], figure.data[1].y[0]) == (20, 10)
    assert figure.layout.yaxis.scaleratio == 2
    figure.write_html(tmp_path / "a.html")
    assert "50 nm" in (tmp_path / "a.html").read_text()


def test_wrong_planes_are_refused(image: voxome.Volume) -> None:
    with pytest.raises(InvalidBox, match="expected 0 to 5"):
        voxome.plot.section(image, 6)
    with pytest.raises(UnknownName, match="axis"):
        voxome.plot.section(image, axis="t")
    with pytest.raises(InvalidInput, match="choose a part"):
        voxome.plot.section(np.zeros((1, 2, 5000), np.uint8))
    with pytest.raises(InvalidInput, match="expected integers"):
        voxome.plot.section(image, labels=np.zeros(image.shape, np.float32))
    with pytest.raises(InvalidInput, match="no voxel size"):
        voxome.plot.section(np.zeros((2, 3, 4), np.uint8), points_nm=[[0, 0, 0]])
