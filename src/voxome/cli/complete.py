"""What the shell offers when Tab is pressed."""

from __future__ import annotations

from pathlib import Path


def uris(incomplete: str) -> list[str]:
    """Schemes, names of public datasets, and paths of this machine that begin so."""
    from voxome.registry import targets

    known = [f"{scheme}://" for scheme in sorted(targets("voxome.remotes"))]
    if incomplete.startswith("dataset:"):
        known = [f"dataset:{name}" for name in datasets("")]
    return [text for text in [*known, "dataset:"] if text.startswith(incomplete)] + _paths(incomplete)


def datasets(incomplete: str) -> list[str]:
    """Names of public datasets that begin so."""
    from voxome.datasets.registry.read import entries

    return [name for name in entries() if name.startswith(incomplete)]


def _paths(incomplete: str) -> list[str]:
    folder, _, start = incomplete.rpartition("/")
    prefix = f"{folder}/" if "/" in incomplete else ""
    place = Path(prefix or ".").expanduser()
    if not place.is_dir():
        return []
    found = sorted(one for one in place.iterdir() if one.name.startswith(start) and (start or one.name[0] != "."))
    return [f"{prefix}{one.name}{'/' if one.is_dir() else ''}" for one in found]
