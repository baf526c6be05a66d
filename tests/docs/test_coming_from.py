"""The voxome examples of docs/coming-from.md give the results in their comments."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from docs import seeds
from voxome.cli.main import app

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"
SEEDS: dict[str, Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[dict[str, str]]]] = {
    "intern": seeds.of_intern,
    "cloud-volume": seeds.of_cloud_volume,
    "webknossos": seeds.of_webknossos,
    "dvidtools": seeds.of_dvidtools,
}
"""Section → fixture of its servers and files, which yields replacements for words of the page."""

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SHOWN = re.compile(r"  # (.+)$")


@dataclass(frozen=True)
class Block:
    """One block of code, and the line of the page on which it begins."""

    language: str
    text: str
    line: int


def sections(page: str) -> dict[str, list[Block]]:
    """Return heading of the second level → its voxome blocks: ``python`` and ``sh``, not ``py``."""
    found: dict[str, list[Block]] = {}
    starts = [(match.start(), match[1]) for match in re.finditer(r"^## (.+)$", page, re.MULTILINE)]
    for fence in _FENCE.finditer(page):
        if fence[1] in ("python", "sh"):
            title = next((name for at, name in reversed(starts) if at < fence.start()), "")
            found.setdefault(title, []).append(Block(fence[1], fence[2], page.count("\n", 0, fence.start()) + 1))
    return found


def run_python(block: Block, names: dict[str, Any], words: dict[str, str]) -> None:
    """Run a block; the value of an expression must be that in the comment after it."""
    text = replaced(block.text, words)
    lines = text.splitlines()
    for statement in ast.parse(text, PAGE.name).body:
        line = block.line + statement.lineno
        source = ast.get_source_segment(text, statement) or ""
        gives = isinstance(statement, ast.Expr)
        exec(compile("\n" * (line - 1) + (f"_ = {source}" if gives else source), PAGE.name, "exec"), names)
        shown = _SHOWN.search(lines[(statement.end_lineno or 1) - 1])
        if gives and shown is not None:
            seen = (str(names["_"]), repr(names["_"]))
            assert shown[1] in seen, f"{PAGE.name}:{line} shows {shown[1]}, and it is {seen[1]}"


def run_commands(block: Block, words: dict[str, str]) -> None:
    """Run each voxome command."""
    for line in replaced(block.text, words).splitlines():
        name, *arguments = shlex.split(line)
        assert name == "voxome", line
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{PAGE.name}:{block.line}: {line}: {done.output} {done.exception!r}"


def replaced(text: str, words: dict[str, str]) -> str:
    for word, instead in words.items():
        text = text.replace(word, instead)
    return text


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all settings of the user who runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    for name in ("INTERN_HOST", "INTERN_TOKEN", "INTERN_PROTOCOL", "VOXOME_PROFILE", "VOXOME_KEYRING"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("client", SEEDS)
def test_examples_run(client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "coming_from"}
    with SEEDS[client](tmp_path, monkeypatch) as words:
        for block in sections(PAGE.read_text(encoding="utf-8"))[client]:
            if block.language == "python":
                run_python(block, names, words)
            else:
                run_commands(block, words)


def test_every_block_is_in_a_section_that_is_run() -> None:
    found = sections(PAGE.read_text(encoding="utf-8"))
    assert set(found) == set(SEEDS)
    assert all(any(block.language == "python" for block in blocks) for blocks in found.values())


def test_anchors_are_headings() -> None:
    for page in (PAGE, PAGE.with_name("stores.md")):
        for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            text = (page.parent / (target or page.name)).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], anchor


@pytest.mark.parametrize("text", ["1 + 1  # 3", "1 / 0", "a = 1 / 0", "import no_such_module"])
def test_a_wrong_example_fails(text: str) -> None:
    with pytest.raises((AssertionError, ArithmeticError, ImportError)):
        run_python(Block("python", text, 1), {}, {})


def test_a_failing_command_fails() -> None:
    with pytest.raises(AssertionError, match="nowhere"):
        run_commands(Block("sh", "voxome info zarr:///nowhere", 1), {})
