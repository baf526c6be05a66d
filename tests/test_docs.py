"""The documentation matches the code."""

from __future__ import annotations

import doctest
import importlib
import linecache
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import voxome
from voxome.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
EXAMPLES = (
    "voxome.blocks",
    "voxome.config",
    "voxome.contracts",
    "voxome.data.registry",
    "voxome.environments",
    "voxome.geometry",
    "voxome.resources",
    "voxome.services.transfer",
    "voxome.viewer",
)


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def _extras() -> dict[str, list[str]]:
    """Return the packages of each extra."""
    project: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project["optional-dependencies"]


def test_the_readme_example_runs() -> None:
    (example,) = _blocks(ROOT / "README.md", "python")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    assert done.stdout == "(32, 64, 64) (10.0, 10.0, 10.0) 1.9921875\n"


@pytest.mark.slow
def test_the_example_tool_of_contributing_runs() -> None:
    tool_example = _blocks(ROOT / "CONTRIBUTING.md", "python")[0]
    check = "import numpy as np\nassert median(np.eye(5, dtype=np.uint8)[None], radius=1).shape == (1, 5, 5)\n"
    check += "assert median.spec.bind({}) == {'radius': 1}\n"
    check += "assert median.spec.compute_halo({'radius': 2}) == ((2, 2, 2), (2, 2, 2))"
    done = subprocess.run(
        [sys.executable, "-c", f"{tool_example}\n{check}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_commands_and_options_exist(page: Path) -> None:
    text = "\n".join(_blocks(page, "sh")).replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] != ["voxome"] or words[1] == "tool":
            continue
        depth = {"init": 2, "proofread": 2, "score": 2, "relay": 3}.get(words[1], 1)
        verbs = words[1 : 1 + depth]
        result = CliRunner().invoke(app, [*verbs, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert result.exit_code == 0, line
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert option in result.output, (line, option)


def test_the_page_of_installation_has_all_extras_with_their_packages() -> None:
    page = (ROOT / "docs/installation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \| .*? \| (.*?) ?\|$", page, re.MULTILINE)
    documented = {
        name: packages.split(", ")
        for names, lists in rows
        for name, packages in zip(re.findall(r"`(.+?)`", names), lists.split("; "), strict=True)
    }
    assert documented.pop("all") == [""]
    packages = {
        name: [re.split(r"[\[<>=]", one)[0] for one in needed]
        for name, needed in _extras().items()
        if name not in ("all", "dev")
    }
    assert {name: sorted(needed) for name, needed in documented.items()} == packages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_extras_that_pages_mention_exist(page: Path) -> None:
    for listed, name in re.findall(r"voxome\[([\w,]+)\]|[Ee]xtra `(\w+)`", page.read_text(encoding="utf-8")):
        assert set((listed or name).split(",")) <= set(_extras())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_are_valid(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_public_names_are_few_and_documented() -> None:
    assert len(voxome.__all__) <= 60
    assert voxome.__all__ == sorted(voxome.__all__)
    for name in voxome.__all__:
        assert getattr(voxome, name).__doc__


@pytest.mark.parametrize("packages", [EXAMPLES, pytest.param(("voxome.services",), marks=pytest.mark.slow)])
def test_doctests_pass(packages: tuple[str, ...]) -> None:
    tried = 0
    for package in packages:
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            linecache.clearcache()  # doctest looks for changes of all its files at every docstring
            result = doctest.testmod(importlib.import_module(found.name))
            assert result.failed == 0, found.name
            tried += result.attempted
    assert tried > 10
