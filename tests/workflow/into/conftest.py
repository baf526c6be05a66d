"""A workflow whose results are copied into other stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from standins import boss, dvid

import voxome
from voxome.errors import PlanError
from voxome.remotes.dvid.repos import Dvid
from voxome.resources.table import write_table
from voxome.workflow.plan import Plan

TOOLS = Path(__file__).parents[3] / "pipelines" / "tools"
WORKFLOW = f"""
cwlVersion: v1.2
class: Workflow
inputs: {{raw: [File, string], ids: [File, string], lookup: [File, string], at: double?, store: string}}
outputs:
  mask: {{type: File, outputSource: mark/result}}
  neurons: {{type: File, outputSource: name/result}}
  counts: {{type: File, outputSource: count/result}}
steps:
  mark: {{run: {TOOLS}/common.threshold.cwl, in: {{image: raw, at: at, store: store}}, out: [result]}}
  name:
    run: {TOOLS}/common.relabel.cwl
    in: {{labels: ids, lookup: lookup, keep: {{default: true}}, store: store}}
    out: [result]
  count: {{run: {TOOLS}/common.statistics.cwl, in: {{image: mark/result, store: store}}, out: [result]}}
"""
START, SHAPE, SIZE = (8, 16, 32), (96, 66, 70), (40.0, 8.0, 8.0)
BLOCK, BOX = (64, 64, 64), "16:100,16:48,40:80"


class Lab:
    """A folder with inputs, a workflow and a run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.workflow = folder / "into.cwl"
        self.workflow.write_text(WORKFLOW)
        self.raw = np.random.default_rng(1).integers(0, 255, SHAPE).astype(np.uint8)
        self.ids = np.random.default_rng(2).integers(0, 9, SHAPE).astype(np.uint64)
        spec = voxome.VolumeSpec.of(SHAPE, "uint8", start=START, chunk=(64, 64, 64), voxel_size_nm=SIZE)
        voxome.create(f"zarr://{folder}/raw.zarr", spec)[...] = self.raw
        voxome.create(f"zarr://{folder}/ids.zarr", spec, dtype="uint64", kind="labels")[...] = self.ids
        self.edit_lookup(10**12)

    def edit_lookup(self, label: int) -> None:
        """Give the label 3 another name."""
        columns = {"id": np.array([3], np.uint64), "label": np.array([label], np.uint64)}
        write_table(self.folder / "lookup.parquet", columns, {"id": "uint64", "label": "uint64"})
        self.neurons = np.where(self.ids == 3, np.uint64(label), self.ids)

    def mask(self, at: float = 100.0) -> NDArray[np.uint8]:
        return np.where(self.raw > at, np.uint8(255), np.uint8(0))

    @property
    def inputs(self) -> dict[str, Any]:
        files = {"raw": "raw.zarr", "ids": "ids.zarr", "lookup": "lookup.parquet"}
        return {name: str(self.folder / file) for name, file in files.items()} | {"at": 100.0}

    def run(self, at: float = 100.0, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
        inputs, options = (
            {**self.inputs, "at": at, **(inputs or {})},
            {"block": BLOCK, "engine": "sequential", "workers": 1, **options},
        )
        return voxome.run(self.workflow, inputs, out=self.out, **options)

    def plan(self, **options: Any) -> Plan:
        return voxome.plan(self.workflow, self.inputs, block=BLOCK, **options)

    def problems(self, into: dict[str, str], **options: Any) -> str:
        """Return the problems of a run, which has computed nothing."""
        with pytest.raises(PlanError) as raised:
            self.run(into=into, **options)
        assert not list(self.out.glob("*.zarr"))
        return "\n".join(raised.value.problems)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("VOXOME_TRANSFER_BLOCK_BYTES", str(16**3))
    return Lab(tmp_path)


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An experiment of a BossDB without channels."""
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    with boss.serving() as server:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", server.url)
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", server.token)
        yield f"bossdb://{server.url}/lab/brain"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An open version of a DVID."""
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    with dvid.serving("secret") as server:
        monkeypatch.setenv("VOXOME_DVID_HOST", server)
        monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", "secret")
        root = server.replace("http://", "dvid://")
        yield f"{root}/{voxome.connect(root, expect=Dvid).create_repo('brain').uuid}"


def opened(uri: str, level: int | None = None) -> voxome.Volume:
    return voxome.open(uri, expect=voxome.Volume, level=level)


def transfers(record: Any) -> dict[str, Any]:
    """Return the records of transfers by output."""
    return {one["output"]: one for one in record["transfers"]}
