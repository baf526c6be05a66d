"""Secrets of processes: commands get them, and nothing that voxome writes has them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from voxome.workflow.foreign.secrets import secret_problem

CANARY = "canary-4711"
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
$namespaces: {cwltool: "http://commonwl.org/cwltool#"}
hints:
  cwltool:Secrets: {secrets: [password]}
requirements:
  EnvVarRequirement: {envDef: {TOKEN: $(inputs.password)}}
  InitialWorkDirRequirement: {listing: [{entryname: settings, entry: "password=$(inputs.password)"}]}
baseCommand: [sh, -c, 'test "$TOKEN" = "$1" && grep -q "$1" settings && echo well; exit $2', x]
inputs: {password: {type: string, inputBinding: {position: 1}}, status: {type: int, inputBinding: {position: 2}}}
stdout: out.txt
outputs: {out: stdout}
"""


def files_with(text: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 3])
def test_nothing_in_a_run_folder_has_a_secret(call, capfd: pytest.CaptureFixture[str], status: int) -> None:
    ended = call(TOOL, {"password": CANARY, "status": status}, quiet=False)
    assert ended.status == int(status != 0)
    assert (ended.out / "out.txt").exists() == (status == 0)
    assert files_with(CANARY, ended.out) == []
    assert CANARY not in "".join(capfd.readouterr())


@pytest.mark.slow
def test_a_secret_decides_the_key_of_a_job(call, tmp_path: Path) -> None:
    def keys(password: str, out: str) -> list[str]:
        return call(TOOL, {"password": password, "status": 0}, out, cache=tmp_path / "cache").jobs("job started")

    first = keys(CANARY, "a")
    assert len(first) == 1
    assert keys(CANARY, "b") == []
    assert set(keys("another", "c")) & set(first) == set()
    assert files_with(CANARY, tmp_path / "cache") == []


def test_the_workers_of_a_cluster_get_no_secret() -> None:
    store, engine = SimpleNamespace(secrets={"(secret-1)": CANARY}), SimpleNamespace(name="slurm")
    payload = {"command": {"argv": ["echo", f"--token={CANARY}"], "variables": {}}}
    assert "--engine local" in str(secret_problem(payload, store, engine))  # type: ignore[arg-type]
    payload = {"command": {"argv": ["echo"], "variables": {}}}
    assert secret_problem(payload, store, engine) is None  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_command_knows_its_run_and_step(call: Callable[..., object]) -> None:
    tool = """{cwlVersion: v1.2, class: CommandLineTool, id: own, inputs: [], stdout: out.txt, outputs: {out: stdout},
      baseCommand: [sh, -c, 'echo "$VOXOME_RUN $VOXOME_STEP"']}"""
    ended = call(tool)
    run, step = (ended.out / "out.txt").read_text().split()  # type: ignore[attr-defined]
    assert (len(run), step) == (16, "own")
    environment = {"VOXOME_RUN": run, "VOXOME_STEP": step, "PATH": "/usr/bin:/bin"}
    words = [sys.executable, "-m", "voxome.cli.main", "tools"]
    assert "not a variable" not in subprocess.run(words, env=environment, capture_output=True, text=True).stderr
