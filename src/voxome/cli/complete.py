"""What the shell offers when Tab is pressed."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ASKED = "_VOXOME_COMPLETE"
"""The variable by which a shell asks."""


def uris(incomplete: str) -> list[str]:
    """Schemes, names of public datasets, and paths of this machine that begin so."""
    from voxome.registry import targets

    schemes = targets("voxome.remotes")
    scheme, slashes, path = incomplete.partition("://")
    if slashes:
        return [f"{scheme}://{found}" for found in _paths(path)] if path and scheme in schemes else [incomplete]
    known = [f"{scheme}://" for scheme in sorted(schemes)]
    if incomplete.startswith("dataset:"):
        known = [f"dataset:{name}" for name in datasets("")]
    return [text for text in [*known, "dataset:"] if text.startswith(incomplete)] + _paths(incomplete)


def datasets(incomplete: str) -> list[str]:
    """Names of public datasets that begin so."""
    from voxome.datasets.registry.read import entries

    return [name for name in entries() if name.startswith(incomplete)]


def tools(incomplete: str) -> list[str]:
    """Names of tools that begin so."""
    from voxome.registry import targets

    return [name for name in sorted(targets("voxome.tools")) if name.startswith(incomplete)]


@contextmanager
def whole_words() -> Iterator[None]:
    """Put together, where bash asks, the words that it took apart at colons; it wants what follows the last one."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    at = int(os.environ.get("COMP_CWORD", "0"))
    if os.environ.get(ASKED) != "complete_bash" or at >= len(words):
        yield
        return
    merged, place = [words[0]], 0
    for number, word in enumerate(words[1:], 1):
        if word == ":" or (number > 1 and words[number - 1] == ":"):
            merged[-1] += word
        else:
            merged.append(word)
        place = len(merged) - 1 if number <= at else place
    os.environ |= {"COMP_WORDS": "\n".join(merged), "COMP_CWORD": str(place)}
    known = merged[place].rpartition(":")
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told):
            yield
    finally:
        print("\n".join(line.removeprefix("".join(known[:2])) for line in told.getvalue().splitlines()))


def _paths(incomplete: str) -> list[str]:
    folder, _, start = incomplete.rpartition("/")
    prefix = f"{folder}/" if "/" in incomplete else ""
    place = Path(prefix or ".").expanduser()
    if not place.is_dir():
        return []
    found = sorted(one for one in place.iterdir() if one.name.startswith(start) and (start or one.name[0] != "."))
    return [f"{prefix}{one.name}{'/' if one.is_dir() else ''}" for one in found]
