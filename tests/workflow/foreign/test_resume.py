"""A workflow whose process is killed again and again."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

STEP = """{class: CommandLineTool,
  baseCommand: [sh, -c, 'mktemp "$1/$0.XXXXXX" >&2; sleep 0.2; echo "$0"; shift; cat "$@"'],
  inputs: {name: {type: string, inputBinding: {position: 1}}, tally: {type: string, inputBinding: {position: 2}},
  files: {type: 'File[]?', inputBinding: {position: 3}}}, stdout: out.txt, outputs: {out: stdout}}"""
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
requirements:
  - {class: ScatterFeatureRequirement}
  - {class: SubworkflowFeatureRequirement}
  - {class: StepInputExpressionRequirement}
  - {class: MultipleInputFeatureRequirement}
inputs: {names: "string[]", tally: string, wanted: boolean}
outputs: {result: {type: File, outputSource: end/out}}
steps:
  begin: {run: STEP, in: {name: {default: begin}, tally: tally}, out: [out]}
  each:
    scatter: name
    in: {name: names, tally: tally, files: {source: [begin/out], linkMerge: merge_nested}}
    run: STEP
    out: [out]
  skipped:
    when: $(inputs.wanted)
    in: {wanted: wanted, name: {default: skipped}, tally: tally}
    run: STEP
    out: [out]
  inner:
    in: {files: each/out, tally: tally}
    out: [out]
    run:
      class: Workflow
      inputs: {files: "File[]", tally: string}
      outputs: {out: {type: File, outputSource: second/out}}
      steps:
        first: {run: STEP, in: {name: {default: first}, tally: tally, files: files}, out: [out]}
        second:
          run: STEP
          in: {name: {default: second}, tally: tally, files: {source: [first/out], linkMerge: merge_nested}}
          out: [out]
  end:
    in: {name: {default: end}, tally: tally, files: {source: [inner/out, skipped/out], pickValue: all_non_null}}
    run: STEP
    out: [out]
"""
WORKERS = 2
NAMES = [f"n{number}" for number in range(8)]


def committed(out: Path) -> set[str]:
    """Return the keys of the results that are there."""
    return {json.loads(one.read_text())["key"] for one in out.glob(".voxome/jobs/*/result.json")}


def query(out: Path, what: str, *arguments: object) -> list[Any]:
    with closing(sqlite3.connect(out / ".voxome" / "run.sqlite")) as records:
        return records.execute(what, arguments).fetchall()


@pytest.mark.timeout(1800)
def test_no_committed_job_runs_again_however_often_the_run_is_killed(tmp_path: Path) -> None:
    (tmp_path / "w.cwl").write_text(WORKFLOW.replace("STEP", " ".join(STEP.split("\n"))))
    tally, out = tmp_path / "tally", tmp_path / "out"
    tally.mkdir()
    (tmp_path / "job.json").write_text(json.dumps({"names": NAMES, "tally": str(tally), "wanted": False}))
    command = [
        sys.executable,
        "-m",
        "voxome.cli.main",
        "cwl-runner",
        "--quiet",
        f"--outdir={out}",
        f"--workers={WORKERS}",
    ]
    command += [str(tmp_path / "w.cwl"), str(tmp_path / "job.json")]
    marks: list[tuple[int, set[str]]] = []
    for number in range(5):
        before = committed(out)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(committed(out) - before) < 1 + number % 2:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.01)
        process.kill()
        process.wait()
        marks.append((query(out, "SELECT max(id) FROM events")[0][0], committed(out)))
        assert before < marks[-1][1]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    started = "SELECT json_extract(details, '$.key') FROM events WHERE kind = 'job started' AND id > ?"
    for last, keys in marks:
        assert {key for (key,) in query(out, started, last)} & keys == set()
    assert marks[-1][1] > marks[0][1] != set()
    text = Path(json.loads(ended.stdout)["result"]["path"]).read_text().split()
    assert text == ["end", "second", "first", *(word for name in NAMES for word in (name, "begin"))]
    starts = Counter(one.name.partition(".")[0] for one in tally.iterdir())
    assert set(starts) == {"begin", "first", "second", "end", *NAMES}
    assert sum(starts.values()) <= len(starts) + len(marks) * WORKERS  # only those that were running when it was killed
    assert not (out / ".voxome" / "jobs").exists()
