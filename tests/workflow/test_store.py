"""Runs whose results and intermediate data are in an object store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from peers.s3 import Bucket
from workflow.pipeline import ARRAYS, CONNECTOME, TABLES, Phantom

import voxome
from voxome.contracts.handle import within
from voxome.errors import PlanError, ReadOnly, RunLocked
from voxome.registry import load
from voxome.resources.table import TableFile
from voxome.storage.find import storage_at
from voxome.workflow.clean import clean
from voxome.workflow.describe import document
from voxome.workflow.inputs import read_handle
from voxome.workflow.options import RunOptions
from voxome.workflow.run_tool import run_tool
from voxome.workflow.store import lock_results, run_id
from voxome.workflow.verbs import run

KEPT = {".voxome/id", ".voxome/lock", ".voxome/plan.json", "colours.json", "report.html", "run.json"}
PIPELINE_BLOCK = "48,48,48"
SMALL = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], at: double?, store: string}
outputs:
  mask: {type: File, outputSource: mark/result}
  counts: {type: File, outputSource: count/result}
steps:
  mark: {run: common.threshold.cwl, in: {image: raw, at: at, store: store}, out: [result]}
  count: {run: common.statistics.cwl, in: {image: mark/result, store: store}, out: [result]}
"""


@pytest.fixture
def store(bucket: Bucket, fresh_key: Callable[[], str]) -> str:
    return bucket.uri(fresh_key())


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    spec = voxome.VolumeSpec.of((16, 20, 12), "uint8", chunk=(8, 8, 8), voxel_size_nm=(8, 8, 8))
    noise = np.random.default_rng(1).integers(0, 255, (16, 20, 12)).astype(np.uint8)
    voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)[...] = noise
    return tmp_path / "raw.zarr"


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    for name in ("common.threshold", "common.statistics"):
        (tmp_path / f"{name}.cwl").write_text(document(load("voxome.tools", name).spec))
    (tmp_path / "small.cwl").write_text(SMALL)
    return tmp_path / "small.cwl"


BLOCK = (8, 8, 8)


def local_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def assert_only_records(out: Path) -> None:
    kept = {name for name in local_files(out) if not name.startswith((".voxome/logs/", ".voxome/run.sqlite"))}
    assert kept <= KEPT


def volume(store: str, name: str) -> np.ndarray:
    return voxome.open(within(f"zarr://{{store}}/{name}.zarr", store), expect=voxome.Volume)[...]


@pytest.mark.slow
def test_the_pipeline_killed_twice_equals_a_local_run(
    phantom: Phantom, reference: Path, tmp_path: Path, store: str
) -> None:
    out, scratch = tmp_path / "out", tmp_path / "tmp"
    scratch.mkdir()
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(CONNECTOME), "--out", str(out), "--store", store]
    command += ["--block", PIPELINE_BLOCK, "--workers", "2"]
    for name, path in phantom.inputs.items():
        command += ["--set", f"{name}={path}"]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    log = (tmp_path / "log").open("w")
    for kill in range(2):
        process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=log)
        _wait_for_jobs(out, process, at_least=3 + 12 * kill)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (out / "run.json").exists()
    with pytest.raises(RunLocked, match=f"in use by the run of .*:{out}"):
        run(CONNECTOME, phantom.inputs, out=tmp_path / "other", store=store, block=(48, 48, 48))
    subprocess.run(command, env=environment, check=True, stderr=log)
    log.close()
    record = json.loads((out / "run.json").read_text())
    assert sum(step["blocks"]["reused"] for step in record["steps"]) > 0
    for name in ARRAYS:
        assert np.array_equal(volume(store, name), volume(str(reference), name)), name
    for name in TABLES:
        _assert_same_table(within(f"{{store}}/{name}.parquet", store), str(reference / f"{name}.parquet"))
    graph = storage_at(within("{store}/connectome.graphml", store)).read_bytes()
    assert graph == (reference / "connectome.graphml").read_bytes()
    assert_only_records(out)
    assert not storage_at(within("{store}/.voxome/lock.json", store)).exists()
    assert local_files(scratch) <= {".ses"}  # onnxruntime's


def _wait_for_jobs(out: Path, process: subprocess.Popen[bytes], at_least: int) -> None:
    import sqlite3

    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert process.poll() is None, (out.parent / "log").read_text()
        time.sleep(0.1)
        if (out / ".voxome" / "run.sqlite").exists():
            try:
                with sqlite3.connect(f"file:{out}/.voxome/run.sqlite?mode=ro", uri=True, timeout=5) as ledger:
                    if ledger.execute("select count(*) from jobs").fetchone()[0] >= at_least:
                        return
            except sqlite3.OperationalError:
                continue
    pytest.fail("no jobs were done")


