"""``proofread://STORE``: the segments of a volume that is being proofread.

The store itself is imported where one is opened: SQLAlchemy takes 0.2 s, and every bare path is shown to this remote.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import InvalidUri, ReadOnly

if TYPE_CHECKING:
    from voxome.services.proofreading.source import SegmentsSource
    from voxome.services.proofreading.store import ProofreadingStore

SCHEME = "proofread"
_MAGIC = b"SQLite format 3\0"


class ProofreadRemote:
    """Segments in proofreading stores; ``?branch=NAME&version=NUMBER`` chooses what is read."""

    uri_options = ("branch", "version")
    signature = "a proofreading store"
    traits = FormatTraits()

    def open(self, uri: Uri, *, mode: Mode = "r") -> SegmentsSource:
        if mode != "r":
            raise ReadOnly(f"{uri}: segments are edited by voxome.proofread({str(uri)!r}), not by writing voxels")
        from voxome.services.proofreading.branches import MAIN
        from voxome.services.proofreading.source import SegmentsSource

        version = uri.query.get("version")
        store = _open_store(uri)
        number = int(version) if version and version.isascii() and version.isdecimal() else version
        return SegmentsSource(store, uri.query.get("branch", MAIN), number)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        from voxome.services.proofreading.source import SegmentsSource

        store = _open_store(uri)
        spec = SegmentsSource(store).spec
        for name in store.branches():
            yield ResourceInfo.of_spec(f"{SCHEME}://{uri.path}?branch={name}", spec, "branch")
        for name in store.versions():
            yield ResourceInfo.of_spec(f"{SCHEME}://{uri.path}?version={name}", spec, "version")

    def recognises(self, path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return False
        from voxome.services.proofreading.database import open_read_only
        from voxome.services.proofreading.tables import STORE

        try:
            with closing(open_read_only(path)) as connection:
                row = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (STORE.name,)).fetchone()
        except sqlite3.Error:
            return False
        return row is not None


def _open_store(uri: Uri) -> ProofreadingStore:
    from voxome.services.proofreading.database import Database, parse_store
    from voxome.services.proofreading.store import ProofreadingStore

    return ProofreadingStore(Database(parse_store(uri.path)))


def require_name(name: str) -> str:
    """Return the name of a new branch or version.

    Raises
    ------
    InvalidUri
        If it is a number, or has characters that an address could not contain.
    """
    if not isinstance(name, str) or not name or name.isdigit() or not name.replace("-", "").replace("_", "").isalnum():
        raise InvalidUri(f"the name {name!r} is invalid; use letters, digits, - and _, and not digits alone")
    return name
