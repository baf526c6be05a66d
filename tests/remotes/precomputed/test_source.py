from __future__ import annotations

import json
from pathlib import Path

import pytest

from voxome.contracts.abilities import most_detailed_version
from voxome.contracts.spec import VolumeSpec
from voxome.resources.create import create
from voxome.resources.open import open_source


@pytest.fixture
def volume(tmp_path: Path):
    uri = f"precomputed://{tmp_path}/labels"
    spec = VolumeSpec.of((8, 8, 8), "uint32", kind="labels", voxel_size_nm=(8, 8, 8), chunk=(4, 4, 4))
    create(uri, spec)[...] = 5
    return uri, tmp_path / "labels"


def test_meshes_beside_the_voxels_do_not_change_the_version(volume):
    uri, folder = volume
    before = most_detailed_version(open_source(uri))
    info = json.loads((folder / "info").read_text())
    (folder / "info").write_text(json.dumps({**info, "mesh": "mesh"}))
    (folder / "mesh").mkdir()
    (folder / "mesh" / "info").write_text("{}")
    assert most_detailed_version(open_source(uri)) == before


def test_voxels_change_the_version(volume):
    uri, _ = volume
    before = most_detailed_version(open_source(uri))
    source = open_source(uri, mode="r+")
    source.write(source.spec.domain, source.read(source.spec.domain) + 1)
    after = most_detailed_version(open_source(uri))
    assert after.covers_voxels
    assert after != before


def test_other_metadata_of_the_scale_change_the_version(volume):
    uri, folder = volume
    before = open_source(uri).version()
    info = json.loads((folder / "info").read_text())
    info["scales"][0]["resolution"] = [8, 8, 40]
    (folder / "info").write_text(json.dumps(info))
    assert open_source(uri).version() != before
