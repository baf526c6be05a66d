"""Files of a phantom of cells and vessels: independent of blocks, consistent with their tables."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import voxome
from voxome.data.vascular.graph import BRANCH_COLUMNS, NODE_COLUMNS
from voxome.data.vascular.render import RenderedBlock, Tissue, render
from voxome.data.vascular.spec import TissueSpec
from voxome.data.vascular.write import CELL_COLUMNS, TissueFiles, write_phantom
from voxome.errors import AlreadyExists, InvalidInput
from voxome.geometry import Block, Box
from voxome.resources.open import open as open_volume
from voxome.resources.table import TableFile

SPECS = {
    "xrm": TissueSpec((130, 70, 90), 3, "xrm"),
    "lm": TissueSpec((20, 40, 66), 5, "lm"),
    "sparse": TissueSpec((50, 90, 80), 5, "lm", "sparse"),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=SPECS)
def spec(request: pytest.FixtureRequest) -> TissueSpec:
    return SPECS[request.param]


@pytest.fixture(scope="module")
def whole(spec: TissueSpec) -> RenderedBlock:
    return render(Tissue.of(spec, [Block(0, spec.domain, spec.domain)]), spec.domain)


@pytest.fixture(scope="module")
def files(spec: TissueSpec, tmp_path_factory: pytest.TempPathFactory) -> TissueFiles:
    return write_phantom(tmp_path_factory.mktemp("phantom"), spec, block=(64, 64, 64))


def voxels(path: Path) -> NDArray[np.generic]:
    return np.asarray(open_volume(f"zarr://{path}")[:])


def test_blocks_do_not_show(spec: TissueSpec, whole: RenderedBlock, files: TissueFiles) -> None:
    for name, image in whole.images.items():
        np.testing.assert_array_equal(voxels(getattr(files, name)), image, err_msg=name)
    np.testing.assert_array_equal(voxels(files.labels), whole.labels)
    np.testing.assert_array_equal(voxels(files.vessel_mask), whole.vessels)
    assert open_volume(f"zarr://{files.raw}").voxel_size_nm == spec.voxel_size_nm


def test_a_box_equals_the_same_part_of_the_whole(spec: TissueSpec, whole: RenderedBlock) -> None:
    tissue = Tissue.of(spec, [Block(0, spec.domain, spec.domain)])
    for box in (Box((3, 5, 7), (4, 38, 60)), Box((0, 0, 0), (20, 1, 66)), Box((11, 13, 17), (18, 40, 49))):
        part, inner = render(tissue, box), box.within(spec.domain)
        for name, image in whole.images.items():
            np.testing.assert_array_equal(part.images[name], image[inner], err_msg=name)
        np.testing.assert_array_equal(part.labels, whole.labels[inner])
        np.testing.assert_array_equal(part.vessels, whole.vessels[inner])


def test_cells_of_the_table_are_those_of_the_labels(spec: TissueSpec, whole: RenderedBlock, files: TissueFiles) -> None:
    rows = TableFile(files.cells).read()
    assert {name: str(column.dtype) for name, column in rows.items()} == CELL_COLUMNS
    ids, sizes = np.unique(whole.labels[whole.labels > 0], return_counts=True)
    np.testing.assert_array_equal(ids, rows["id"])
    whole_cells = ~rows["touches_face"]
    volumes = 4 / 3 * np.pi * rows["radius_nm"] ** 3 / np.prod(spec.voxel_size_nm)
    np.testing.assert_allclose(sizes[whole_cells], volumes[whole_cells], rtol=0.04 if spec.modality == "xrm" else 0.5)
    assert (sizes[~whole_cells] < 1.04 * volumes[~whole_cells] + 12).all()
    assert sizes[~whole_cells].sum() < 0.9 * volumes[~whole_cells].sum()
    centres = np.array(ndimage.center_of_mass(whole.labels > 0, whole.labels, rows["id"])) * spec.voxel_size_nm
    places = np.stack([rows[f"{axis}_nm"] for axis in "zyx"], axis=1)
    off = np.linalg.norm((centres - places)[whole_cells] / spec.voxel_size_nm, axis=1)
    assert off.max(initial=0) < 0.5
    assert (np.lexsort((places[:, 2], places[:, 1], places[:, 0])) == np.arange(len(places))).all()
    assert not whole.vessels[whole.labels > 0].any()


def test_the_graph_is_in_parquet_and_graphml(spec: TissueSpec, whole: RenderedBlock, files: TissueFiles) -> None:
    nodes, branches = TableFile(files.vessel_nodes).read(), TableFile(files.vessels).read()
    assert {name: str(column.dtype) for name, column in nodes.items()} == NODE_COLUMNS
    assert {name: str(column.dtype) for name, column in branches.items()} == BRANCH_COLUMNS
    graph = nx.read_graphml(files.vessel_graph, force_multigraph=True)
    assert graph.number_of_nodes() == len(nodes["id"])
    assert sum(length for *_, length in graph.edges(data="length_nm")) == pytest.approx(branches["length_nm"].sum())
    facts = json.loads(files.truth.read_text())
    assert facts["cells"] == whole.labels.max()
    assert facts["cells_per_mm3"] * facts["volume_mm3"] == pytest.approx(facts["cells"])
    assert facts["vessel_fraction"] == (whole.vessels > 0).mean()
    if spec.modality == "xrm":
        volume = (np.pi * (branches["radius_nm"] / 1000) ** 2 * branches["length_nm"] / 1000).sum()
        assert facts["vessel_fraction"] * facts["volume_mm3"] * 1e9 == pytest.approx(volume, rel=0.1)


def test_cells_are_dark_in_x_rays_and_bright_in_fluorescence(spec: TissueSpec, whole: RenderedBlock) -> None:
    raw = whole.images["raw"].astype(float)
    cells, vessels = raw[whole.labels > 0].mean(), raw[whole.vessels > 0].mean()
    tissue = raw[(whole.labels == 0) & (whole.vessels == 0)]
    assert (cells - tissue.mean()) * (-1 if spec.modality == "xrm" else 1) > 3 * tissue.std()
    assert vessels < tissue.mean() - tissue.std()
    if spec.modality == "lm":
        background = whole.images["background"].astype(float)
        assert abs(background[whole.labels > 0].mean() - background[whole.labels == 0].mean()) < 60


def test_a_larger_volume_has_the_same_cells(files: TissueFiles, spec: TissueSpec) -> None:
    z, y, x = spec.shape
    larger = TissueSpec((z + 9, y, x), spec.seed, spec.modality, spec.density)
    tissue = Tissue.of(larger, [Block(0, larger.domain, larger.domain)])
    rows = TableFile(files.cells).read()
    kept = tissue.cells.centres[:, 0] < (z - 0.5) * spec.voxel_um[0]
    np.testing.assert_array_equal(tissue.cells.centres[kept, 0] * 1000.0, rows["z_nm"])


def test_an_interrupted_phantom_is_removed_and_none_is_overwritten(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert (done, total) == (1, 2)
        raise KeyboardInterrupt

    spec = TissueSpec((8, 8, 70))
    with pytest.raises(KeyboardInterrupt) as ended:
        write_phantom(tmp_path / "new", spec, (64, 64, 64), progress=stop)
    assert "was removed" in ended.value.__notes__[0]
    assert not (tmp_path / "new").exists()
    (tmp_path / "cells.parquet").write_text("mine")
    with pytest.raises(AlreadyExists, match=r"cells\.parquet"):
        voxome.phantom(tmp_path, shape=(8, 8, 8), modality="lm")


def test_an_unknown_modality_or_density_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Unknown modality 'ct'.*xrm"):
        voxome.phantom(tmp_path / "p", modality="ct")
    with pytest.raises(InvalidInput, match=r"Unknown density 'full'.*sparse"):
        voxome.phantom(tmp_path / "p", modality="lm", density="full")
    with pytest.raises(InvalidInput, match="density is 'sparse', but a phantom of em has none"):
        voxome.phantom(tmp_path / "p", density="sparse")
    assert not (tmp_path / "p").exists()
