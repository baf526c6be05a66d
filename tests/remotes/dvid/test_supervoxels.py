"""Files of supervoxels against recorded responses of a real server, and on the stand-in server."""

from __future__ import annotations

import io
import tarfile

import pytest
from remotes.dvid.recorded import response_body

from voxome.errors import CorruptData, NotFound
from voxome.remotes.dvid.supervoxels import SupervoxelFiles, read_tar

NAME = "segmentation_sv_meshes"


def test_recorded_responses_are_parsed(recorded_node, edited_node):
    files = SupervoxelFiles(recorded_node, NAME)
    assert len(files.get(1004)) == 300
    assert files.exist([1004, 1115, 1010]).tolist() == [True, True, False]
    assert files.missing(1010) == [1010]
    assert files.by_body(1004) == {"1004.drc": files.get(1004)}
    assert files.by_body(1010) == {}
    with pytest.raises(NotFound, match="no file of supervoxel 1010 in"):
        files.get(1010)
    with pytest.raises(NotFound, match="no body 99999999 in the labels of"):
        files.by_body(99999999)
    merged = SupervoxelFiles(edited_node, NAME).by_body(1004)
    assert {name: len(data) for name, data in merged.items()} == {"1004.drc": 300, "1115.drc": 77}


def test_truncated_archives_are_refused(recorded):
    data = response_body(recorded, f"{NAME}/tarfile/1004")
    for wrong in (data[:600], b"no archive"):
        with pytest.raises(CorruptData, match="files: not a tar archive"):
            read_tar(wrong, "files")


def archive_of(mode, *members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def member_of(name, size=0, **options):
    member = tarfile.TarInfo(name)
    member.size = size
    for option, value in options.items():
        setattr(member, option, value)
    return member


def test_archives_do_not_multiply_their_bytes():
    file = (member_of("1.drc", 1000), bytes(1000))
    assert read_tar(archive_of("w", file), "files") == {"1.drc": bytes(1000)}
    link = (member_of("2.drc", type=tarfile.LNKTYPE, linkname="1.drc"), b"")
    sparse = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1"}
    large = (member_of("3.drc", 1, pax_headers=sparse), b"a")
    for members in ([file, link], [file, large]):
        with pytest.raises(CorruptData, match="is a link, or has more bytes"):
            read_tar(archive_of("w", *members), "files")
    for compression in ("gz", "bz2", "xz"):
        with pytest.raises(CorruptData, match="not a tar archive"):
            read_tar(archive_of(f"w:{compression}", file), "files")


def test_files_are_stored(node, create_instance):
    create_instance("tarsupervoxels", "meshes", Extension="drc")
    files = SupervoxelFiles(node, "meshes")
    files.put(7, b"\0\1")
    assert files.get(7) == b"\0\1"
    assert files.exist([]).tolist() == []
