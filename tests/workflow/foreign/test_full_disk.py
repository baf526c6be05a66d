"""A process whose disk is full ends in one sentence, and resumes after space is made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from full_disks.disk import MIB, small_disk
from workflow.conformance import events

pytestmark = pytest.mark.slow

WORKFLOW = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {n: "int[]"}
outputs: {all: {type: "File[]", outputSource: each/out}}
steps:
  each:
    scatter: n
    in: {n: n}
    out: [out]
    run:
      class: CommandLineTool
      baseCommand: [sh, -c]
      arguments: ['head -c 1000000 /dev/zero > out.bin && echo $(inputs.n) >> out.bin']
      inputs: {n: int}
      outputs: {out: {type: File, outputBinding: {glob: out.bin}}}
"""


def test_a_full_disk_is_said_once_and_the_process_resumes(tmp_path: Path) -> None:
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    (tmp_path / "w.cwl").write_text(WORKFLOW)
    (tmp_path / "job.json").write_text(json.dumps({"n": list(range(6))}))
    with small_disk(tmp_path / "disk", 5 * MIB) as disk:
        out = disk / "out"
        command = [sys.executable, "-m", "voxome.cli.main", "cwl-runner", "--quiet", f"--outdir={out}", "--workers=1"]
        command += [str(tmp_path / "w.cwl"), str(tmp_path / "job.json")]
        full = subprocess.run(command, capture_output=True, text=True, check=False)
        assert full.returncode == 1
        assert full.stderr.splitlines()[-1].startswith("voxome: ")
        assert "full" in full.stderr or "No space left" in full.stderr
        assert "--debug" not in full.stderr
        assert "Traceback" not in full.stderr
        subprocess.run(["mount", "-o", f"remount,size={40 * MIB}", str(disk)], check=True)
        ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        files = [Path(one["path"]).read_bytes() for one in json.loads(ended.stdout)["all"]]
        assert [one[1_000_000:] for one in files] == [b"%d\n" % n for n in range(6)]
        assert len(events(out, "job reused")) >= 2
