"""The file ``provenance`` is that of cloud-volume: what it wrote is kept, and it reads what we add."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.errors import CorruptData
from voxome.remotes.precomputed.provenance import add_provenance, read_provenance
from voxome.storage.local import LocalPath

THEIRS = {
    "description": "pinky",
    "owners": ["someone@example.org"],
    "processing": [{"method": {"task": "MeshTask", "mip": 2}, "by": "a@example.org", "date": "2020-01-02 03:04 UTC"}],
    "sources": ["gs://bucket/image"],
}


def entry(version: str = "1") -> Provenance:
    inputs = [InputRecord("labels", "s3://bucket/labels"), InputRecord("image", "array")]
    return Provenance.now("mesh", LOCAL, "common.meshes", version, {"id": 2**64 - 2}, inputs)


def content(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "provenance").read_text())
    return read


@pytest.fixture
def folder(tmp_path: Path) -> LocalPath:
    (tmp_path / "provenance").write_text(json.dumps(THEIRS))
    return LocalPath(str(tmp_path))


def test_a_new_file_has_all_members(tmp_path: Path) -> None:
    add_provenance(LocalPath(str(tmp_path)), entry())
    written = content(tmp_path)
    assert (written["description"], written["owners"], written["sources"]) == ("", [], ["s3://bucket/labels"])
    assert written["processing"][0]["method"]["task"] == "mesh"
    assert written["processing"][0]["by"] == "voxome"
    assert written["processing"][0]["date"] == entry().time[:10] + written["processing"][0]["date"][10:]


def test_what_others_wrote_is_kept(folder: LocalPath, tmp_path: Path) -> None:
    added = [entry("1"), entry("2")]
    for one in added:
        add_provenance(folder, one)
    written = content(tmp_path)
    assert (written["description"], written["owners"]) == (THEIRS["description"], THEIRS["owners"])
    assert written["processing"][0] == THEIRS["processing"][0]  # type: ignore[index]
    assert written["sources"] == ["gs://bucket/image", "s3://bucket/labels"]
    about, theirs, *ours = read_provenance(folder)
    assert about.parameters["description"] == "pinky"
    assert (theirs.way, theirs.time, theirs.parameters) == ("other", "2020-01-02 03:04 UTC", THEIRS["processing"][0])  # type: ignore[index]
    assert ours == added


def test_a_file_that_is_not_json_is_shown_and_kept(folder: LocalPath, tmp_path: Path) -> None:
    text = "{description: 'by hand', // in a dialect\n}"
    (tmp_path / "provenance").write_text(text)
    assert [one.parameters for one in read_provenance(folder)] == [{"content": text}]
    with pytest.raises(CorruptData):
        add_provenance(folder, entry())
    assert (tmp_path / "provenance").read_text() == text


def test_a_processing_that_is_no_list_is_shown_and_kept(folder: LocalPath, tmp_path: Path) -> None:
    (tmp_path / "provenance").write_text('{"processing": "downsampled"}')
    assert [one.parameters for one in read_provenance(folder)] == [{"content": "downsampled"}]
    with pytest.raises(CorruptData, match="processing"):
        add_provenance(folder, entry())
    assert content(tmp_path) == {"processing": "downsampled"}


def test_an_entry_of_a_later_voxome_is_shown_as_it_is(folder: LocalPath, tmp_path: Path) -> None:
    add_provenance(folder, entry())
    written = content(tmp_path)
    written["processing"][1]["method"]["format_version"] = 99
    (tmp_path / "provenance").write_text(json.dumps(written))
    assert read_provenance(folder)[-1].parameters == written["processing"][1]


@pytest.mark.slow
def test_cloud_volume_reads_what_we_add_and_keeps_it(tmp_path: Path) -> None:
    import cloudvolume

    uri = f"precomputed://{tmp_path}/volume"
    voxome.put(np.ones((4, 5, 6), np.uint8), uri, voxel_size_nm=(40, 4, 4))
    peer = cloudvolume.CloudVolume(f"file://{tmp_path}/volume", progress=False)
    peer.provenance.validate()
    assert [one["method"]["task"] for one in peer.provenance.processing] == ["put"]
    peer.provenance.processing.append({"method": {"task": "theirs"}, "by": "them", "date": "2020"})
    peer.commit_provenance()
    voxome.put(np.ones((1, 5, 6), np.uint8), uri, at=(0, 0, 0))
    found = voxome.provenance(uri)
    assert [one.service for one in found] == ["put", "other", "put"]
    assert found[1].parameters == {"method": {"task": "theirs"}, "by": "them", "date": "2020"}
