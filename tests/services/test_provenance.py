"""What made a volume is recorded where it is kept, and read from there."""

from __future__ import annotations

import logging
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from remotes.precomputed.layers import write_info, write_volume

import voxome
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.errors import AccessDenied, NotFound
from voxome.remotes.memory import MemorySource
from voxome.resources.provenance import record
from voxome.testing import ServiceContract

LABELS = np.arange(4 * 5 * 6, dtype=np.uint64).reshape(4, 5, 6)


@pytest.fixture
def origin(tmp_path: Path) -> str:
    voxome.put(LABELS, f"zarr://{tmp_path}/origin.zarr", voxel_size_nm=(40, 4, 4))
    return f"zarr://{tmp_path}/origin.zarr"


class TestProvenance(ServiceContract):
    name = "provenance"

    @pytest.fixture
    def volume(self) -> voxome.Volume:
        return voxome.put(LABELS, f"memory://{uuid4().hex}", voxel_size_nm=(40, 4, 4))

    def check(self, result: tuple[Provenance, ...]) -> None:
        (one,) = result
        assert (one.service, one.way, one.tool) == ("put", "local", "voxome.put")
        assert (one.version, one.inputs[0].uri) == (voxome.__version__, "array")  # type: ignore[attr-defined]


def test_a_copy_has_what_made_its_source_and_what_copied_it(origin: str, tmp_path: Path) -> None:
    uri = f"precomputed://{tmp_path}/copy"
    voxome.transfer(origin, uri, box="0:4,0:4,0:6", levels=2, state=tmp_path / "state")
    put, transfer = voxome.provenance(uri)
    assert (put,) == voxome.provenance(origin)
    assert (transfer.service, transfer.parameters) == ("transfer", {"box": "0:4,0:4,0:6", "levels": 2})
    assert transfer.inputs[0].uri == origin
    assert transfer.inputs[0].version


