from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voxome
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.report import FinishedRun, Result
from voxome.geometry import Box
from voxome.reports.em_connectome import ConnectomeReport

FRAME = Frame(Box((0, 0, 0), (30, 40, 50)), Box((10, 0, 0), (20, 40, 50)), (40.0, 8.0, 4.0), (400.0, 80.0, 40.0))
"""A box of a volume whose voxel 0 is at (400, 80, 40) nm."""


def write_table(path: Path, columns: dict[str, object]) -> str:
    pq.write_table(pa.table({name: np.asarray(values) for name, values in columns.items()}), path)
    return str(path)


@pytest.fixture
def run(tmp_path: Path) -> FinishedRun:
    spec = voxome.VolumeSpec.of((30, 40, 50), "uint8", voxel_size_nm=FRAME.voxel_size_nm, offset_nm=FRAME.offset_nm)
    raw = voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)
    neurons = voxome.create(f"zarr://{tmp_path}/neurons.zarr", spec.replace(dtype=np.dtype(np.uint64), kind="labels"))
    neurons[:, :, 20:] = 2**63 + 5
    place = {"z_nm": [400 + 15 * 40.0, 400.0], "y_nm": [80 + 8 * 3.0, 80.0], "x_nm": [40 + 4 * 7.0, 40.0]}
    ends = {"pre_id": np.array([2**63 + 5], np.uint64), "post_id": np.array([1], np.uint64), "directed": [True]}
    results = {
        "neurons": Result("volume", neurons.uri, FRAME),
        "membranes": Result("volume", raw.uri, FRAME),
        "neurons_table": Result("table", write_table(tmp_path / "n.parquet", {"id": [2**63 + 5], "voxels": [10**6]})),
        "synapses": Result("table", write_table(tmp_path / "s.parquet", place)),
        "connectome": Result(
            "table", write_table(tmp_path / "c.parquet", {**ends, "synapses": [4], "area_um2": [0.5]})
        ),
        "sections": Result(
            "table", write_table(tmp_path / "g.parquet", {"z": [0], "voxels": [9], "missing": [0], "bridged": [0]})
        ),
    }
    record = {
        "workflow": "connectome", "inputs": {"raw": Handle("volume", raw.uri).to_json()},
        "started_s": 0.0, "wall_s": 5.0, "engines": [{"workers": 2}], "plan": "k", "versions": {"voxome": "1"},
        "warnings": [], "steps": [], "command": "voxome run connectome.cwl", "host": "tower",
    }  # fmt: skip
    return FinishedRun(tmp_path, json.loads(json.dumps(record)), results)


def test_the_report_has_sizes_places_and_the_command(run: FinishedRun) -> None:
    assert ConnectomeReport().write(run)["neurons"] == 1
    page = (run.folder / "report.html").read_text()
    assert "40 × 8 × 4 nm (z, y, x)" in page
    assert "400 nm × 320 nm × 200 nm" in page
    assert "voxome run connectome.cwl" in page
    assert f"<code>voxome view {run.folder}</code>." in page
    assert "at most 100 nm from the plane" in page
    assert "tower" in page
    assert "z = 15" in page
    assert page.count('cx="7.5" cy="3.5"') == 2  # in the raw and the coloured picture of z = 15
    assert ">1.28<" in page  # µm³


def test_volumes_that_browsers_reach_have_a_link(run: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def link(volume: voxome.Volume, **others: object) -> str:
        shown.append(volume.uri)
        return "https://viewer.example/#!{}&x"

    monkeypatch.setattr(voxome.Volume, "link", link, raising=False)
    ConnectomeReport().write(run)
    assert shown == [run.results["neurons"].uri]
    assert '<a href="https://viewer.example/#!{}&amp;x">' in (run.folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("lost", "parts"),
    [
        ("n.parquet", ["number of neurons", "sizes of neurons"]),
        ("s.parquet", ["number of synapses", "slices"]),
        ("c.parquet", ["number of connections", "connections"]),
        ("g.parquet", ["whether sections are missing"]),
        ("raw.zarr", ["link to Neuroglancer", "slices"]),
        ("neurons.zarr", ["link to Neuroglancer", "slices"]),
    ],
)
def test_what_is_lost_after_a_run_is_named_and_the_rest_is_shown(run: FinishedRun, lost: str, parts: list[str]) -> None:
    (run.folder / lost).rename(run.folder / "elsewhere")
    summary = ConnectomeReport().write(run)
    names = [f"not in this report: {part}" for part in parts]
    assert [name for name in summary if "not in this report" in name] == names
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in names)
    assert "voxome run connectome.cwl" in page
