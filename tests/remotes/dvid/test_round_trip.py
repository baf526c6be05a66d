"""Labels from BossDB to DVID, edited there, and back, compared with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from standins import boss, dvid

import voxome
from voxome.errors import NotFound, ReadOnly

pytestmark = pytest.mark.slow

START, SHAPE, VOXEL_SIZE_NM = (8, 16, 40), (70, 150, 130), (40.0, 8.0, 4.0)


@pytest.fixture
def stores(monkeypatch, tmp_path):
    """Empty BossDB and DVID servers."""
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    with boss.serving() as archive, dvid.serving("secret") as proofreading:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", archive.url)
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", archive.token)
        monkeypatch.setenv("VOXOME_DVID_HOST", proofreading)
        monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", "secret")
        yield f"bossdb://{archive.url}/lab/brain", proofreading.replace("http://", "dvid://")


@pytest.fixture
def segmentation():
    """Forty labels with large gaps between their numbers, each in several parts, and background."""
    random = np.random.default_rng(3)
    coarse = random.integers(0, 41, (9, 19, 17)) * 1_000_003
    whole = coarse.repeat(8, 0).repeat(8, 1).repeat(8, 2)
    return whole[tuple(slice(0, size) for size in SHAPE)].astype(np.uint64)


def test_labels_survive_a_round_trip(stores, segmentation, tmp_path):
    archive, server = stores
    spec = voxome.VolumeSpec.of(SHAPE, "uint64", start=START, kind="labels", voxel_size_nm=VOXEL_SIZE_NM)
    voxome.create(f"{archive}/em", spec, dtype=np.dtype("uint8"), kind="image")
    source = voxome.create(f"{archive}/segmentation", spec)
    source.paste(spec.domain, segmentation)

    connection: Any = voxome.connect(server)
    repo = connection.create_repo("brain")
    ingested = f"{server}/{repo.uuid}/segmentation"
    voxome.transfer(source, ingested, verify="all", state=tmp_path / "in")
    volume = voxome.open(ingested)
    assert volume.voxel_size_nm == VOXEL_SIZE_NM
    assert np.array_equal(volume.cutout(spec.domain), segmentation)

    repo.commit("ingested")
    with pytest.raises(ReadOnly):
        repo.labels().merge(1_000_003, [2_000_006])
    work = repo.new_version("proofreading")
    labels, expected = work.labels(), segmentation.copy()

    first, second, third, fourth = (np.unique(segmentation)[[1, 2, 3, 4]]).tolist()
    labels.merge(first, [second, third])
    labels.merge(fourth, [int(np.unique(segmentation)[9])])
    expected[np.isin(segmentation, [second, third])] = first
    expected[segmentation == np.unique(segmentation)[9]] = fourth
    cleave = labels.cleave(first, [third])
    expected[segmentation == third] = cleave.label
    work.commit("proofread")

    edited = f"{server}/{work.uuid}/segmentation"
    assert np.array_equal(voxome.open(edited).cutout(spec.domain), expected)
    voxome.transfer(edited, f"{archive}/proofread", box=spec.domain, verify="all", state=tmp_path / "out")
    back = voxome.open(f"{archive}/proofread")
    assert np.array_equal(back.cutout(spec.domain), expected)
    assert back.voxel_size_nm == VOXEL_SIZE_NM
    assert back.spec.kind == "labels"

    assert np.array_equal(voxome.open(ingested).cutout(spec.domain), segmentation), "the committed version is unchanged"
    assert np.array_equal(voxome.open(f"{archive}/segmentation").cutout(spec.domain), segmentation)
    assert np.array_equal(back.ids(spec.domain), np.unique(expected)[1:])
    assert [mutation.action for mutation in labels.mutations()] == ["merge", "merge", "cleave"]
    with pytest.raises(NotFound, match=f"no body {second}"):
        labels.size(second)
    assert repo.labels().size(second) == (segmentation == second).sum()
