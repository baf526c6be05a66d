"""Facts about sources that only their stores can tell, kept for a time when these are away."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from voxome.relay.cache.metadata import SourceMetadata
from voxome.relay.source_entry import SourceEntry
from voxome.relay.source_errors import SourceUnavailable, open_errors
from voxome.relay.upstream import Upstream


class SourceFacts:
    """Facts by key, found out when the store of a source is opened, and whenever one is wanted.

    Parameters
    ----------
    find : function
        Returns the source of a name.
    names_of : function
        Returns the names of an identity.
    metadata : SourceMetadata
        Says which sources were opened.
    """

    def __init__(
        self, find: Callable[[str], SourceEntry], names_of: Callable[[str], list[str]], metadata: SourceMetadata
    ) -> None:
        self._find, self._names_of, self._metadata = find, names_of, metadata
        self._facts: dict[str, Callable[[str], Any]] = {}

    def define(self, key: str, find_out: Callable[[str], Any]) -> None:
        """Define a fact, which is found out and kept for each source behind a network when it is opened.

        Parameters
        ----------
        key : str
            Its key.
        find_out : function
            Name of a source → values of JSON, which its store may have to tell.
        """
        self._facts[key] = find_out
        self._metadata.on_opened(partial(self._keep, key))

    def get(self, name: str, key: str) -> Any:
        """Return a fact about a source as it is now; while its store is away, as it was.

        Raises
        ------
        NotFound
            If no source has this name.
        SourceUnavailable
            If the store fails, and the fact was never found out.
        """
        entry, find_out = self._find(name), self._facts[key]
        if not isinstance(entry, Upstream):
            return find_out(name)
        with open_errors(name):
            kept, is_away = entry.recall(key)
        if kept is not None and is_away:
            return json.loads(kept)
        try:
            found = find_out(name)
        except SourceUnavailable:
            if kept is None:
                raise
            return json.loads(kept)
        with open_errors(name):
            entry.keep(key, json.dumps(found))
        return found

    def _keep(self, key: str, identity: str) -> None:
        for name in self._names_of(identity)[:1]:
            self.get(name, key)
