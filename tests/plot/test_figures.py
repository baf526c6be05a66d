"""Cells, connections, histograms and scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voxome
from voxome.errors import InvalidInput, NotFound, UnknownName
from voxome.plot.cells import density_per_mm3

TABLE: dict[str, Any] = {
    "pre_id": np.array([2**63 + 5, 2**63 + 5, 7, 9], np.uint64),
    "post_id": np.array([7, 7, 9, 9], np.uint64),
    "synapses": np.array([3, 4, 2, 1]),
}


def test_the_density_of_a_random_cloud_is_that_of_its_box() -> None:
    points = np.random.default_rng(0).uniform(0, 1000, (20_000, 3))
    inside = ((points > 150) & (points < 850)).all(axis=1)
    assert density_per_mm3(points, 10)[inside].mean() == pytest.approx(20_000, rel=0.05)


@pytest.mark.slow
def test_cells_are_drawn_in_um() -> None:
    positions = np.random.default_rng(0).uniform(0, 1e5, (50, 3))
    axes = voxome.plot.cells(positions, radii_nm=np.linspace(1, 2, 50)).axes[0]
    assert axes.get_xlabel() == "x, µm"
    trace = voxome.plot.cells(positions, interactive=True).data[0]
    np.testing.assert_allclose(np.stack([trace.z, trace.y, trace.x], axis=1), positions / 1e3)
    assert np.isnan(density_per_mm3(positions[:3], 5)).all()
    for wrong in ([[1, 2]], np.empty((0, 3)), [[1, 2, np.nan]]):
        with pytest.raises(InvalidInput, match="positions_nm"):
            voxome.plot.cells(wrong)
    with pytest.raises(InvalidInput, match="radii_nm"):
        voxome.plot.cells(positions, radii_nm=[1])


@pytest.mark.slow
def test_a_matrix_adds_rows_of_the_same_pair() -> None:
    drawn = voxome.plot.connections(TABLE).axes[0].images[0].get_array()
    np.testing.assert_array_equal(np.nan_to_num(drawn.filled(0)), [[0, 2, 0], [0, 1, 0], [7, 0, 0]])
    trace = voxome.plot.connections(TABLE, interactive=True).data[0]
    assert list(trace.x) == ["7", "9", str(2**63 + 5)]


@pytest.mark.slow
def test_a_network_has_a_disc_for_each_neuron() -> None:
    axes = voxome.plot.connections(TABLE, "network").axes[0]
    assert len(axes.collections[0].get_offsets()) == 3
    assert {text.get_text() for text in axes.texts} >= {"7", "9", str(2**63 + 5)}
    figure = voxome.plot.connections(TABLE, "network", interactive=True)
    assert [text.split(":")[0] for text in figure.data[0].text] == ["7", "9", str(2**63 + 5)]
    (first, second, third) = figure.layout.annotations
    places = list(zip(figure.data[0].x, figure.data[0].y, strict=True))
    assert [(one.ax, one.ay) for one in (first, third)] == [places[2], places[0]]
    assert [(one.x, one.y) for one in (first, third)] == [places[0], places[1]]
    assert first.arrowwidth < second.arrowwidth


def test_a_connectome_is_drawn_from_its_file(tmp_path: Path) -> None:
    pq.write_table(pa.table(TABLE), tmp_path / "connectome.parquet")
    for path in (tmp_path / "connectome.parquet", f"{tmp_path}/connectome.parquet"):
        assert voxome.plot.connections(path).axes[0].get_title() == "3 neurons"
    with pytest.raises(NotFound, match=r"none\.parquet"):
        voxome.plot.connections(tmp_path / "none.parquet")


@pytest.mark.slow
def test_small_counts_have_no_ticks_between_them() -> None:
    axes = voxome.plot.histogram([1, 2, 2, 3], "x", bins=3).axes[0]
    axes.figure.draw_without_rendering()
    assert all(tick == round(tick) for tick in axes.get_yticks())
    assert voxome.plot.histogram([1, 2, 2, 3], "x", bins=3, interactive=True).layout.yaxis.dtick == 1
    assert voxome.plot.histogram([1] * 50, "x", interactive=True).layout.yaxis.dtick is None


def test_the_strongest_neurons_are_kept_and_counted() -> None:
    assert voxome.plot.connections(TABLE, most=2).axes[0].get_title() == "2 of 3 neurons"


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no column area_um2"):
        voxome.plot.connections(TABLE, weight="area_um2")
    with pytest.raises(UnknownName, match="style"):
        voxome.plot.connections(TABLE, "pie")
    with pytest.raises(InvalidInput, match="equally many"):
        voxome.plot.connections({**TABLE, "synapses": [1]})


@pytest.mark.parametrize("log", [False, True])
def test_a_histogram_counts_every_number_once(log: bool) -> None:
    values = np.append(np.random.default_rng(0).lognormal(0, 1, 500), [np.nan, np.inf])
    axes = voxome.plot.histogram(values, "volume, µm³", log=log).axes[0]
    assert axes.patches[0].get_data().values.sum() == 500
    assert axes.get_xlabel() == "volume, µm³ (2 without a value)"
    assert sum(voxome.plot.histogram(values, "a", log=log, interactive=True).data[0].y) == 500


def test_wrong_values_are_refused() -> None:
    assert voxome.plot.histogram([3, 3], "a").axes[0].patches[0].get_data().values.sum() == 2
    with pytest.raises(InvalidInput, match="logarithmic"):
        voxome.plot.histogram([0, 1], "a", log=True)
    for wrong in ([], [np.nan], ["a"]):
        with pytest.raises(InvalidInput):
            voxome.plot.histogram(wrong, "a")


def test_a_scene_has_meshes_skeletons_and_points_in_one_file(tmp_path: Path) -> None:
    labels = np.zeros((4, 6, 8), np.uint32)
    labels[1:3, 1:4, 2:7] = 5
    mesh = voxome.mesh(labels, 5, voxel_size_nm=(40, 8, 4))
    skeleton = voxome.Skeleton(np.array([[0.0, 0, 0], [1000, 2000, 3000]]), np.array([[1, 0]]), np.ones(2))
    line = voxome.Annotations("line", np.array([1], np.uint64), np.array([[[0.0, 0, 0], [1000, 0, 0]]]))
    figure = voxome.plot.scene(
        meshes={5: mesh}, skeletons={5: skeleton}, points={"synapses": line, "cells": [[1e3, 2e3, 3e3]]}
    )
    surface, tree, synapses, cells = figure.data
    corners = np.stack([surface.x, surface.y, surface.z], axis=1)[np.stack([surface.i, surface.j, surface.k], axis=1)]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume > 0
    assert (tree.x[1], tree.y[1], tree.z[1]) == (0, 0, 0) or (tree.x[0], tree.y[0], tree.z[0]) == (3, 2, 1)
    assert (synapses.z[1], cells.x[0]) == (1, 3)
    figure.write_html(tmp_path / "scene.html")
    assert '<script src="http' not in (tmp_path / "scene.html").read_text()
    with pytest.raises(InvalidInput, match="nothing to draw"):
        voxome.plot.scene()
    with pytest.raises(InvalidInput, match=r"expected a voxome\.Mesh"):
        voxome.plot.scene(meshes={5: skeleton})  # type: ignore[dict-item]
