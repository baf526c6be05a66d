"""Phantoms: independent of blocks, connected, consistent with their tables."""

from __future__ import annotations

from pathlib import Path

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.data.phantom.pieces import MIN_VOXELS, Pieces
from voxome.data.phantom.render import RenderedBlock, render
from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.texture import borders
from voxome.data.phantom.truth import CONNECTOME_COLUMNS, SYNAPSE_COLUMNS
from voxome.data.phantom.write import phantom_arrays, write_phantom
from voxome.errors import AlreadyExists, InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.resources.open import open as open_volume
from voxome.resources.table import TableFile

SPEC = PhantomSpec((72, 90, 80), seed=3)
Generated = tuple[NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint8], Rows]


@pytest.fixture(scope="module")
def whole() -> RenderedBlock:
    return render(SPEC, SPEC.domain)


@pytest.fixture(scope="module")
def generated() -> Generated:
    return phantom_arrays(SPEC.shape, SPEC.seed)


@pytest.mark.slow
@settings(max_examples=6)
@given(st.data())
def test_a_box_equals_the_same_part_of_the_whole(whole: RenderedBlock, data: st.DataObject) -> None:
    start = tuple(data.draw(st.integers(0, n - 1)) for n in SPEC.shape)
    stop = tuple(data.draw(st.integers(a + 1, min(a + 24, n))) for a, n in zip(start, SPEC.shape, strict=True))
    box = Box(start, stop)
    part = render(SPEC, box)
    inner = box.within(SPEC.domain)
    np.testing.assert_array_equal(part.keys, whole.keys[inner])
    np.testing.assert_array_equal(part.raw, whole.raw[inner])
    np.testing.assert_array_equal(part.membranes, whole.membranes[inner])


@pytest.mark.slow
def test_a_box_far_from_the_origin_is_like_any_other() -> None:
    domain = Box((10**6, -300, 5), (10**6 + 30, -270, 35))
    half = Box(domain.start, (10**6 + 15, -270, 35))
    whole, part = render(SPEC, domain), render(SPEC, half)
    np.testing.assert_array_equal(part.raw, whole.raw[half.within(domain)])


@pytest.mark.slow
def test_blockwise_output_equals_output_in_memory(generated: Generated, tmp_path: Path) -> None:
    write_phantom(tmp_path, SPEC, block=(64, 64, 64))
    for name, array in zip(("raw", "labels", "membranes"), generated[:3], strict=True):
        volume = open_volume(f"zarr://{tmp_path / name}.zarr")
        np.testing.assert_array_equal(volume[:], array, err_msg=name)
        assert volume.voxel_size_nm == (10.0, 10.0, 10.0)
    rows = TableFile(tmp_path / "synapses.parquet").read()
    assert tuple(rows) == tuple(SYNAPSE_COLUMNS)
    for name, values in generated[3].items():
        np.testing.assert_array_equal(rows[name], values, err_msg=name)
    connectome = TableFile(tmp_path / "connectome.parquet").read()
    assert tuple(connectome) == tuple(CONNECTOME_COLUMNS)
    assert connectome["synapses"].sum() == len(rows["id"])
    assert (connectome["area_um2"] > 0).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "connectome.parquet", "labels.zarr", "membranes.zarr", "raw.zarr", "synapses.parquet",
    ]  # fmt: skip


def test_the_tables_have_the_columns_of_a_run() -> None:
    from voxome.tools.common.graph import CONNECTOME, SYNAPSES

    assert dict(SYNAPSES.columns) == SYNAPSE_COLUMNS
    assert dict(CONNECTOME.columns) == CONNECTOME_COLUMNS


def test_a_folder_with_a_phantom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw.zarr").mkdir()
    with pytest.raises(AlreadyExists, match=r"raw\.zarr"):
        write_phantom(tmp_path, SPEC)


@pytest.mark.slow
def test_every_neuron_is_connected_and_ids_start_at_1(generated: Generated) -> None:
    labels = generated[1]
    sizes = np.bincount(labels.ravel().astype(np.int64))
    assert (sizes[1:] >= MIN_VOXELS).all()
    assert sizes[0] < 0.005 * labels.size
    _, count = cc3d.connected_components(labels, connectivity=6, return_N=True)
    assert count == len(sizes) - 1


@pytest.mark.slow
def test_every_neuron_touches_another(generated: Generated) -> None:
    labels = generated[1]
    touching = np.unique(labels[borders(labels)])
    assert set(np.unique(labels)) - {0} <= set(touching)


