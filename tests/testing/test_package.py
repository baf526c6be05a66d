"""voxome.testing works in other packages: it needs nothing from tests/, and stand-ins are not in the wheel."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import voxome.testing

ROOT = Path(__file__).parents[2]
PLUGIN = '''
from uuid import uuid4

import pytest

from voxome.contracts.uri import Uri
from voxome.remotes import memory
from voxome.testing import VolumeRemoteContract


class TestMemory(VolumeRemoteContract):
    dtypes, ranks, kinds, fills = ("uint16",), (3,), ("image",), (0,)

    @pytest.fixture
    def remote(self):
        return memory.MemoryRemote()

    @pytest.fixture
    def new_uri(self):
        return lambda: Uri("memory", uuid4().hex)

    def seed(self, uri, array, spec):
        memory._ARRAYS[uri.path] = (spec, array.copy())

    def inspect(self, uri):
        return memory._ARRAYS[uri.path][1]


class TestForgetful(TestMemory):
    """Remote that drops every write to an odd first index."""

    @pytest.fixture
    def remote(self, monkeypatch):
        write = memory.MemorySource.write
        write_even = lambda source, box, data: write(source, box, data) if box.start[0] % 2 == 0 else None
        monkeypatch.setattr(memory.MemorySource, "write", write_even)
        return memory.MemoryRemote()
'''


def test_every_contract_is_importable() -> None:
    assert voxome.testing.__all__
    for name in voxome.testing.__all__:
        assert getattr(voxome.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Unknown'"):
        _ = voxome.testing.Unknown


@pytest.mark.slow
def test_the_suite_runs_in_another_package_and_finds_a_faulty_remote(tmp_path: Path) -> None:
    (tmp_path / "test_plugin.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", "--tb=no", str(tmp_path)]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    failed = re.findall(r"FAILED \S+::(\w+)::(\w+)", output)
    assert ("TestForgetful", "test_writes_are_read_back") in failed, output
    assert {name for name, _ in failed} == {"TestForgetful"}, output
    assert "passed" in output
    assert "ERROR" not in output


@pytest.mark.slow
def test_only_testing_needs_a_test_library() -> None:
    for file in (ROOT / "src" / "voxome").rglob("*.py"):
        if file.parent.name == "testing":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong = {name.partition(".")[0] for name in names} & {"pytest", "hypothesis", "standins"}
            assert not wrong, f"{file} imports {wrong}"


def test_the_wheel_contains_no_stand_in() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/voxome"]}
    folders = [ROOT / "tests" / name for name in ("standins", "peers")]
    names = {path.stem for folder in folders for path in folder.iterdir() if not path.name.startswith("_")}
    shipped = {path.stem for path in (ROOT / "src" / "voxome" / "testing").iterdir()}
    assert {"dvid", "faulty_proxy", "nginx"} <= names
    assert not names & shipped


def test_the_extra_has_the_libraries_of_the_suites() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {re.match(r"[\w-]+", requirement)[0] for requirement in extras["testing"]} == {"pytest", "hypothesis"}  # type: ignore[index]
