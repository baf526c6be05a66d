"""Reading of the registry, which is a folder of TOML files, one per host."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import overload

from pydantic import ValidationError

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_text
from voxome.contracts.toml_text import read_toml
from voxome.contracts.validation import describe_problems
from voxome.data.registry.entry import Entry
from voxome.errors import InvalidInput, UnknownName

FOLDER = Path(__file__).with_name("entries")


@cache
def entries(folder: Path = FOLDER) -> Mapping[str, Entry]:
    """Return all public volumes by name.

    Raises
    ------
    InvalidInput
        If a file has an unknown key, lacks a key, or repeats a name.
    """
    result: dict[str, Entry] = {}
    for file in sorted(folder.glob("*.toml")):
        for volume in _read_file(file):
            if volume.name in result:
                raise InvalidInput(f"{file}: {volume.name} is defined twice")
            result[volume.name] = volume
    return dict(sorted(result.items()))


@overload
def datasets(name: None = None) -> Mapping[str, Entry]: ...


@overload
def datasets(name: str) -> Entry: ...


@explain_calls
def datasets(name: str | None = None) -> Mapping[str, Entry] | Entry:
    """Return what is known of public volumes, which ``voxome.open("dataset:NAME")`` opens.

    Parameters
    ----------
    name : str, optional
        Name of a dataset, such as ``kasthuri2015/em``; all of them if None.

    Returns
    -------
    Entry or mapping of str to Entry
        With ``title``, ``uri``, ``voxel_size_nm``, ``licence``, ``citation``, …

    Raises
    ------
    UnknownName
        If there is no such dataset; the message suggests the closest match.

    Examples
    --------
    >>> import voxome
    >>> voxome.datasets("kasthuri2015/em").modality
    'scanning electron microscopy'
    """
    return entries() if name is None else entry(require_text("name", name, "kasthuri2015/em"))


def entry(name: str) -> Entry:
    """Return the entry of a public volume.

    Raises
    ------
    UnknownName
        If the registry has no such volume; the message suggests the closest match.
    """
    known = entries()
    if name not in known:
        raise UnknownName.of("dataset", name, known)
    return known[name]


def _read_file(file: Path) -> list[Entry]:
    """Return the volumes of one file; keys before the first volume apply to all of them."""
    try:
        document = read_toml(file)
        volumes = document.pop("volumes", [])
        return [Entry.model_validate({"uri": None, **document, **volume}) for volume in volumes]
    except ValidationError as error:
        raise InvalidInput(f"{file}: {describe_problems(error)}") from error
