"""The source stays in plain English."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "voxome"
WORDS = re.compile(r"(?<![a-z])(asked|told|said|lies\s+at|what\s+is\s+no|no\s+more)(?![a-z])", re.IGNORECASE)
MAX_COUNT = 20


def test_odd_words_are_rare() -> None:
    matches = [
        f"{path.relative_to(SOURCE)}: {match[0]}"
        for path in sorted(SOURCE.rglob("*.py"))
        for match in WORDS.finditer(path.read_text(encoding="utf-8"))
    ]
    assert len(matches) <= MAX_COUNT, "see Language in CONTRIBUTING.md\n" + "\n".join(matches)
