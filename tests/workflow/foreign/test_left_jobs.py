"""Commands of a killed run that a cluster goes on with; the commands of Slurm are fake, its elements are processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

import pytest
from engines.slurm_commands import Cluster
from workflow.conformance import events

from voxome.contracts.engine import Job
from voxome.engines.sequential import SequentialEngine
from voxome.workflow.foreign.left_jobs import LeftJobs
from voxome.workflow.foreign.results import JobFolder, Result
from voxome.workflow.foreign.task import TASK

WORKFLOW = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {names: "string[]", file: File, shared: string}
outputs: {all: {type: "File[]", outputSource: each/out}}
steps:
  each:
    scatter: name
    in: {name: names, file: file, shared: shared}
    out: [out]
    run:
      class: CommandLineTool
      requirements:
        InitialWorkDirRequirement: {listing: [{entryname: text, entry: "name=$(inputs.name) "}, $(inputs.file)]}
        ToolTimeLimit: {timelimit: TIME}
      baseCommand: [sh, -c]
      arguments:
        - 'mktemp "$1/$0.XXXXXX" >&2; until test -e "$1/release-$0"; do sleep 0.05; done; cat text file "$2"'
      inputs:
        name: {type: string, inputBinding: {position: 1}}
        shared: {type: string, inputBinding: {position: 2}}
        file: {type: File, inputBinding: {position: 3}}
      stdout: out.txt
      outputs: {out: stdout}
"""
NAMES = ("one", "two", "three")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Cluster whose elements start at once."""
    cluster = Cluster.install(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return cluster


class Run:
    """Calls of one command, and what the jobs of all calls have left in a folder."""

    def __init__(self, folder: Path) -> None:
        self.out, self.shared, self._folder = folder / "out", folder / "shared", folder
        self.shared.mkdir()
        (folder / "file").write_text("content")
        file = {"class": "File", "path": str(folder / "file")}
        (folder / "job.json").write_text(json.dumps({"names": NAMES, "file": file, "shared": str(self.shared)}))

    def start(self, limit_s: int = 1000) -> subprocess.Popen[str]:
        """Start the command."""
        (self._folder / "w.cwl").write_text(WORKFLOW.replace("TIME", str(limit_s)))
        options = [f"--outdir={self.out}", "--engine=slurm?poll=1&grace=5", "--quiet", "--workers=3"]
        command = [sys.executable, "-m", "voxome.cli.main", "cwl-runner", *options]
        return subprocess.Popen(
            [*command, str(self._folder / "w.cwl"), str(self._folder / "job.json")], stdout=subprocess.PIPE, text=True
        )

    def release(self, *names: str) -> None:
        """Let jobs end."""
        for name in names:
            (self.shared / f"release-{name}").touch()

    def starts(self) -> list[str]:
        """Return the names of the jobs that have started, once for each start."""
        return sorted(one.stem for one in self.shared.iterdir() if not one.name.startswith("release"))


def _until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def killed(cluster: Cluster, tmp_path: Path) -> Run:
    """A run that was killed while its three jobs were running."""
    run = Run(tmp_path)
    process = run.start()
    _until(lambda: run.starts() == sorted(NAMES))
    process.kill()
    process.communicate()
    return run


def _results(printed: str) -> list[str]:
    return [Path(one["path"]).read_text() for one in json.loads(printed)["all"]]


@pytest.mark.slow
def test_a_resumed_run_adopts_commands_that_run_or_have_ended(killed: Run, cluster: Cluster) -> None:
    killed.release("two")
    _until(lambda: len(cluster.jobs()) == 2)
    resumed = killed.start()
    _until(lambda: len(events(killed.out, "job adopted")) == 3)
    killed.release("one", "three")
    printed, _ = resumed.communicate(timeout=60)
    assert _results(printed) == [f"name={name} contentcontent" for name in NAMES]
    assert killed.starts() == sorted(NAMES)
    assert len(cluster.calls("sbatch")) == 1
    assert cluster.jobs() == []
    assert not (killed.out / ".voxome" / "jobs").exists()


@pytest.mark.slow
def test_commands_with_other_limits_are_stopped_and_run_again(killed: Run, cluster: Cluster) -> None:
    resumed = killed.start(limit_s=2000)
    _until(lambda: len(killed.starts()) == 6)
    killed.release(*NAMES)
    printed, _ = resumed.communicate(timeout=60)
    assert _results(printed) == [f"name={name} contentcontent" for name in NAMES]
    assert len(cluster.calls("sbatch")) == 2
    assert cluster.jobs() == []


class Leaving(SequentialEngine):
    """Has a job of a killed run."""

    def __init__(self, folder: JobFolder) -> None:
        super().__init__()
        self.left, self.cancelled = [Job("key/0/1", TASK, {"log": str(folder.log)})], list[str]()

    def left_jobs(self) -> list[Job]:
        """Return that job."""
        return self.left

    def cancel(self, ids: Collection[str]) -> None:
        """Note what is stopped."""
        self.cancelled += ids


def test_a_command_whose_result_is_committed_is_not_adopted_by_another_job_with_its_key(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.clear()
    Result("key", "job", {}, {}, (), 0.0, 0).write(folder.root)
    engine, job = Leaving(folder), object()
    assert LeftJobs(engine).take("key", job, None) == (None, job)
    assert engine.cancelled == ["key/0/1"]