def test_repeating_a_transfer_neither_fails_nor_records_it_twice(origin: str, tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/copy.zarr"
    for _ in range(2):
        voxome.transfer(origin, uri, state=tmp_path / "state", verify="all")
    assert [one.service for one in voxome.provenance(uri)] == ["put", "transfer"]


@pytest.mark.slow
def test_a_transfer_that_copies_again_is_another_entry(origin: str, tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/copy.zarr"
    voxome.transfer(origin, uri, state=tmp_path / "state")
    voxome.open(origin, expect=voxome.Volume, mode="r+")[0, 0, 0] = 9
    voxome.transfer(origin, uri, state=tmp_path / "state", existing=True)
    *_, first, second = voxome.provenance(uri)
    assert first.inputs[0].uri == second.inputs[0].uri == origin
    assert first.inputs[0].version != second.inputs[0].version


def test_converting_names_the_window(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/grey.zarr"
    voxome.convert(np.linspace(0, 1, 60).reshape(3, 4, 5), uri, window="0:1", state=tmp_path / "state")
    assert voxome.provenance(uri)[-1].inputs[0].uri == "array?dtype=uint8&window=0:1"


@pytest.mark.parametrize("name", ["crop.zarr", "crop.n5", "crop.h5"])
def test_exported_volumes_keep_it(origin: str, tmp_path: Path, name: str) -> None:
    voxome.get(origin, tmp_path / name, box="0:2,:,:")
    where = tmp_path / name / "volume" if name.endswith("h5") else tmp_path / name
    put, get = voxome.provenance(where)
    assert (put.service, get.service, get.parameters) == ("put", "get", {"box": "0:2,:,:"})


def test_a_format_without_a_place_is_logged(origin: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="voxome.resources.provenance"):
        voxome.transfer(origin, f"npy://{tmp_path}/a.npy", drop=["voxel_size"], state=tmp_path / "state")
    assert "has no place for provenance" in caplog.text
    assert voxome.provenance(tmp_path / "a.npy") == ()


def test_a_store_that_refuses_it_loses_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: MemorySource, one: Provenance) -> None:
        raise AccessDenied("no rights")

    monkeypatch.setattr(MemorySource, "add_provenance", refuse)
    volume = voxome.put(LABELS, f"memory://{uuid4().hex}")
    assert volume[3, 4, 5] == LABELS[3, 4, 5]
    assert "is not recorded: no rights" in caplog.text


def test_an_entry_is_recorded_once() -> None:
    volume = voxome.put(LABELS, f"memory://{uuid4().hex}")
    for time in ("2026-01-01", "2026-01-02"):
        one = Provenance(service="run", way=LOCAL, tool="a.b", version="1", time=time)
        assert record(volume.source, one, name=volume.uri)
    assert [one.service for one in volume.provenance()] == ["put", "run"]


@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed"])
def test_levels_show_that_of_the_volume(origin: str, tmp_path: Path, scheme: str) -> None:
    uri = f"{scheme}://{tmp_path}/levels"
    spec = voxome.VolumeSpec.of((16, 16, 16), "uint8", voxel_size_nm=(8, 8, 8))
    source = voxome.create(f"memory://{uuid4().hex}", spec)
    voxome.transfer(source, uri, levels=2, state=tmp_path / "state")
    assert len(voxome.open(uri, expect=voxome.Volume).levels) == 2
    assert voxome.provenance(f"{uri}?level=1") == voxome.provenance(uri) != ()


def test_blocks_that_are_put_into_a_volume_are_one_entry() -> None:
    uri = f"memory://{uuid4().hex}"
    voxome.put(LABELS, uri)
    for z in range(4):
        voxome.put(LABELS[:1], uri, at=(z, 0, 0))
    assert [one.parameters for one in voxome.provenance(uri)] == [{}, {"existing": True}]


def test_entries_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("voxome.resources.provenance.MOST_ENTRIES", 2)
    volume = voxome.put(LABELS, f"memory://{uuid4().hex}")
    for version in ("1", "2", "3"):
        one = Provenance.now("run", LOCAL, "a.b", version)
        assert record(volume.source, one, name=volume.uri) == (version == "1")
    assert [one.service for one in volume.provenance()] == ["put", "run"]
    assert "has 2 entries of provenance, the most that are recorded" in caplog.text


def test_views_show_that_of_the_volume(origin: str) -> None:
    assert voxome.provenance(f"{origin}?start=1,2,3") == voxome.provenance(origin)


def test_shapes_have_their_own() -> None:
    one = Provenance.now("mesh", LOCAL, "common.meshes", "1")
    mesh = voxome.Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), one)
    assert voxome.provenance(mesh) == (one,)
    assert voxome.provenance(voxome.Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))) == ()
    assert voxome.provenance(LABELS) == ()


@pytest.mark.parametrize("name", ["mesh", "skeletons"])
def test_folders_of_shapes_keep_it(tmp_path: Path, name: str) -> None:
    write_volume(tmp_path, mesh="mesh", skeletons="skeletons")
    for folder, type in (("mesh", "neuroglancer_legacy_mesh"), ("skeletons", "neuroglancer_skeletons")):
        write_info(tmp_path / folder, {"@type": type})
    one = Provenance.now("mesh", LOCAL, "common.meshes", "1", {"max_error_nm": 40.0})
    shapes = voxome.open(f"precomputed://{tmp_path}/{name}")
    assert record(shapes.source, one, name=name)
    assert voxome.provenance(shapes) == voxome.provenance(f"{tmp_path}/{name}") == (one,)
    assert voxome.provenance(f"precomputed://{tmp_path}") == ()


def test_tables_have_their_own() -> None:
    (one,) = voxome.provenance(voxome.regions(LABELS, voxel_size_nm=(40, 4, 4)))
    assert one.service == "regions"


def test_what_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        voxome.provenance(f"zarr://{tmp_path}/none.zarr")


def test_a_table_of_annotations_has_its_entries_by_its_path_too(tmp_path: Path) -> None:
    points = voxome.Annotations("point", [1, 2], np.ones((2, 1, 3)))
    voxome.create_annotations(f"annotationfiles://{tmp_path}/a.parquet", points)
    entries = voxome.provenance(f"annotationfiles://{tmp_path}/a.parquet")
    assert [one.service for one in entries] == ["annotations"]
    assert voxome.provenance(f"{tmp_path}/a.parquet") == entries


def test_a_table_of_another_program_has_no_entries(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    assert voxome.provenance(tmp_path / "t.parquet") == ()
