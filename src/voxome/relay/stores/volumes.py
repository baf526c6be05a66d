"""Volumes that clients have created in a store."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.errors import NotFound, VoxomeError
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.states import SourceState, SourceStates
from voxome.relay.limits import LARGEST_CUTOUT_BYTES
from voxome.relay.memory import chunk_bytes
from voxome.relay.rights import Rights
from voxome.relay.stores.store import UPLOADS_DAYS, Store
from voxome.relay.stores.uploads import Uploads
from voxome.relay.upstream import Upstream
from voxome.resources.open import open_source

METADATA = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"})
"""Names of the files that describe arrays and groups."""

_DEPTH = 16
"""Parts of the longest name of a volume in a store."""
_MOST_BYTES = 2**24
_MOST_KNOWN = 4096
_LOG = logging.getLogger(__name__)

Parts = tuple[str, ...]
OpenUpstream = Callable[[str, Rights], Upstream]
"""Returns the source of a URI, with its rights."""


class StoreVolumes:
    """The volumes in a store: arrays, and groups with multiscales, of which all levels are there.

    An array in such a group is a level, not a volume of its own. Volumes are found when they are needed, so those that
    a client creates, changes or deletes are served as they are.

    Parameters
    ----------
    name : str
        Name of the store in the relay.
    folder : Path
        Its folder.
    rights : Rights
        Who may read and write it.
    open_upstream : function
        Makes a source of a volume.
    generations : Generations
        By which all processes see what has changed.
    states : SourceStates
        By which volumes are opened again when their metadata have changed.
    uploads_days : float
        Days after which an upload in parts ends to which no part has come.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        rights: Rights,
        open_upstream: OpenUpstream,
        generations: Generations,
        states: SourceStates,
        uploads_days: float = UPLOADS_DAYS,
    ) -> None:
        self.store = Store(name, folder, rights, self._changing, uploads_days)
        Uploads(self.store).expire()
        self._open_upstream, self._generations, self._states = open_upstream, generations, states
        self._upstreams: dict[Parts, Upstream] = {}
        self._known: dict[Parts, tuple[object, bool]] = {}
        self._lock = Lock()

    def find(self, path: str) -> Upstream | None:
        """Return the volume whose folder in the store has this path; None if there is none."""
        parts = tuple(path.split("/"))
        if len(parts) > _DEPTH:
            return None
        return self._upstream(parts) if self._outermost(parts) == parts else None

    def names_of(self, identity: str) -> list[str]:
        """Return the names of a volume in the store, if it is one that was used."""
        with self._lock:
            found = [parts for parts, upstream in self._upstreams.items() if upstream.origin.has_identity(identity)]
        return ["/".join((self.store.name, *parts)) for parts in found]

    @contextmanager
    def _changing(self, parts: Parts) -> Iterator[None]:
        """Let all processes see, when the context ends, that an object has changed."""
        above = [parts[:count] for count in range(1, min(len(parts), _DEPTH + 1))]
        described = parts[-1] in METADATA
        volume = None if described else self._outermost(parts[:-1])
        changed = [self._upstream(one).identity for one in (above if described else [volume] if volume else [])]
        with ExitStack() as stack:
            for identity in changed:
                stack.enter_context(self._generations.writing(identity, None))
            yield
            for identity in changed if described else ():
                if self._states.get(identity) is not None:
                    self._states.put(identity, SourceState.new(""))

    def _outermost(self, parts: Parts) -> Parts | None:
        """Return the first folder on a path that is a volume."""
        counts = range(1, min(len(parts), _DEPTH) + 1)
        return next((parts[:count] for count in counts if self._is_volume(parts[:count])), None)

    def _is_volume(self, parts: Parts) -> bool:
        files = {name: self._state(parts, name) for name in METADATA}
        if not any(files.values()):
            self._known.pop(parts, None)
            return False
        upstream = self._upstream(parts)
        state = (files, self._generations.version(upstream.identity))
        known = self._known.get(parts)
        if known is None or known[0] != state:
            known = (state, self._is_described(parts) and _opens(self._uri(parts)))
            with self._lock:
                _make_room(self._known)
                self._known[parts] = known
        return known[1]

    def _state(self, parts: Parts, name: str) -> tuple[int, int, int] | None:
        try:
            with self.store.folder.opened(parts) as folder:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (NotFound, OSError):
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _is_described(self, parts: Parts) -> bool:
        """Return whether metadata say that a folder is an array, or a group with multiscales."""
        third = self._read(parts, "zarr.json")
        if third:
            attributes = third.get("attributes")
            return third.get("node_type") == "array" or (isinstance(attributes, dict) and _has_levels(attributes))
        return bool(self._read(parts, ".zarray")) or _has_levels(self._read(parts, ".zattrs"))

    def _read(self, parts: Parts, name: str) -> dict[str, Any]:
        try:
            with self.store.folder.open_file((*parts, name)) as file:
                document = json.loads(file.read(_MOST_BYTES))
        except (NotFound, OSError, ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    def _upstream(self, parts: Parts) -> Upstream:
        with self._lock:
            if parts not in self._upstreams:
                _make_room(self._upstreams)
                self._upstreams[parts] = self._open_upstream(self._uri(parts), self.store.rights)
            return self._upstreams[parts]

    def _uri(self, parts: Sequence[str]) -> str:
        path = "/".join((str(self.store.folder.path), *parts))
        return f"zarr://{path}?" if "?" in path else f"zarr://{path}"


def _has_levels(attributes: dict[str, Any]) -> bool:
    ome = attributes.get("ome", attributes)
    return isinstance(ome, dict) and bool(ome.get("multiscales"))


def _opens(uri: str) -> bool:
    """Return whether a volume, with all its levels, can be opened, and no chunk of it is too large to be read."""
    try:
        source = open_source(uri)
        pyramid = ability(source, SupportsLevels)
        specs = [source.spec]
        for number in range(1, 1 if pyramid is None else len(pyramid.levels)):
            specs.append(pyramid.level(number).spec)  # type: ignore[union-attr]
    except (VoxomeError, OSError):
        return False
    largest = max(map(chunk_bytes, specs))
    if largest > LARGEST_CUTOUT_BYTES:
        _LOG.warning(
            "%s is not served: its chunks have %d bytes; expected at most %d", uri, largest, LARGEST_CUTOUT_BYTES
        )
    return largest <= LARGEST_CUTOUT_BYTES


def _make_room(known: dict[Parts, Any]) -> None:
    while len(known) >= _MOST_KNOWN:
        del known[next(iter(known))]