@pytest.mark.slow
def test_membranes_are_between_neurons(generated: Generated) -> None:
    labels, membranes = generated[1], generated[2]
    inside = borders(labels) & (labels > 0)
    assert (membranes[inside] >= 128).all()
    assert 0.08 < (membranes == 255).mean() < 0.2


@pytest.mark.slow
def test_synapses_join_the_two_neurons_at_their_position(generated: Generated) -> None:
    raw, labels, _, rows = generated
    assert len(rows["id"]) > 3
    np.testing.assert_array_equal(rows["id"], np.arange(1, len(rows["id"]) + 1))
    for z, y, x, pre, post in zip(*(rows[n] for n in ("z_nm", "y_nm", "x_nm", "pre_id", "post_id")), strict=True):
        voxel = np.rint(np.array([z, y, x]) / 10).astype(int)
        near = tuple(slice(v - 4, v + 5) for v in voxel)
        assert {pre, post} <= set(np.unique(labels[near]))
        assert pre != post
        dark = raw[near] < 60
        assert dark[labels[near] == pre].sum() > dark[labels[near] == post].sum()


@pytest.mark.slow
def test_synapses_are_at_least_200_nm_apart(generated: Generated) -> None:
    rows = generated[3]
    places = np.stack([rows[n] for n in ("z_nm", "y_nm", "x_nm")], axis=1)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(len(places))
    assert apart.min() > 190


@pytest.mark.slow
def test_connected_pairs_are_dense_enough(generated: Generated) -> None:
    rows = generated[3]
    pairs = {*zip(rows["pre_id"].tolist(), rows["post_id"].tolist(), strict=True)}
    assert len(pairs) / (generated[0].size * 1e-6) >= 10


@pytest.mark.slow
def test_another_seed_gives_another_phantom(generated: Generated) -> None:
    small = Box.of_shape((20, 20, 20))
    assert (render(PhantomSpec(SPEC.shape, 4), small).raw != generated[0][:20, :20, :20]).mean() > 0.5


@pytest.mark.slow
def test_anisotropic_voxels_show_the_same_tissue() -> None:
    fine = render(PhantomSpec((40, 40, 40), 5), Box.of_shape((40, 40, 40))).keys
    coarse = render(PhantomSpec((10, 40, 40), 5, (40.0, 10.0, 10.0)), Box.of_shape((10, 40, 40))).keys
    assert (fine[::4] == coarse).mean() > 0.9


@pytest.mark.parametrize("bad", [{"shape": (0, 3, 3)}, {"shape": (3, 3)}, {"seed": -1}, {"voxel_size_nm": (0, 1, 1)}])
def test_invalid_specs_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        PhantomSpec(**{"shape": (4, 4, 4), **bad})  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("block", [(3, 4, 5), (7, 2, 3), (16, 16, 16)])
def test_pieces_do_not_depend_on_blocks(block: tuple[int, int, int]) -> None:
    keys = np.random.default_rng(1).integers(1, 3, (9, 10, 11)).repeat(3, 0).repeat(3, 1).repeat(3, 2).astype(np.uint64)
    domain = Box.of_shape(keys.shape)
    pieces, provisional = Pieces(domain), np.zeros_like(keys)
    for one in BlockGrid(domain, block):
        at = one.write.within(domain)
        provisional[at] = pieces.add(one, np.ascontiguousarray(keys[at]))
        pieces.join(one, provisional[at], lambda box: provisional[box.within(domain)])
    found = pieces.numbers()[provisional]
    expected = cc3d.connected_components(keys, connectivity=6)
    sizes = np.bincount(expected.ravel())
    kept = sizes[expected] >= MIN_VOXELS
    assert ((found > 0) == kept).all()
    assert len(np.unique(np.stack([found[kept], expected[kept]]), axis=1).T) == len(np.unique(expected[kept]))
    assert len(np.unique(found[kept])) == len(np.unique(expected[kept])) == found.max()
    first = np.unique(found[kept], return_index=True)[1]
    assert (np.diff(first) > 0).all()


@pytest.mark.slow
def test_progress_is_reported_and_what_is_interrupted_is_removed(tmp_path: Path) -> None:
    spec, block = PhantomSpec((72, 90, 80), seed=3), (64, 64, 64)
    seen: list[tuple[int, int]] = []
    write_phantom(tmp_path / "whole", spec, block, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 16) for n in range(1, 17)]

    for last in (1, 12):

        def stop(done: int, total: int, last: int = last) -> None:
            if done == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as ended:
            write_phantom(tmp_path / "new", spec, block, progress=stop)
        assert "was removed" in ended.value.__notes__[0]
        assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "old", spec, block, progress=stop)
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["notes.txt"]
