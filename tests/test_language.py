"""Source, tests, benchmarks and documentation stay in plain English."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (
    "src/voxome/**/*.py",
    "tests/**/*.py",
    "benchmarks/**/*.py",
    "pipelines/**/*.cwl",
    "*.md",
    "docs/*.md",
    "benchmarks/*.md",
)
WORDS = re.compile(
    r"(?<![a-z])(asked|told|said|lies[\s_]+at|what[\s_]+is[\s_]+no|no[\s_]+more|anew|goes[\s_]+on|in[\s_]+passing)"
    r"(?![a-z])",
    re.IGNORECASE,
)
MAX_COUNT = 20


def test_odd_words_are_rare() -> None:
    files = {file for pattern in FILES for file in ROOT.glob(pattern)} - {Path(__file__)}
    matches = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in sorted(files)
        for match in WORDS.finditer(file.read_text(encoding="utf-8"))
    ]
    assert len(matches) <= MAX_COUNT, "see Language in CONTRIBUTING.md\n" + "\n".join(matches)
