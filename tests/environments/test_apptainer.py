"""The environment apptainer: its command line; a program of the test stands for apptainer."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from voxome.contracts.environment import Command, Environment, Mount
from voxome.environments import open_environment
from voxome.environments.call import call
from voxome.environments.container_arguments import own_variables
from voxome.errors import EnvironmentFailed, InvalidInput, NotFound

STAND_IN = """#!/usr/bin/env python3
import json, os, sys
if sys.argv[1] == "pull":
    open(sys.argv[2], "w").write(sys.argv[3])
elif "fail" in sys.argv:
    print("INFO: starting\\nFATAL: could not open image", file=sys.stderr)
    sys.exit(255)
else:
    variables = {name: value for name, value in os.environ.items() if name.startswith("APPTAINERENV_")}
    print(json.dumps([sys.argv[1:], variables]))
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apptainer").write_text(STAND_IN)
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("APPTAINERENV_EVIL", "host")
    return open_environment("apptainer")


@pytest.fixture
def command(environment: Environment, tmp_path: Path) -> Command:
    (tmp_path / "tool.sif").write_text("image")
    (tmp_path / "a,b").write_text("input")
    (tmp_path / "work").mkdir()
    mounts = (Mount(f"{tmp_path}/a,b", "/work/in"), Mount(f"{tmp_path}/work", "/work", True))
    image = environment.prepare(f"{tmp_path}/tool.sif")
    return Command(("tool", "--flag", "a b"), "/work", mounts, {"A": "x,y\nz"}, image)


def run(environment: Environment, command: Command, tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        assert call(environment, command, stdout=out, stderr=err) == 0
    arguments, variables = json.loads((tmp_path / "out").read_text())
    return arguments, variables


def test_nothing_of_the_host_reaches_a_command_but_its_mounts(
    environment: Environment, command: Command, tmp_path: Path
) -> None:
    arguments, variables = run(environment, command, tmp_path)
    image = arguments.index(f"{tmp_path}/tool.sif")
    assert arguments[:7] == [
        "--quiet",
        "run",
        "--containall",
        "--cleanenv",
        "--no-eval",
        "--no-privs",
        "--no-mount=bind-paths",
    ]
    assert arguments[image + 1 :] == ["tool", "--flag", "a b"]
    options = arguments[7:image]
    mounts = [one for one in options if one.startswith("--mount=")]
    assert [one for one in mounts if "/work" in one.rpartition("destination=")[2]] == [
        f"--mount=type=bind,source={tmp_path}/work,destination=/work",
        f'--mount=type=bind,"source={tmp_path}/a,b",destination=/work/in,ro',
    ]
    assert {one.rpartition("destination=")[2] for one in mounts} >= {"/tmp", "/var/tmp"}
    assert {"--net", "--network=none", "--pwd=/work"} <= set(options)
    home = next(one for one in options if one.startswith("--home="))
    assert home.endswith("/home:/home/voxome")
    own = {f"APPTAINERENV_{name}": value for name, value in own_variables().items() if name != "HOME"}
    assert variables == {**own, "APPTAINERENV_A": "x,y\nz", "APPTAINERENV_PYTHONNOUSERSITE": "1"}


@pytest.mark.slow
def test_home_may_be_the_work_folder(environment: Environment, command: Command, tmp_path: Path) -> None:
    arguments, variables = run(environment, replace(command, variables={"HOME": "/work", "TMPDIR": "/work"}), tmp_path)
    assert f"--home={tmp_path}/work:/work" in arguments
    assert variables["APPTAINERENV_TMPDIR"] == "/work"
    assert "APPTAINERENV_HOME" not in variables


@pytest.mark.slow
def test_network_and_graphics_cards_are_given_on_demand(
    environment: Environment, command: Command, tmp_path: Path
) -> None:
    arguments, _ = run(environment, replace(command, network=True, gpus=1), tmp_path)
    assert "--nv" in arguments
    assert not {"--net", "--network=none"} & set(arguments)


def test_an_image_that_has_changed_is_refused(environment: Environment, command: Command, tmp_path: Path) -> None:
    (tmp_path / "tool.sif").write_text("built again")
    with pytest.raises(InvalidInput, match=r"tool.sif has changed since it was prepared"):
        call(environment, command)
    assert environment.prepare(f"{tmp_path}/tool.sif") != command.image
    (tmp_path / "tool.sif").unlink()
    with pytest.raises(NotFound, match=r"tool.sif is not there"):
        call(environment, command)


@pytest.mark.slow
def test_images_are_pulled_only_if_that_is_allowed(environment: Environment, command: Command, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"apptainer build .*lab%2Ftool%3A1.sif docker-daemon:lab/tool:1"):
        environment.prepare("lab/tool:1")
    digest = environment.prepare("lab/tool:1", may_pull=True)
    assert environment.prepare("lab/tool:1") == digest
    arguments, _ = run(environment, replace(command, image=digest), tmp_path)
    assert f"{tmp_path}/cache/voxome/images/lab%2Ftool%3A1.sif" in arguments


@pytest.mark.slow
def test_what_apptainer_cannot_start_is_an_error_of_its_own(
    environment: Environment, command: Command, tmp_path: Path
) -> None:
    with (
        pytest.raises(EnvironmentFailed, match="could not start 'fail': FATAL: could not open image"),
        (tmp_path / "err").open("wb") as err,
    ):
        call(environment, replace(command, argv=("fail",)), stderr=err)


def test_without_apptainer_or_image_the_message_names_them(
    environment: Environment, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="names no image"):
        call(environment, replace(command, image=None))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InvalidInput, match="needs the program apptainer, which is not on the path"):
        call(environment, command)
