"""Every line of docs/cheat-sheet.md runs, in order, and gives the value in its comment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cli.verbs import VERBS as COMMANDS
from docs.pages import blocks_of, run_commands, run_python

import voxome

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cheat-sheet.md"
VERBS = {path[0] for path in COMMANDS} & set(voxome.__all__)
"""Commands that are functions too."""


def test_all_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    words = {"/data/": f"{tmp_path}/", "PIPELINES/": f"{ROOT}/pipelines/"}
    names: dict[str, Any] = {"__name__": "cheat_sheet"}
    for block in blocks_of(PAGE):
        run = run_python if block.language == "python" else run_commands
        run(block, names, words)


def test_every_verb_is_on_the_page_in_both_dialects() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {"convert", "run"} <= VERBS
    assert set(re.findall(r"^voxome (\w+)", page, re.MULTILINE)) >= VERBS
    assert set(re.findall(r"voxome\.(\w+)[(.]", page)) >= VERBS
