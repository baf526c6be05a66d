"""Shell completion."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMPLETE_VARIABLE = "_VOXOME_COMPLETE"
"""Environment variable in which a shell requests completions."""


def uris(incomplete: str) -> list[str]:
    """Complete schemes, names of public datasets, and local paths."""
    from voxome.registry import targets

    schemes = targets("voxome.remotes")
    scheme, slashes, path = incomplete.partition("://")
    if slashes:
        return [f"{scheme}://{match}" for match in _paths(path)] if path and scheme in schemes else [incomplete]
    known = [f"{scheme}://" for scheme in sorted(schemes)]
    if incomplete.startswith("dataset:"):
        known = [f"dataset:{name}" for name in datasets("")]
    return [text for text in [*known, "dataset:"] if text.startswith(incomplete)] + _paths(incomplete)


def datasets(incomplete: str) -> list[str]:
    """Complete names of public datasets."""
    from voxome.data.registry.read import entries

    return [name for name in entries() if name.startswith(incomplete)]


@contextmanager
def joined_words() -> Iterator[None]:
    """Join the words that bash splits at colons, and print only what follows the last colon, as bash expects."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    at = int(os.environ.get("COMP_CWORD", "0"))
    if os.environ.get(COMPLETE_VARIABLE) != "complete_bash" or at >= len(words):
        yield
        return
    merged, current = [words[0]], 0
    for number, word in enumerate(words[1:], 1):
        if word == ":" or (number > 1 and words[number - 1] == ":"):
            merged[-1] += word
        else:
            merged.append(word)
        current = len(merged) - 1 if number <= at else current
    os.environ |= {"COMP_WORDS": "\n".join(merged), "COMP_CWORD": str(current)}
    typed = merged[current].rpartition(":")
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            yield
    finally:
        print("\n".join(line.removeprefix("".join(typed[:2])) for line in output.getvalue().splitlines()))


def _paths(incomplete: str) -> list[str]:
    folder, _, start = incomplete.rpartition("/")
    prefix = f"{folder}/" if "/" in incomplete else ""
    parent = Path(prefix or ".").expanduser()
    if not parent.is_dir():
        return []
    matches = sorted(
        path for path in parent.iterdir() if path.name.startswith(start) and (start or path.name[0] != ".")
    )
    return [f"{prefix}{path.name}{'/' if path.is_dir() else ''}" for path in matches]
