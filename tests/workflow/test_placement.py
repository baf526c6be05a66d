"""Containers of a killed run are removed, but not those that a cluster still uses; engines have what is reserved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from voxome.blocks.step import Step
from voxome.contracts.command_tool import CommandDefinition, CommandLine, VolumeFile
from voxome.contracts.engine import Job
from voxome.engines.choice import StepEngines
from voxome.engines.local import LocalEngine
from voxome.engines.sequential import SequentialEngine
from voxome.environments.podman import PodmanEnvironment
from voxome.errors import PlanError
from voxome.workflow.placement import clear_containers, require_capacity

IN_IMAGE = CommandDefinition(
    name="demo",
    inputs={"image": VolumeFile(format="npy")},
    image="demo",
    environment="podman",
    line=CommandLine(argv=("true",)),
)
STEP = Step(name="demo", tool="demo", version="1", parameters={}, inputs={}, program=IN_IMAGE.to_json())


class Leaving(SequentialEngine):
    """Has jobs of a killed run, until they are adopted."""

    def __init__(self) -> None:
        super().__init__()
        self.left = [Job("left", "step", {})]

    def left_jobs(self) -> list[Job]:
        return self.left


def test_containers_stay_while_an_engine_has_jobs_of_the_killed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared: list[str] = []
    monkeypatch.setattr(PodmanEnvironment, "clear", lambda _, run: cleared.append(run))
    engine = Leaving()
    with StepEngines({"other": engine}, ["demo", "other"], workers=1, log=tmp_path / "log") as engines:
        clear_containers([STEP], "run", engines)
        assert cleared == []
        engine.left = []
        clear_containers([STEP], "run", engines)
    assert cleared == ["run"]


def test_programs_that_reserve_more_than_the_engine_has_are_refused_together(tmp_path: Path) -> None:
    engine = LocalEngine(workers=1, log=None, memory_bytes=1 << 30)
    large = replace(IN_IMAGE, memory_bytes=10**18)
    wide = replace(IN_IMAGE, cpus=10**9)
    steps = [
        replace(STEP, name=name, program=one.to_json()) for name, one in (("a", large), ("b", wide), ("c", IN_IMAGE))
    ]
    with pytest.raises(
        PlanError, match=r"(?s)step a cannot run: .* 1,024 MiB at most; lower ramMin.*step b .*coresMin"
    ):
        require_capacity(steps, lambda _: engine)
    require_capacity(steps[2:], lambda _: engine)
    engine.close()
