"""Results are copied into other stores as the last step of a run: checked before, resumable, verified, recorded."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from standins import boss, dvid

import voxome
from voxome.blocks.progress import StepReport
from voxome.cli.main import main
from voxome.errors import AccessDenied, InvalidInput, PlanError, RunFailed, UnknownName
from voxome.remotes.dvid.repos import Dvid
from voxome.remotes.n5.source import N5Source
from voxome.resources.table import write_table
from voxome.workflow.plan import Plan

TOOLS = Path(__file__).parents[2] / "pipelines" / "tools"
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


@pytest.mark.slow
def test_results_are_copied_recorded_and_not_copied_again(lab: Lab) -> None:
    into = {"mask": f"precomputed://{lab.folder}/mask", "neurons": f"n5://{lab.folder}/neurons.n5"}
    record = lab.run(into=into, verify="all", levels=2)
    mask, neurons = opened(into["mask"]), opened(into["neurons"])
    assert np.array_equal(mask[...], lab.mask())
    assert np.array_equal(neurons[...], lab.neurons)
    for volume in (mask, neurons):
        assert (volume.domain.start, volume.voxel_size_nm) == (START, SIZE)
        assert len(volume.levels) == 2
    assert neurons.spec.kind == "labels"
    assert json.loads((lab.out / "run.json").read_text()) == record
    done = transfers(record)
    assert done["mask"]["destination"] == into["mask"]
    assert done["mask"]["bytes"] == lab.raw.size
    for one in done.values():
        assert one["blocks"]["run"] == one["verified"] == one["blocks"]["total"] > 4
    again = transfers(lab.run(into=into, verify="all", levels=2))
    for output, one in again.items():
        assert one["blocks"] == {"total": one["blocks"]["total"], "run": 0, "reused": one["blocks"]["total"]}
        assert one["verified"] == done[output]["verified"]


@pytest.mark.slow
def test_the_results_of_a_finished_run_are_copied_later(lab: Lab) -> None:
    lab.run()
    uri = f"zarr://{lab.folder}/copy.zarr"
    record = lab.run(into={"mask": uri})
    assert sum(step["blocks"]["run"] for step in record["steps"]) == 0
    assert transfers(record)["mask"]["blocks"]["reused"] == 0
    assert np.array_equal(opened(uri)[...], lab.mask())


@pytest.mark.slow
def test_the_record_keeps_the_transfers_of_results_that_are_unchanged(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr", "neurons": f"zarr://{lab.folder}/neurons.zarr"}
    done = transfers(lab.run(into=into))
    assert transfers(lab.run()) == done
    assert json.loads((lab.out / "run.json").read_text())["transfers"] == list(done.values())
    lab.edit_lookup(77)
    assert transfers(lab.run()) == {"mask": done["mask"]}
    again = lab.run(into={"neurons": into["neurons"]})["transfers"]
    assert [one["output"] for one in again] == ["mask", "neurons"]
    assert again[1]["key"] != done["neurons"]["key"]
    assert set(transfers(lab.run(at=7.0))) == {"neurons"}
    lab.edit_lookup(78)
    assert lab.run(at=7.0)["transfers"] == []


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["zarr://file://{}/raw.zarr", "zarr://{}/raw.zarr/", "zarr://{}/link.zarr"])
def test_a_result_is_not_copied_onto_an_input_however_it_is_spelled(lab: Lab, spelling: str) -> None:
    (lab.folder / "link.zarr").symlink_to("raw.zarr")
    problems = lab.problems({"mask": spelling.format(lab.folder)}, existing=True)
    assert "is the input raw already" in problems
    assert np.array_equal(opened(f"zarr://{lab.folder}/raw.zarr")[...], lab.raw)


def fail_at_the_first_step(report: StepReport) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupted_run_keeps_the_transfers_of_results_that_are_unchanged(lab: Lab) -> None:
    done = transfers(lab.run(into={"mask": f"zarr://{lab.folder}/mask.zarr"}))
    lab.edit_lookup(77)
    with pytest.raises(KeyboardInterrupt):
        lab.run(progress=fail_at_the_first_step)
    assert not (lab.out / "run.json").exists()
    assert transfers(lab.run()) == done


@pytest.mark.slow
def test_a_run_that_is_refused_creates_no_destination(lab: Lab) -> None:
    lab.run()
    with pytest.raises(PlanError, match="keeps its results in the folder itself"):
        lab.run(into={"mask": f"zarr://{lab.folder}/copy.zarr"}, store=lab.folder / "elsewhere")
    assert not (lab.folder / "copy.zarr").exists()


@pytest.mark.slow
def test_a_changed_result_is_copied_again_and_no_other(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr", "neurons": f"zarr://{lab.folder}/copies/neurons.zarr"}
    lab.run(into=into)
    for at in (50.0, 100.0):
        done = transfers(lab.run(at=at, into=into))
        assert done["mask"]["blocks"]["reused"] == done["neurons"]["blocks"]["run"] == 0
        assert np.array_equal(opened(into["mask"])[...], lab.mask(at))
    lab.edit_lookup(77)
    done = transfers(lab.run(into=into))
    assert done["neurons"]["blocks"]["reused"] == done["mask"]["blocks"]["run"] == 0
    assert np.array_equal(opened(into["neurons"])[...], lab.neurons)
    assert transfers(lab.run(into=into, fresh=True))["mask"]["blocks"]["reused"] == 0


@pytest.mark.slow
def test_only_the_box_of_the_run_is_copied_to_its_place(lab: Lab) -> None:
    new, old = f"zarr://{lab.folder}/new.zarr", f"n5://{lab.folder}/old.n5"
    spec = opened(f"{lab.folder}/ids.zarr").spec
    voxome.create(old, spec, encoding=None)[...] = 5
    lab.run(into={"mask": new, "neurons": old}, box=BOX, existing=True)
    box = voxome.Box.parse(BOX)
    inside = box.within(spec.domain)
    assert opened(new).domain == box
    assert np.array_equal(opened(new)[...], lab.mask()[inside])
    expected = np.full(SHAPE, 5, np.uint64)
    expected[inside] = lab.neurons[inside]
    assert np.array_equal(opened(old)[...], expected)


def interrupt(report: StepReport) -> None:
    if report.name == "mask.into" and report.run >= 3:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupted_copy_is_resumed(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr"}
    with pytest.raises(KeyboardInterrupt):
        lab.run(into=into, progress=interrupt)
    assert not json.loads((lab.out / "run.json").read_text())["transfers"]
    record = lab.run(into=into, verify="sampled")
    blocks = transfers(record)["mask"]["blocks"]
    assert sum(step["blocks"]["run"] for step in record["steps"]) == 0
    assert blocks["reused"] >= 3
    assert blocks["run"] == blocks["total"] - blocks["reused"]
    assert np.array_equal(opened(into["mask"])[...], lab.mask())


@pytest.mark.slow
def test_a_result_that_changes_during_an_interrupted_copy_is_copied_from_the_start(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr"}
    with pytest.raises(KeyboardInterrupt):
        lab.run(into=into, progress=interrupt)
    assert transfers(lab.run(at=7.0, into=into))["mask"]["blocks"]["reused"] == 0
    assert np.array_equal(opened(into["mask"])[...], lab.mask(7.0))


@pytest.mark.slow
def test_a_moved_run_folder_continues(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr"}
    with pytest.raises(KeyboardInterrupt):
        lab.run(into=into, progress=interrupt)
    lab.out = lab.out.rename(lab.folder / "moved")
    assert transfers(lab.run(into=into))["mask"]["blocks"]["reused"] >= 3


@pytest.mark.slow
def test_a_run_killed_in_the_last_step_resumes_it(lab: Lab) -> None:
    uri = f"precomputed://{lab.folder}/neurons"
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(lab.workflow), "--out", str(lab.out)]
    command += ["--block", ",".join(map(str, BLOCK)), "--into", f"neurons={uri}", "--workers", "2", "--verify", "all"]
    command += [part for name, value in lab.inputs.items() for part in ("--set", f"{name}={value}")]
    environment = {**os.environ, "VOXOME_TRANSFER_BLOCK_BYTES": "512"}
    with (lab.folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=log)
        _wait_for_rows(lab, process, at_least=4)  # a block that is copied and verified has two
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not json.loads((lab.out / "run.json").read_text())["transfers"]
        subprocess.run(command, env=environment, check=True, stderr=log)
    record = json.loads((lab.out / "run.json").read_text())
    (done,) = record["transfers"]
    assert sum(step["blocks"]["run"] for step in record["steps"]) == 0
    assert done["blocks"]["reused"] >= 2
    assert done["verified"] == done["blocks"]["total"]
    assert np.array_equal(opened(uri)[...], lab.neurons)


def _wait_for_rows(lab: Lab, process: subprocess.Popen[bytes], at_least: int) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert process.poll() is None, (lab.folder / "log").read_text()
        for ledger in lab.out.glob(".voxome/transfers/**/transfer.sqlite"):
            try:
                with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5) as rows:
                    if rows.execute("select count(*) from jobs").fetchone()[0] >= at_least:
                        return
            except sqlite3.OperationalError:
                continue
        time.sleep(0.01)
    pytest.fail("no blocks were copied")


@pytest.mark.slow
def test_labels_become_a_labelmap_of_dvid(lab: Lab, node: str) -> None:
    record = lab.run(into={"neurons": f"{node}/neurons"}, verify="all", box=BOX, levels=2)
    volume = opened(f"{node}/neurons")
    box = voxome.Box.parse(BOX)
    assert volume.spec.encoding == {"type": "labelmap", "levels": 1}
    assert np.isin(opened(volume.uri, level=1)[...], lab.neurons).all()
    assert opened(volume.uri, level=1)[...].any()
    assert (volume.domain, volume.voxel_size_nm) == (box, SIZE)
    assert np.array_equal(volume[...], lab.neurons[box.within(opened(f"{lab.folder}/ids.zarr").domain)])
    assert transfers(record)["neurons"]["verified"] > 0
    lab.edit_lookup(5_000)
    lab.run(into={"neurons": f"{node}/neurons"}, box=BOX, levels=2)
    assert 5_000 in volume.ids()


@pytest.mark.slow
def test_labels_become_an_annotation_channel_of_bossdb(lab: Lab, archive: str) -> None:
    domain = opened(f"{lab.folder}/ids.zarr").domain
    into = {"mask": f"{archive}/mask", "neurons": f"{archive}/neurons"}
    record = lab.run(into=into, verify="all")
    assert np.array_equal(opened(into["neurons"]).cutout(domain), lab.neurons)
    assert np.array_equal(opened(into["mask"]).cutout(domain), lab.mask())
    assert (opened(into["neurons"]).spec.kind, opened(into["mask"]).spec.kind) == ("labels", "image")
    assert set(transfers(record)) == set(into)


@pytest.mark.slow
def test_a_version_of_dvid_that_is_locked_is_refused_before_any_block(lab: Lab, node: str) -> None:
    voxome.create(f"{node}/neurons", opened(f"{lab.folder}/ids.zarr").spec, encoding=None)
    connection: Any = voxome.connect(node)
    connection.commit("done")
    assert "locked" in lab.problems({"neurons": f"{node}/neurons"}, existing=True)
    assert "locked" in lab.problems({"neurons": f"{node}/others"})


@pytest.mark.slow
def test_a_token_that_may_not_write_is_refused_before_any_block(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with boss.serving() as server:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", server.url)
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", server.add_user("guest"))
        assert "does not have the role" in lab.problems({"mask": f"bossdb://{server.url}/lab/brain/mask"})
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", "wrong")
        assert "token" in lab.problems({"mask": f"bossdb://{server.url}/lab/brain/mask"})


@pytest.mark.slow
def test_a_server_that_is_not_there_is_a_problem(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "0")
    assert "127.0.0.1:1" in lab.problems({"neurons": "dvid://127.0.0.1:1/abc/neurons"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("into", "message"),
    [
        ({"neuron": "zarr://{}/n.zarr"}, "Unknown output of the workflow 'neuron'; did you mean 'neurons'?"),
        ({"counts": "zarr://{}/n.zarr"}, "is a table, and only volumes can be copied .* are mask, neurons"),
        ({"mask": "zar://{}/n.zarr"}, "'zar'; did you mean 'zarr'"),
        ({"mask": "{}/n.zarr"}, "without a format; write zarr://"),
        ({"mask": "zarr://{}/raw.zarr"}, "raw.zarr is the input raw already"),
        ({"mask": "zarr://{}/n.zarr", "neurons": "zarr://{}/n.zarr"}, "is the destination of mask already"),
        ({"mask": "zarr://{}/n.zarr?window=0:9"}, "view"),
        ({"mask": "npy://{}/n.npy"}, "--drop voxel_size --drop start"),
    ],
)
def test_a_destination_that_cannot_be_written_is_a_problem_of_the_plan(
    lab: Lab, into: dict[str, str], message: str
) -> None:
    given = {output: uri.format(lab.folder) for output, uri in into.items()}
    with pytest.raises(PlanError, match=message):
        lab.plan(into=given)
    lab.problems(given)
    assert not (lab.folder / "n.zarr").exists()


@pytest.mark.slow
def test_what_a_format_cannot_store_is_dropped_on_request(lab: Lab) -> None:
    lab.run(into={"mask": f"npy://{lab.folder}/n.npy"}, drop=["voxel_size", "start", "offset"])
    assert np.array_equal(np.load(lab.folder / "n.npy"), lab.mask())


@pytest.mark.slow
def test_a_destination_with_other_data_is_refused_unless_allowed(lab: Lab) -> None:
    uri = f"zarr://{lab.folder}/mask.zarr"
    voxome.create(uri, opened(f"{lab.folder}/raw.zarr").spec)[...] = 9
    assert "already exists and is not from this transfer" in lab.problems({"mask": uri})
    assert (opened(uri)[...] == 9).all()
    assert lab.plan(into={"mask": uri}).destinations[0].exists
    assert transfers(lab.run(into={"mask": uri}, existing=True))["mask"]["blocks"]["run"]
    assert np.array_equal(opened(uri)[...], lab.mask())
    assert transfers(lab.run(into={"mask": uri}, existing=True))["mask"]["blocks"]["run"] == 0


@pytest.mark.slow
def test_an_existing_volume_that_does_not_fit_is_a_problem_of_the_plan(lab: Lab) -> None:
    uri = f"zarr://{lab.folder}/mask.zarr"
    voxome.create(uri, voxome.VolumeSpec.of((4, 4, 4), "uint16"))
    with pytest.raises(PlanError) as raised:
        lab.plan(into={"mask": uri}, existing=True)
    assert len(raised.value.problems) == 3
    assert all(problem.startswith(f"into mask: {uri}: its ") for problem in raised.value.problems)


@pytest.mark.slow
def test_a_store_that_refuses_writes_is_noticed_before_any_block(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AccessDenied("no right to write")

    uri = f"n5://{lab.folder}/mask.n5"
    voxome.create(uri, opened(f"{lab.folder}/raw.zarr").spec, encoding=None)
    monkeypatch.setattr(N5Source, "write", refuse)
    assert "into mask: no right to write" in lab.problems({"mask": uri}, existing=True)


@pytest.mark.slow
def test_a_result_is_not_copied_onto_a_result(lab: Lab) -> None:
    message = "the run keeps its output neurons there"
    assert message in lab.problems({"mask": f"zarr://{lab.out}/neurons.zarr"})
    assert "the run keeps its output mask there" in lab.problems({"mask": f"zarr://{lab.out}/mask.zarr"})


@pytest.mark.slow
def test_a_plan_lists_destinations_without_secrets_and_creates_nothing(lab: Lab) -> None:
    uri = f"zarr://{lab.folder}/mask.zarr"
    plan = lab.plan(into={"mask": uri}, levels=2)
    (listed,) = plan.to_json()["into"]
    assert listed["destination"] == uri
    assert (listed["bytes"], listed["levels"], listed["exists"]) == (lab.raw.size, 2, False)
    assert not (lab.folder / "mask.zarr").exists()
    assert plan.key == lab.plan().key
    record = voxome.run(plan, out=lab.out, engine="sequential")
    assert transfers(record)["mask"]["levels"] == 2
    with pytest.raises(InvalidInput, match="a plan has its inputs and options already"):
        voxome.run(plan, out=lab.out, into={"mask": uri})


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"levels": 2}, {"verify": "all"}, {"drop": ["start"]}, {"existing": True}])
def test_options_of_a_copy_need_a_destination(lab: Lab, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="into="):
        lab.run(**options)


@pytest.mark.parametrize("options", [{"levels": 0}, {"verify": "most"}, {"drop": ["voxels"]}])
def test_wrong_options_of_a_copy_are_refused(lab: Lab, options: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, UnknownName)):
        lab.run(into={"mask": f"zarr://{lab.folder}/n.zarr"}, **options)


@pytest.mark.slow
def test_a_failed_copy_names_its_blocks_and_the_next_run_continues(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    into = {"mask": f"n5://{lab.folder}/mask.n5"}
    write = N5Source.write

    def fail(self: N5Source, box: voxome.Box, data: Any) -> None:
        if box.start[0] >= 64 and box.size > 1:
            raise OSError("disk")
        write(self, box, data)

    with monkeypatch.context() as patch:
        patch.setattr(N5Source, "write", fail)
        with pytest.raises(RunFailed, match=r"jobs of the transfer failed"):
            lab.run(into=into)
    blocks = transfers(lab.run(into=into))["mask"]["blocks"]
    assert blocks["run"]
    assert blocks["reused"]
    assert np.array_equal(opened(into["mask"])[...], lab.mask())


@pytest.mark.slow
def test_the_command_takes_destinations(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"precomputed://{lab.folder}/mask"
    inputs = [part for name, value in lab.inputs.items() for part in ("--set", f"{name}={value}")]
    options = ["--into", f"mask={uri}", "--levels", "2", "--verify", "all"]

    def command(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *inputs, *options])
        assert ended.value.code == 0
        return capsys.readouterr().err

    assert f"mask: 444 kB into {uri}, which will be created" in command("plan", str(lab.workflow))
    err = command("run", str(lab.workflow), "--out", str(lab.out), "--workers", "1")
    assert "mask.into: " in err
    assert "mask.into.level1: " in err
    assert f"mask: 444 kB in {uri}, " in err
    assert f"mask: 444 kB into {uri}, which exists" in command("plan", str(lab.workflow))


@pytest.mark.slow
def test_the_box_of_a_run_becomes_a_channel_of_the_experiment_of_its_image(lab: Lab, archive: str) -> None:
    spec = opened(f"{lab.folder}/raw.zarr").spec
    voxome.create(f"{archive}/em", spec, encoding=None)
    into = {"neurons": f"{archive}/neurons"}
    lab.run(into=into, box=BOX)
    box, channel = voxome.Box.parse(BOX), opened(into["neurons"])
    inside = box.within(spec.domain)
    expected = np.zeros(SHAPE, np.uint64)
    expected[inside] = lab.neurons[inside]
    assert channel.domain == opened(f"{archive}/em").domain
    assert np.array_equal(channel.cutout(spec.domain), expected)
    assert transfers(lab.run(into=into, box=BOX))["neurons"]["blocks"]["run"] == 0


@pytest.mark.slow
def test_an_offset_that_dvid_cannot_store_is_refused_unless_dropped(lab: Lab, node: str) -> None:
    spec = opened(f"{lab.folder}/ids.zarr").spec
    voxome.create(f"zarr://{lab.folder}/shifted.zarr", spec, offset_nm=(20.0, 4.0, 4.0))[...] = lab.ids
    inputs = {"ids": str(lab.folder / "shifted.zarr")}
    refused = lab.problems({"neurons": f"{node}/neurons"}, inputs=inputs)
    assert "DVID cannot store offset_nm (20.0, 4.0, 4.0)" in refused
    lab.run(into={"neurons": f"{node}/neurons"}, inputs=inputs, drop=["offset"])
    assert np.array_equal(opened(f"{node}/neurons").cutout(spec.domain), lab.neurons)


@pytest.mark.slow
def test_a_copy_is_verified_later_without_being_repeated(lab: Lab) -> None:
    into = {"mask": f"precomputed://{lab.folder}/mask"}
    first = transfers(lab.run(into=into))["mask"]
    every = transfers(lab.run(into=into, verify="all"))["mask"]
    assert 0 < first["verified"] < first["blocks"]["total"] == every["verified"]
    assert every["blocks"]["run"] == 0
    assert transfers(lab.run(into=into, verify="none"))["mask"]["verified"] == 0
    again = transfers(lab.run(into=into))["mask"]
    assert (again["verified"], again["blocks"]["reused"]) == (first["verified"], 0)
