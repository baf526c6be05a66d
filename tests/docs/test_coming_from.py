"""The voxome examples of docs/coming-from.md give the results in their comments."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from docs.pages import Block, blocks_of, run_commands, run_python

from docs import seeds

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"
SEEDS: dict[str, Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[dict[str, str]]]] = {
    "intern": seeds.of_intern,
    "cloud-volume": seeds.of_cloud_volume,
    "webknossos": seeds.of_webknossos,
    "dvidtools": seeds.of_dvidtools,
}
"""Section → fixture of its servers and files, which yields replacements for words of the page."""


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all settings of the user who runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "empty.toml").touch()
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "empty.toml"))
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    for name in ("INTERN_HOST", "INTERN_TOKEN", "INTERN_PROTOCOL", "VOXOME_PROFILE", "VOXOME_KEYRING"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("client", SEEDS)
def test_examples_run(client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "coming_from"}
    with SEEDS[client](tmp_path, monkeypatch) as words:
        for block in blocks_of(PAGE):
            if block.section == client:
                run = run_python if block.language == "python" else run_commands
                run(block, names, words)


def test_every_block_is_in_a_section_that_is_run() -> None:
    assert {block.section for block in blocks_of(PAGE) if block.language == "python"} == set(SEEDS)
    assert {block.section for block in blocks_of(PAGE)} == set(SEEDS)


def test_anchors_are_headings() -> None:
    for page in (PAGE, PAGE.with_name("stores.md")):
        for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            text = (page.parent / (target or page.name)).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], anchor


@pytest.mark.parametrize("text", ["1 + 1  # 3", "1 / 0", "a = 1 / 0", "import no_such_module"])
def test_a_wrong_example_fails(text: str) -> None:
    with pytest.raises((AssertionError, ArithmeticError, ImportError)):
        run_python(Block("python", text, "page", 1), {}, {})


def test_a_failing_command_fails() -> None:
    with pytest.raises(AssertionError, match="nowhere"):
        run_commands(Block("sh", "voxome info zarr:///nowhere", "page", 1), {}, {})
