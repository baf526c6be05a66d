"""Files of supervoxels against a real server's answers, and on the stand-in server."""

from __future__ import annotations

import pytest
from remotes.dvid.recorded import answer

from voxome.errors import CorruptData, NotFound
from voxome.remotes.dvid.supervoxels import SupervoxelFiles, read_tar

NAME = "segmentation_sv_meshes"


def test_as_recorded(as_recorded, as_edited):
    files = SupervoxelFiles(as_recorded, NAME)
    assert len(files.get(1004)) == 300
    assert files.exist([1004, 1115, 1010]).tolist() == [True, True, False]
    assert files.missing(1010) == [1010]
    assert files.of_body(1004) == {"1004.drc": files.get(1004)}
    assert files.of_body(1010) == {}
    with pytest.raises(NotFound, match="supervoxel 1010 has no file in"):
        files.get(1010)
    with pytest.raises(NotFound, match="no body 99999999 for"):
        files.of_body(99999999)
    merged = SupervoxelFiles(as_edited, NAME).of_body(1004)
    assert {name: len(data) for name, data in merged.items()} == {"1004.drc": 300, "1115.drc": 77}


def test_an_archive_cut_short(recorded):
    data = answer(recorded, f"{NAME}/tarfile/1004")
    for wrong in (data[:600], b"no archive"):
        with pytest.raises(CorruptData, match="files: no archive"):
            read_tar(wrong, "files")


def test_stored(node, make):
    make("tarsupervoxels", "meshes", Extension="drc")
    files = SupervoxelFiles(node, "meshes")
    files.put(7, b"\0\1")
    assert files.get(7) == b"\0\1"
    assert files.exist([]).tolist() == []
