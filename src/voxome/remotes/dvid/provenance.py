"""Provenance of a data instance, as lines in the logs of the versions of its repo.

Servers only append to logs. A line names its instance; what made an instance at a version is in the
logs of this version and of all before it. The notes of these versions are what people wrote about them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from voxome.contracts.provenance import Provenance
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.parsing import parse_json
from voxome.remotes.dvid.versions import DvidNode, VersionInfo, parse_versions
from voxome.remotes.provenance_json import entry_json, parse_entry

_MARK = "voxome provenance of "


def read_provenance(node: Node, instance: str) -> tuple[Provenance, ...]:
    """Return what the logs say of an instance at a version, and the notes, oldest first."""
    versions = parse_json(node.api.send("GET", node.repo_path("info")), parse_versions)
    before = _ancestors(versions, node.uuid)
    return tuple(one for version in versions.values() if version.uuid in before for one in _entries(version, instance))


def add_provenance(node: Node, instance: str, one: Provenance) -> None:
    """Add a line to the log of a version."""
    DvidNode(node).add_log(f"{_MARK}{instance}: {json.dumps(entry_json(one))}")


class LoggedElements:
    """Provenance of the annotations of an instance, for their source."""

    _elements: AnnotationInstance

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the logs of this version and those before it say has made the instance."""
        return read_provenance(self._elements.node, self._elements.name)

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the log of the version."""
        add_provenance(self._elements.node, self._elements.name, one)


def _ancestors(versions: Mapping[str, VersionInfo], uuid: str) -> set[str]:
    """Return a version and all from which it descends."""
    found, left = set[str](), [uuid]
    while left:
        if (name := left.pop()) not in found and name in versions:
            found.add(name)
            left += versions[name].parents
    return found


def _entries(version: VersionInfo, instance: str) -> Iterator[Provenance]:
    """Yield the entries of one version."""
    for line in version.log:
        yield from _parse(line, instance)
    if version.note:
        yield Provenance.of_others("note", {"note": version.note, "version": version.uuid, "time": version.updated})


def _parse(line: str, instance: str) -> Iterator[Provenance]:
    """Yield the entry of a line, if it has one of this instance."""
    _, mark, text = line.partition(f"{_MARK}{instance}: ")
    if mark:
        try:
            yield parse_entry(json.loads(text), "log")
        except (ValueError, RecursionError):
            yield Provenance.of_others("log", text)
