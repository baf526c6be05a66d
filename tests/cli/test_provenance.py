"""``voxome info --provenance`` shows what made a volume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import voxome
from voxome.cli.main import app
from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.resources.provenance import record


@pytest.fixture
def uri(tmp_path: Path) -> str:
    volume = voxome.put(np.ones((4, 5, 6), "uint8"), f"zarr://{tmp_path}/a.zarr", voxel_size_nm=(40, 4, 4))
    inputs = [InputRecord("labels", "s3://me:pass@host/a?token=abc", "v3")]
    one = Provenance.now("mesh", LOCAL, "common.meshes", "2", {"id": 2**63 + 5, "api_key": "abc"}, inputs, "run-1")
    record(volume.source, one, name=volume.uri)
    return volume.uri


def test_a_table_has_an_entry_a_line(uri: str) -> None:
    shown = CliRunner().invoke(app, ["info", "--provenance", uri])
    header, put, mesh = shown.output.splitlines()
    assert header.split("\t")[:3] == ["time", "service", "way"]
    assert put.split("\t")[1:4] == ["put", "local", "voxome.put"]
    assert mesh.split("\t")[1:] == [
        "mesh",
        "local",
        "common.meshes",
        "2",
        "id=9223372036854775813, api_key=***",
        "labels s3://host/a?token=*** v3",
        "run-1",
    ]


def test_json_has_every_field(uri: str) -> None:
    shown = CliRunner().invoke(app, ["info", uri, "--provenance", "--json"])
    found = json.loads(shown.stdout)
    assert found["uri"] == uri
    assert [Provenance.from_json(one) for one in found["provenance"]] == list(voxome.provenance(uri))


@pytest.mark.slow
def test_nothing_is_explained(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 5, 6), "uint8"))
    shown = CliRunner().invoke(app, ["info", str(tmp_path / "a.npy"), "--provenance"])
    assert shown.exit_code == 0
    assert shown.stdout == ""
    assert "no provenance is recorded" in shown.stderr


@pytest.mark.slow
def test_an_input_without_a_version_is_shown_as_such(tmp_path: Path) -> None:
    volume = voxome.put(np.ones((4, 5, 6), "uint8"), f"zarr://{tmp_path}/b.zarr", voxel_size_nm=(40, 4, 4))
    one = Provenance.now("mesh", LOCAL, "lab", "2", {}, [InputRecord("labels", "s3://host/a")])
    record(volume.source, one, name=volume.uri)
    shown = CliRunner().invoke(app, ["info", "--provenance", volume.uri])
    assert "labels s3://host/a (version unknown)" in shown.output
