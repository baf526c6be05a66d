"""The file ``provenance`` of a precomputed folder, in the form that cloud-volume reads and writes.

It is a JSON object with the text ``description``, the lists of texts ``sources`` and ``owners``, and the list
of objects ``processing``. An entry of voxome is one of these objects, with the members that tools of cloud-volume use:
``method``, ``by`` and ``date``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxome.contracts.provenance import OTHER, Provenance
from voxome.errors import CorruptData
from voxome.remotes.provenance_json import entry_json, parse_entry, require_entries
from voxome.storage.json_store import Json, read_json, update_json
from voxome.storage.path import StoragePath

FILE = "provenance"
_BY = "voxome"
_EMPTY: Json = {"description": "", "owners": [], "processing": [], "sources": []}
_ABOUT = ("description", "owners", "sources")


def read_provenance(folder: StoragePath) -> tuple[Provenance, ...]:
    """Return what the file says: the members about the whole as one entry, if others wrote any, and the processing.

    A file that is not JSON, which cloud-volume accepts, is one entry with its text.
    """
    try:
        content = read_json(folder, FILE) or {}
    except CorruptData:
        return (Provenance.of_others(FILE, (folder.read(FILE) or b"").decode(errors="replace")),)
    processing = tuple(_parse(one) for one in parse_list(content.get("processing")))
    rest = {name: value for name, value in content.items() if name != "processing" and value}
    sources = {one.uri for entry in processing for one in entry.inputs}
    if sources.issuperset(parse_list(rest.get("sources"))):
        rest.pop("sources", None)
    about = (Provenance.of_others(FILE, rest),) if rest else ()
    return about + processing


def add_provenance(folder: StoragePath, one: Provenance) -> None:
    """Append an entry to ``processing``, and its inputs to ``sources``, atomically; keep everything else.

    Raises
    ------
    CorruptData
        If the file is something else, which is kept.
    AccessDenied, StoreError
        If it cannot be written.
    """

    def enter(old: Json) -> Json:
        new = {**_EMPTY, **old}
        name = f"{folder}/{FILE}"
        processing = require_entries(new["processing"], f"{name}: processing")
        sources = require_entries(new["sources"] or [], f"{name}: sources")
        uris = [item.uri for item in one.inputs if "://" in item.uri and item.uri not in sources]
        return {**new, "processing": [*processing, _to_json(one)], "sources": [*sources, *dict.fromkeys(uris)]}

    update_json(folder, FILE, enter)


class FolderProvenance:
    """Provenance of the shapes in a folder, for their source."""

    _folder: StoragePath

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the file ``provenance`` of the folder says."""
        return read_provenance(self._folder)

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the file ``provenance`` of the folder, keep the others; atomic."""
        add_provenance(self._folder, one)


def parse_list(value: object) -> list[Any]:
    """Return a list as it is, nothing as none, and a single value as one."""
    return value if isinstance(value, list) else [value] if value else []


def _to_json(one: Provenance) -> Json:
    if one.way == OTHER:
        return entry_json(one)
    return {"method": {"task": one.service, **entry_json(one)}, "by": _BY, "date": one.time}


def _parse(data: object) -> Provenance:
    method = data.get("method") if isinstance(data, Mapping) and data.get("by") == _BY else None
    if not isinstance(method, Mapping):
        return Provenance.of_others(FILE, data)
    found = parse_entry({name: value for name, value in method.items() if name != "task"}, FILE)
    return Provenance.of_others(FILE, data) if found.way == OTHER else found