def _assert_same_table(one: str, other: str) -> None:
    a, b = TableFile(one).read(), TableFile(other).read()
    assert list(a) == list(b)
    for column, values in a.items():
        assert np.array_equal(values, b[column], equal_nan=values.dtype.kind == "f"), column


@pytest.mark.slow
def test_a_run_in_a_store_is_resumed_cleaned_and_describes_itself(
    workflow: Path,
    raw: Path,
    tmp_path: Path,
    store: str,
    bucket: Bucket,
) -> None:
    out = tmp_path / "out"
    first = run(workflow, {"raw": str(raw)}, out=out, store=store, block=BLOCK)
    assert first["store"] == storage_at(store).address
    assert "secret" not in json.dumps(first)
    assert json.loads(storage_at(within("{store}/run.json", store)).read_bytes() or b"") == first
    assert_only_records(out)
    again = run(workflow, {"raw": str(raw)}, out=out, store=store, block=BLOCK)
    assert sum(step["blocks"]["run"] for step in again["steps"]) == 0
    counts = storage_at(within("{store}/counts.parquet", store))
    counts.unlink()
    run(workflow, {"raw": str(raw)}, out=out, store=store, block=BLOCK)
    assert counts.exists()
    prefix = store.removeprefix("s3://voxels/").partition("?")[0]
    assert any("/.voxome/steps/" in key for key in bucket.keys(prefix))
    clean(out)
    assert [key for key in bucket.keys(prefix) if "/.voxome/" in key] == [f"{prefix}/.voxome/plan-key"]
    assert counts.exists()


@pytest.mark.slow
def test_another_store_for_the_same_run_is_refused(workflow: Path, raw: Path, tmp_path: Path) -> None:
    run(workflow, {"raw": str(raw)}, out=tmp_path / "out", store=tmp_path / "one", block=BLOCK)
    assert (tmp_path / "one" / "counts.parquet").exists()
    assert_only_records(tmp_path / "out")
    with pytest.raises(PlanError, match=f"keeps its results in {tmp_path}/one, not in {tmp_path}/two"):
        run(workflow, {"raw": str(raw)}, out=tmp_path / "out", store=tmp_path / "two", block=BLOCK)
    with pytest.raises(PlanError, match=f"keeps its results in {tmp_path}/one"):
        run(workflow, {"raw": str(raw)}, out=tmp_path / "out", block=BLOCK)


@pytest.mark.slow
def test_a_store_that_cannot_be_written_is_refused_before_any_work(workflow: Path, raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadOnly, match="http"):
        run(workflow, {"raw": str(raw)}, out=tmp_path / "out", store="https://localhost:1/run", block=BLOCK)
    with pytest.raises(ReadOnly, match="http"):
        run_tool(
            "common.threshold", {"image": str(raw)}, store="https://localhost:1/run", options=RunOptions(block=BLOCK)
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_tool_writes_its_results_and_handles_into_a_store(
    raw: Path, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    expected = np.where(voxome.open(str(raw), expect=voxome.Volume)[...] > 99, 255, 0)
    handles = run_tool(
        "common.threshold", {"image": str(raw), "at": 99.0}, store=store, options=RunOptions(block=BLOCK), workers=2
    )
    found = voxome.open(handles["result"].uri, expect=voxome.Volume)[...]
    assert np.array_equal(found, expected)
    address = within("{store}/mask.handle.json", store)
    storage_at(address).write_bytes(json.dumps(handles["result"].to_json()).encode())
    assert read_handle(address) == handles["result"]
    counts = run_tool("common.statistics", {"image": address}, store=store, options=RunOptions(block=BLOCK))["result"]
    assert TableFile(counts.uri).read()["voxels"].sum() == expected.size
    assert not any(
        "sqlite" not in name and "lock" not in name and "log" not in name and not name.endswith("/id")
        for name in local_files(tmp_path / "state")
    )


def test_a_copied_run_folder_does_not_own_the_lock_of_the_original(tmp_path: Path) -> None:
    original, copy, store = tmp_path / "original", tmp_path / "copy", str(tmp_path / "store")
    (original / ".voxome").mkdir(parents=True)
    owner = run_id(original)
    shutil.copytree(original, copy)
    assert run_id(original) == owner
    assert run_id(copy) != owner
    with (
        lock_results(store, original),
        pytest.raises(RunLocked, match=f"in use by the run of .*:{original}"),
        lock_results(store, copy),
    ):
        pass
    with lock_results(store, copy):
        pass
