"""Read the registry: the TOML files beside this one, one a host."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from voxome.datasets.registry.entry import Entry
from voxome.errors import InvalidInput, UnknownName

FOLDER = Path(__file__).with_name("entries")


@cache
def entries(folder: Path = FOLDER) -> Mapping[str, Entry]:
    """All public volumes, by name.

    Raises
    ------
    InvalidInput
        If a file has a word that is not known, lacks one, or names a volume twice.
    """
    found: dict[str, Entry] = {}
    for file in sorted(folder.glob("*.toml")):
        for one in _entries_of(file):
            if one.name in found:
                raise InvalidInput(f"{file}: {one.name} is there twice")
            found[one.name] = one
    return dict(sorted(found.items()))


def entry(name: str) -> Entry:
    """The volume called `name`.

    Raises
    ------
    UnknownName
        If there is none; the message gives the nearest.
    """
    known = entries()
    if name not in known:
        raise UnknownName.of("dataset", name, known)
    return known[name]


def _entries_of(file: Path) -> list[Entry]:
    """The volumes of one file; what stands before the first of them holds for all."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        volumes = document.pop("volumes", [])
        return [Entry.model_validate({"uri": None, **document, **one}) for one in volumes]
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{file} is not TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidInput(f"{file}: {faults}") from error
