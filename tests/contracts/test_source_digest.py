"""The digest of a tool changes with its code, not with comments or docstrings."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voxome.contracts.source_digest import UNPINNED, source_digest
from voxome.registry import load

TOOL = '''
"""A tool."""
from .helpers.maths import double
import json

def run(x):
    """Run."""
    from plugin_a.lazy import late
    return late(double(x))
'''
FILES = {
    "__init__.py": "",
    "tool.py": TOOL,
    "helpers/__init__.py": "",
    "helpers/maths.py": "from plugin_a import constants\n\ndef double(x):\n    return constants.TWO * x\n",
    "constants.py": "TWO = 2\n",
    "lazy.py": "def late(x):\n    return x\n",
    "unrelated.py": "THREE = 3\n",
}
Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a file of a package and return the digest of its tool."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "plugin_a"
    for name, text in FILES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    run = importlib.import_module("plugin_a.tool").run

    def change(name: str, text: str) -> str:
        (package / name).write_text(text)
        return source_digest(run)

    yield change
    for name in [name for name in sys.modules if name.partition(".")[0] == "plugin_a"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tool.py", TOOL.replace("late(double(x))", "late(double(x)) + 1")),
        ("helpers/maths.py", FILES["helpers/maths.py"].replace("*", "+")),
        ("constants.py", "TWO = 3\n"),
        ("lazy.py", "def late(x):\n    return -x\n"),
    ],
)
def test_an_edit_of_the_tool_or_of_what_it_imports_changes_the_digest(write: Write, name: str, text: str) -> None:
    before = write("unrelated.py", "THREE = 3\n")
    assert write(name, text) != before
    assert write(name, FILES[name]) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tool.py", TOOL.replace("Run.", "Run it.").replace("import json", "import json  # for later")),
        ("constants.py", "TWO = 2\n'''The even prime.'''\n\n\n"),
        ("unrelated.py", "THREE = 4\n"),
    ],
)
def test_wording_and_other_modules_do_not_change_the_digest(write: Write, name: str, text: str) -> None:
    before = write("unrelated.py", "THREE = 3\n")
    assert write(name, text) == before


def test_the_digest_of_a_function_without_source_is_that_of_its_bytecode() -> None:
    def compiled(text: str) -> Callable[[int], int]:
        scope: dict[str, Callable[[int], int]] = {}
        exec(text, {"__name__": "nowhere"}, scope)
        return scope["run"]

    one = compiled("def run(x):\n    return [y + 1 for y in range(x)]")
    other = compiled("def run(x):\n    return [y + 2 for y in range(x)]")
    again = compiled("def run(x):\n    return [y + 1 for y in range(x)]")
    assert source_digest(one) == source_digest(again) != source_digest(other)


def test_a_builtin_is_unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    assert source_digest(len) == UNPINNED


def test_the_digest_of_a_built_in_tool_does_not_cover_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    from voxome.contracts import source_digest as module

    closure = module._closure("voxome.tools.em.network", Path(sys.modules[load_network()].__file__ or ""), module._OWN)
    assert "voxome.models.infer" in closure
    assert "voxome.tools.em.kernels.affinity" in closure
    assert {name.rpartition(".")[0].split(".")[1] for name in closure} <= {"tools", "models"}


def load_network() -> str:
    """Import the tool, and return the name of its module."""
    return str(load("voxome.tools", "em.network").function.__module__)
