"""``voxome regions``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers.s3 import Bucket

import voxome
from voxome.contracts.provenance import ATTRIBUTE, LOCAL, Provenance
from voxome.contracts.uri import Uri
from voxome.remotes.precomputed.segment_properties import write_segment_properties
from voxome.resources.table import TableFile

IDS = np.array([0, 3, 2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2], np.uint64)
RNG = np.random.default_rng(1)
LABELS = RNG.choice(IDS, (9, 10, 11))
IMAGE = RNG.normal(size=LABELS.shape).astype(np.float32)
SIZE = (40.0, 4.0, 8.0)
OUT = ("precomputed://labels", "--out", "out.parquet")


@pytest.fixture
def stored(command: Any) -> Any:
    voxome.put(LABELS, "precomputed://labels", voxel_size_nm=SIZE, kind="labels", chunk=(4, 4, 4))
    voxome.put(IMAGE, "zarr://image.zarr", voxel_size_nm=SIZE, chunk=(4, 4, 4))
    return command


def run(command: Any, *arguments: str) -> Any:
    return command("regions", "precomputed://labels", "--out", "out.parquet", "--engine", "sequential", *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("block", ["3,3,3", "4,4,4", "8,8,8", "9,10,11"])
def test_the_tables_are_those_of_the_service_whatever_the_blocks(stored: Any, block: str) -> None:
    arguments = ("--image", "zarr://image.zarr", "--contacts", "contacts.parquet", "--block", block)
    result = run(stored, *arguments)
    assert result.status == 0, result.err
    assert "5 segments" in result.err
    volume = voxome.open("precomputed://labels", expect=voxome.Volume)
    for file, table in (
        ("out.parquet", volume.regions("zarr://image.zarr")),
        ("contacts.parquet", volume.contacts()),
    ):
        rows = TableFile(file).read()
        assert tuple(rows) == table.columns
        for name in table.columns:
            assert rows[name].dtype == table[name].dtype
            np.testing.assert_array_equal(rows[name], table[name])
    assert not Path("out.parquet.run").exists()


@pytest.mark.slow
def test_the_main_measures_become_properties_of_the_segmentation(stored: Any) -> None:
    result = run(stored, "--segment-properties", "precomputed://labels/measures", "--json")
    assert result.status == 0, result.err
    assert result.json["omitted"] == []
    assert json.loads(Path("labels/info").read_text())["segment_properties"] == "measures"
    content = json.loads(Path("labels/measures/info").read_text())
    inline = content["inline"]
    assert content["@type"] == "neuroglancer_segment_properties"
    assert inline["ids"] == [str(one) for one in IDS[1:].tolist()]
    columns = {one["id"]: one for one in inline["properties"]}
    assert columns["voxels"]["data_type"] == "uint32"
    assert columns["voxels"]["values"] == [int((one == LABELS).sum()) for one in IDS[1:]]
    assert columns["volume_nm3"]["data_type"] == "float32"
    assert "mean" not in columns


@pytest.mark.slow
def test_a_volume_without_labels_has_empty_tables(command: Any) -> None:
    voxome.put(np.zeros_like(LABELS), "precomputed://labels", voxel_size_nm=SIZE, kind="labels")
    result = run(command, "--contacts", "contacts.parquet", "--json")
    assert result.status == 0, result.err
    assert (result.json["segments"], result.json["touching"]) == (0, 0)
    assert "voxels" in TableFile("out.parquet").columns


@pytest.mark.slow
def test_a_table_keeps_what_made_it(stored: Any) -> None:
    assert run(stored, "--box", "0:5,:,:").status == 0
    made = json.loads(TableFile("out.parquet").metadata[ATTRIBUTE])
    assert (made["service"], made["tool"]) == ("regions", "common.regions")
    assert TableFile("out.parquet").read()["voxels"].sum() == (LABELS[:5] != 0).sum()


@pytest.mark.slow
def test_an_existing_table_is_replaced_only_with_overwrite(stored: Any) -> None:
    Path("out.parquet").write_text("mine")
    result = run(stored)
    assert result.status == 1
    assert "out.parquet already exists" in result.err
    assert Path("out.parquet").read_text() == "mine"
    assert run(stored, "--overwrite").status == 0


@pytest.mark.slow
def test_a_folder_of_something_else_is_kept_and_does_not_allow_to_replace_a_table(stored: Any) -> None:
    Path("out.parquet").write_text("mine")
    Path("out.parquet.run").mkdir()
    Path("out.parquet.run/notes.txt").write_text("mine")
    for arguments in ((), ("--overwrite",)):
        result = run(stored, *arguments)
        assert result.status == 1
        assert "out.parquet.run is where blocks of out.parquet would be kept, and has something else" in result.err
    assert Path("out.parquet").read_text() == Path("out.parquet.run/notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_segment_properties_are_replaced_only_with_overwrite(stored: Any) -> None:
    curated = {"ids": ["3"], "properties": [{"id": "name", "type": "label", "values": ["giant fibre"]}]}
    info = Path("labels/names/info")
    info.parent.mkdir()
    info.write_text(json.dumps({"@type": "neuroglancer_segment_properties", "inline": curated}))
    arguments = ("--segment-properties", "precomputed://labels/names")
    result = run(stored, *arguments)
    assert result.status == 1
    assert "names/info already exists" in result.err
    assert json.loads(info.read_text())["inline"] == curated
    assert not Path("out.parquet").exists()
    assert not Path("out.parquet.run").exists()
    assert run(stored, *arguments, "--overwrite").status == 0
    assert "voxels" in info.read_text()


@pytest.mark.slow
def test_a_call_for_something_else_does_not_replace_the_tables_of_an_interrupted_one(
    stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("voxome.workflow.region_tables.RegionTables", fail)
        assert run(stored).status == 130
    assert len(TableFile("out.parquet")) == 5
    result = run(stored, "--box", "0:5,:,:")
    assert result.status == 1
    assert "out.parquet already exists" in result.err
    assert run(stored).status == 0
    assert not Path("out.parquet.run").exists()


def test_a_run_that_cannot_be_planned_leaves_nothing(stored: Any) -> None:
    result = run(stored, "--box", "100:200,:,:")
    assert result.status == 1
    assert not Path("out.parquet.run").exists()


@pytest.mark.slow
def test_an_interrupted_run_is_resumed(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("voxome.workflow.region_tables._copy", fail)
        assert run(stored).status == 130
    kept = {path: path.stat().st_mtime_ns for path in Path("out.parquet.run").rglob("*.parquet")}
    assert kept
    with monkeypatch.context() as patch:
        patch.setattr("voxome.workflow.region_tables._copy", fail)
        assert run(stored).status == 130
    assert {path: path.stat().st_mtime_ns for path in Path("out.parquet.run").rglob("*.parquet")} == kept
    assert run(stored).status == 0
    assert len(TableFile("out.parquet")) == 5


@pytest.mark.parametrize("part", [np.s_[:8], np.s_[:, :7], np.s_[:, :, 1:]])
def test_an_image_that_lacks_voxels_of_the_labels_is_refused(stored: Any, part: Any) -> None:
    voxome.put(IMAGE[part], "zarr://part.zarr", voxel_size_nm=SIZE)
    result = run(stored, "--image", "zarr://part.zarr")
    assert result.status == 1
    shape = ",".join(map(str, IMAGE[part].shape))
    assert f"the image zarr://part.zarr has {shape} voxels" in result.err
    assert "expected those of the labels precomputed://labels: 9,10,11, 0:9,0:10,0:11" in result.err
    assert not list(Path().glob("out*"))


@pytest.mark.slow
def test_a_part_that_both_volumes_have_is_measured(stored: Any) -> None:
    voxome.put(IMAGE[:5], "zarr://part.zarr", voxel_size_nm=SIZE)
    assert run(stored, "--image", "zarr://part.zarr", "--box", "0:5,:,:").status == 0
    volume = voxome.open("precomputed://labels", expect=voxome.Volume)
    np.testing.assert_array_equal(
        TableFile("out.parquet").read()["mean"], volume.regions("zarr://image.zarr", box="0:5,:,:")["mean"]
    )


@pytest.mark.slow
def test_tables_are_written_as_csv(stored: Any) -> None:
    result = stored(
        "regions", "precomputed://labels", "--out", "out.csv", "--contacts", "c.CSV", "--engine", "sequential"
    )
    assert result.status == 0, result.err
    volume = voxome.open("precomputed://labels", expect=voxome.Volume)
    for file, table in (("out.csv", volume.regions()), ("c.CSV", volume.contacts())):
        with Path(file).open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert tuple(rows[0]) == table.columns
        for name in table.columns:
            values = [table[name].dtype.type(row[name]) for row in rows]
            np.testing.assert_array_equal(values, table[name])


@pytest.mark.slow
def test_steps_are_numbered_once(stored: Any) -> None:
    result = run(stored, "--contacts", "contacts.parquet")
    steps = [line.partition(":")[0] for line in result.err.splitlines() if line.startswith("[")]
    assert steps == ["[1/3] common.region_sums", "[2/3] common.regions", "[3/3] common.contacts"]


@pytest.mark.slow
def test_a_finished_call_is_noticed(stored: Any) -> None:
    arguments = ("--contacts", "contacts.parquet", "--segment-properties", "precomputed://labels/measures")
    assert run(stored, *arguments).status == 0
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    result = run(stored, *arguments)
    assert result.status == 0, result.err
    assert "Already finished by the same command" in result.err
    assert "out.parquet: 5 segments" in result.err
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()} == before
    first = run(stored, *arguments, "--overwrite", "--json").json
    again = run(stored, *arguments, "--json").json
    assert (first.pop("reused"), again.pop("reused")) == (False, True)
    assert first == again


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [("--box", "0:5,:,:"), ("--image", "zarr://image.zarr"), ("--voxel-size", "40,4,4")]
)
def test_a_table_of_another_call_is_not_taken_for_finished(stored: Any, arguments: tuple[str, ...]) -> None:
    assert run(stored).status == 0
    result = run(stored, *arguments)
    assert result.status == 1
    assert "out.parquet already exists" in result.err


@pytest.mark.slow
def test_a_table_of_other_voxels_is_not_taken_for_finished(stored: Any) -> None:
    assert run(stored).status == 0
    voxome.open("precomputed://labels", expect=voxome.Volume, mode="r+")[0] = 0
    result = run(stored)
    assert result.status == 1
    assert "out.parquet already exists" in result.err


@pytest.mark.slow
def test_what_is_missing_beside_a_finished_table_is_written(stored: Any) -> None:
    assert run(stored).status == 0
    assert run(stored, "--contacts", "contacts.parquet").status == 0
    assert len(TableFile("contacts.parquet")) == 10


@pytest.mark.slow
def test_tables_are_written_into_a_bucket(stored: Any, bucket: Bucket, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    result = stored("regions", "precomputed://labels", "--out", bucket.uri(f"{key}/out.parquet"), "--workers", "1")
    assert result.status == 0, result.err
    assert bucket.keys(f"{key}/") == [f"{key}/out.parquet"]
    assert len(TableFile(bucket.uri(f"{key}/out.parquet"))) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zarr://image.zarr", "--out", "out.parquet"), "float32; expected integer labels"),
        (("precomputed://labels", "--out", "out.xlsx"), "neither .parquet nor .csv; end its name in one of these"),
        (("precomputed://labels", "--out", "labels/info/out.csv"), "info is a file, not a folder; choose another"),
        ((*OUT, "--contacts", "labels/info/contacts.csv"), "info is a file, not a folder; choose another"),
        (
            ("precomputed://labels", "--out", "o.csv", "--segment-properties", "precomputed://labels/info/a"),
            "info is a file, not a folder; choose another",
        ),
        (("precomputed://none", "--out", "out.parquet"), "none"),
        ((*OUT, "--contacts", "./out.parquet"), "give them two names"),
        (
            ("precomputed://labels", "--out", "o.parquet", "--segment-properties", "precomputed://labels"),
            "something else",
        ),
        (
            ("precomputed://labels", "--out", "o.parquet", "--segment-properties", "zarr://p"),
            "is no folder for segment",
        ),
        ((*OUT, "--image", "zarr://no.zarr"), "no.zarr"),
    ],
)
def test_what_cannot_be_measured_leaves_nothing(stored: Any, arguments: tuple[str, ...], message: str) -> None:
    before = sorted(Path().iterdir())
    result = stored("regions", *arguments)
    assert result.status == 1
    assert message in result.err
    assert sorted(Path().iterdir()) == before


def test_segment_properties_inside_a_volume_that_has_none_are_refused(stored: Any) -> None:
    result = run(stored, "--segment-properties", "precomputed://image.zarr/measures")
    assert result.status == 1
    assert "image.zarr, where viewers look for no segment properties; write them into the folder of a" in result.err
    assert not Path("image.zarr/measures").exists()
    assert not Path("out.parquet").exists()


def test_what_made_segment_properties_is_shown(command: Any) -> None:
    made = Provenance.now("regions", LOCAL, "common.regions", "1", {"level": 0})
    uri = Uri.parse("precomputed://measures")
    write_segment_properties(uri, IDS[1:], {"voxels": np.ones(len(IDS) - 1, np.uint32)}, made)
    for name in (str(uri), "measures"):
        shown = command("info", "--provenance", name, "--json").json["provenance"]
        assert [one["service"] for one in shown] == ["regions"]
    assert "voxome only writes and lists; `voxome.regions`" in command("info", str(uri)).err


def test_segment_properties_of_nothing_have_no_provenance(command: Any) -> None:
    Path("empty").mkdir()
    result = command("info", "--provenance", "precomputed://empty")
    assert result.status == 1
