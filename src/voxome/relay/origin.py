"""Where a source comes from: its URI, from which it is opened, or an object."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from voxome.contracts.abilities import SupportsRecognise
from voxome.contracts.source import VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import VoxomeError
from voxome.relay.lazy import lazy
from voxome.relay.source_entry import ReadableSource
from voxome.relay.threads import waiting
from voxome.resources.open import bare_address, canonical, locate, open_source
from voxome.resources.recognition import get_remote
from voxome.resources.view_options import is_percent, split_view
from voxome.storage.durable import sync_files

_LIVE = frozenset({"memory", "proofread"})
"""Schemes of sources whose voxels change by more than writes to them."""
_EDITED = frozenset({"proofread"})
"""Schemes of sources that are edited, not written."""


class Origin:
    """A URI or an object, and what is known of it before it is opened.

    Parameters
    ----------
    source : str or ReadableSource
        The URI or the object.
    identity : str
        Identity of an object, the same in all processes; by default random.
    """

    def __init__(self, source: str | ReadableSource, identity: str = "") -> None:
        self._uri = source if isinstance(source, str) else ""
        self._given: ReadableSource | None = None if isinstance(source, str) else source
        self._identity = identity or secrets.token_hex(16)

    @lazy
    def identity(self) -> str:
        """Return the digest of the URI, the same for all its spellings and in all processes, or that of the object."""
        if not self._uri:
            return self._identity
        return hashlib.sha256(canonical(locate(self._uri).reveal()).reveal().encode()).hexdigest()[:32]

    def has_identity(self, identity: str) -> bool:
        """Return whether this is its identity, as far as that is known without asking a store for the format."""
        if not self.is_known:
            return False
        try:
            return bool(self.identity == identity)
        except (VoxomeError, OSError):  # nothing is stored there, or it has no format
            return False

    @property
    def is_known(self) -> bool:
        """Whether its identity is known, or can be found out without asking a store, which may be away."""
        if not self._uri or "identity" in vars(self):
            return True
        has_format = bool(self._address.scheme) or self.is_local
        return has_format and not is_percent(split_view(Uri.parse(self._uri))[1])  # for which voxels are read

    @lazy
    def is_remote(self) -> bool:
        """Return whether its store is behind a network, and its voxels change only by writes to them."""
        if not self._uri:
            return False
        if not self.is_local:
            return self._address.scheme not in _LIVE
        scheme = locate(self._address.reveal()).scheme
        return not isinstance(get_remote(scheme), SupportsRecognise) and scheme not in _LIVE

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return "://" not in self._address.path if self._uri else True

    @lazy
    def place(self) -> str:
        """Return the path or URL of the volume or file, whatever the format and the options; empty for an object."""
        if not self._uri:
            return ""
        path = self._address.path
        return (path if "://" in path else str(Path(path).resolve())).rstrip("/")

    @lazy
    def _address(self) -> Uri:
        """Return the URI without options of a view, and with no scheme if its format is to be recognised."""
        plain = split_view(Uri.parse(self._uri))[0]
        bare = bare_address(plain)
        return bare if bare is not None else plain if plain.scheme else locate(plain.reveal())

    @property
    def is_at_hand(self) -> bool:
        """Whether its voxels are in files of this machine."""
        return bool(self._uri) and self.is_local and not self.is_remote

    @property
    def may_change(self) -> bool:
        """Whether it has to be checked: a computed object has no version, and never changes."""
        return self._given is None or isinstance(self._given, VolumeSource)

    def open(self, *, writable: bool) -> ReadableSource:
        """Return the source, opened for writing if that is wanted and it is not changed by edits instead.

        Raises
        ------
        VoxomeError, OSError
            If it cannot be opened.
        """
        if self._given is not None:
            return self._given
        return open_source(self._uri, mode="r+" if writable and not is_edited(self._uri) else "r")

    def sync(self) -> None:
        """Wait until what was written is on the disk, if it is in files of this machine.

        Raises
        ------
        StoreError
            If the disk fails.
        """
        if self.is_at_hand and locate(self._uri).scheme not in _LIVE:
            sync_files(Path(self.place))

    def waiting(self) -> AbstractContextManager[None]:
        """Return the context in which a request reads or writes the store, and lets others work if that is remote."""
        return waiting(self.identity) if self.is_remote else nullcontext()


def is_edited(uri: str) -> bool:
    """Return whether the voxels of a URI change by edits of segments, for which it is not opened for writing."""
    return Uri.parse(uri).scheme in _EDITED
