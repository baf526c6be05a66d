"""What works with the base installation alone, and what commands and APIs say whose extra is missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEVER_IN_BASE = {"numba", "cwltool", "onnxruntime", "torch", "mwatershed", "starlette"}
HIDE = """
import json, sys
from importlib.machinery import PathFinder

class BaseFinder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if {name, name.partition(".")[0]} & HIDDEN else super().find_spec(name, path, target)

HIDDEN = set(json.loads(sys.argv.pop(1)))
sys.meta_path[sys.meta_path.index(PathFinder)] = BaseFinder
"""
COMMANDS = """
import contextlib, io
from voxome.cli.main import main
done = []
for line in json.loads(sys.argv[1]):
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        try:
            main(line)
        except SystemExit as stop:
            done.append([stop.code or 0, err.getvalue()])
print(json.dumps(done))
"""
"""Runs command lines one after the other, since a process for each takes long."""

CALLS = """
import voxome
VOLUME = voxome.create("memory://one", voxome.VolumeSpec.of((2, 2, 2), "uint8"))
messages = []
for call in json.loads(sys.argv[1]):
    try:
        exec(call)
    except voxome.VoxomeError as error:
        messages.append(str(error))
print(json.dumps(messages))
"""
MESSAGE = re.compile(
    r"The packages? .* (?:is|are) not installed; install (?:it|them) with: pip install 'voxome\[(\w+)\]'$"
)


def _base_distributions() -> set[str]:
    """Names of the base dependencies, and of all that they depend on."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in PROJECT["dependencies"]]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for text in () if name in found else _requires(name):
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": one}) for one in ("", *requirement.extras)
            ):
                waiting.append(needed)
        found.add(name)
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of another platform
        return []


@cache
def _hidden() -> str:
    """Modules of packages that the base installation does not have."""
    base = _base_distributions()
    owners = {module: {canonicalize_name(one) for one in names} for module, names in packages_distributions().items()}
    hidden = {module for module, names in owners.items() if not names & (base | {"voxome"})}
    if "protobuf" not in base:
        hidden.add("google.protobuf")  # google is the package of many
    return json.dumps(sorted(hidden))


def _run(code: str, folder: Path, *arguments: str) -> str:
    """Run `code` in a Python that has the base installation alone; return what it prints."""
    command = [sys.executable, "-c", HIDE + code, _hidden(), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run_commands(folder: Path, lines: list[list[str]]) -> list[tuple[int, str]]:
    """Return exit status and standard error of each command line."""
    return [(status, err) for status, err in json.loads(_run(COMMANDS, folder, json.dumps(lines)))]


def test_the_base_installation_is_small() -> None:
    assert len(PROJECT["dependencies"]) <= 20
    assert not NEVER_IN_BASE & _base_distributions()
    assert set(json.loads(_hidden())) | {"torch"} >= NEVER_IN_BASE


def test_all_has_every_extra_for_users() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(everything).extras == set(PROJECT["optional-dependencies"]) - {"all", "dev"}


@pytest.mark.slow
def test_the_base_installation_reads_writes_lists_and_copies(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.arange(8 * 16 * 16, dtype=np.uint8).reshape(8, 16, 16))
    lines = [
        ["--help"],
        ["put", "raw.npy", "zarr://raw.zarr"],
        ["info", "raw.zarr"],
        ["ls", "."],
        ["transfer", "raw.zarr", "n5://raw.n5"],
        ["transfer", "raw.n5", "precomputed://raw"],
        ["get", "precomputed://raw", "raw.h5"],
        ["get", "raw.h5", "again.tif", "--box", "0:8,0:8,0:16"],
        ["datasets"],
        ["bench", "read", "raw.zarr", "--sizes", "4"],
        ["rm", "raw.n5", "--yes"],
    ]
    for line, (status, err) in zip(lines, _run_commands(tmp_path, lines), strict=True):
        assert status == 0, (line, err)


@pytest.mark.slow
def test_commands_without_their_extra_say_what_to_install(tmp_path: Path) -> None:
    workflow = str(ROOT / "pipelines/em/connectome.cwl")
    (tmp_path / "layer" / "1").mkdir(parents=True)
    (tmp_path / "layer" / "1" / "header.wkw").touch()
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(b"\0" * 128 + b"DICM")
    np.save(tmp_path / "raw.npy", np.zeros((8, 8, 8), np.uint8))
    cases = [
        ("em", ["run", workflow, "--set", "raw=raw.npy", "--out", "out"]),
        ("em", ["plan", workflow, "--set", "raw=raw.npy"]),
        ("em", ["phantom", "truth", "--shape", "32,32,32"]),
        ("em", ["tool", "em.fragments"]),
        ("train", ["train", "cells", "cells.toml", "--out", "model"]),
        ("cloudvolume", ["info", "graphene://example.org/one"]),
        ("webknossos", ["info", "wkw://layer"]),
        ("dicom", ["info", "dicom://series"]),
        ("plots", ["bench", "read", "raw.npy", "--sizes", "4", "--out", "figures"]),
        ("services", ["transfer", "raw.npy", "zarr://copy.zarr", "--levels", "2"]),
        ("services", ["downsample", "raw.npy", "--out", "zarr://copy.zarr"]),
    ]
    found = _run_commands(tmp_path, [line for _, line in cases])
    for (extra, line), (status, err) in zip(cases, found, strict=True):
        assert status == 1, (line, err)
        assert MESSAGE.search(err.splitlines()[-1]).group(1) == extra, (line, err)
    assert not (tmp_path / "copy.zarr").exists()


@pytest.mark.slow
def test_tools_whose_extra_is_missing_are_left_out_of_the_list(tmp_path: Path) -> None:
    (status, err), *_ = _run_commands(tmp_path, [["tools"]])
    assert status == 0
    assert "'em.network' is left out" in err
    assert MESSAGE.search(err).group(1) == "em"


@pytest.mark.slow
def test_apis_without_their_extra_say_what_to_install(tmp_path: Path) -> None:
    cases = {
        "dask": "VOLUME.to_dask()",
        "xarray": "VOLUME.to_xarray()",
        "relay": "import voxome.relay.app",
        "testing": "import voxome.testing",
        "dvid": "from voxome.remotes.dvid.messages import encode_keys; encode_keys(['one'])",
        "keyring": "voxome.configure(keyring=True); voxome.open('bossdb://localhost:1/one/two/three')",
        "postgresql": "from voxome.services.proofreading.database import parse_store; parse_store('postgresql://one/two')",
        "em": "voxome.run('workflow.cwl', {}, out='out')",
    }
    found = json.loads(_run(CALLS, tmp_path, json.dumps(list(cases.values()))))
    for (extra, call), message in zip(cases.items(), found, strict=True):
        assert MESSAGE.search(message).group(1) == extra, (call, message)
