"""Jobs that an engine has lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from voxome.contracts.engine import JobStatus
from voxome.workflow.foreign import command_engine
from voxome.workflow.foreign.command_engine import CommandEngine

LATE = """
cwlVersion: v1.2
class: CommandLineTool
requirements: {InlineJavascriptRequirement: {}, MORE}
baseCommand: [sh, -c]
arguments:
  - valueFrom: |
      if mkdir "$0/first"; then
        until test -e "$0/second" || test -e "$0/ended"; do sleep 0.02; done
        echo late >> "$1/out.txt"; mkdir "$0/written"
      else
        mkdir "$0/second"
        until test -e "$0/written"; do sleep 0.02; done
        echo whole >> "$1/out.txt"
      fi
    position: 1
  - {valueFrom: FOLDER, position: 2}
  - {valueFrom: $(runtime.outdir), position: 3}
inputs: {}
outputs: {out: {type: File, outputBinding: {glob: out.txt}}}
"""


class LosingEngine(CommandEngine):
    """Takes the first command for lost as soon as it has begun, and lets it go on, as clusters do."""

    begun: ClassVar[Path]

    def wait(self, timeout_s: float) -> Iterable[JobStatus]:
        """Return the jobs that have ended, and the first one as lost."""
        if self.begun.exists() and self._running and not self.begun.with_name("lost").exists():
            self.begun.with_name("lost").mkdir()
            return [JobStatus(self._running.popitem()[0], "lost", error="its node does not answer")]
        return super().wait(min(timeout_s, 0.05))

    def close(self) -> None:
        """Let the lost attempt end, and wait for it."""
        self.begun.with_name("ended").mkdir()
        super().close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of what the attempts at `LATE` tell each other, whose first one is lost."""
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setattr(LosingEngine, "begun", folder / "first", raising=False)
    monkeypatch.setattr(command_engine, "CommandEngine", LosingEngine)
    return folder


@pytest.mark.slow
def test_a_lost_attempt_that_goes_on_does_not_write_into_the_folder_of_the_next(call, folder: Path) -> None:
    ended = call(LATE.replace("FOLDER", str(folder)).replace(", MORE", ""), engine="local")
    assert (ended.out / "out.txt").read_text() == "whole\n"
    assert len(ended.jobs("job started")) == 2
    assert len(set(ended.jobs("job started"))) == 1
    assert len(ended.jobs("job lost")) == 1


@pytest.mark.slow
def test_a_lost_job_that_changes_its_inputs_is_not_repeated(call, folder: Path) -> None:
    in_place = "InplaceUpdateRequirement: {inplaceUpdate: true}"
    ended = call(LATE.replace("FOLDER", str(folder)).replace("MORE", in_place), engine="local")
    assert ended.status == 1
    assert "it changes its inputs in place, so it is not repeated" in ended.details("job failed")[0]["error"]
    assert not (folder / "second").exists()


SCATTER = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {names: "string[]"}
outputs: {all: {type: "File[]", outputSource: each/out}}
steps:
  each:
    scatter: name
    in: {name: names}
    out: [out]
    run:
      class: CommandLineTool
      requirements: {InitialWorkDirRequirement: {listing: [{entryname: $(inputs.name), entry: text}]}}
      baseCommand: cat
      arguments: [$(inputs.name)]
      inputs: {name: string}
      stdout: out.txt
      outputs: {out: stdout}
"""


def test_a_job_that_cannot_be_staged_ends_no_other(call, caplog: pytest.LogCaptureFixture) -> None:
    too_long = "/".join(["b" * 200] * 25)
    ended = call(SCATTER, {"names": ["a", too_long, "c"]}, engine="local")
    assert ended.status == 1
    assert len(ended.jobs("job ended")) == 2
    (failed,) = ended.details("job failed")
    assert "its files cannot be staged: [Errno 36] File name too long" in failed["error"]
    assert "free some space" not in caplog.text
