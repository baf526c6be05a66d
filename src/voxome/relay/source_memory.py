"""What the relay keeps of a source on its disk, so that it can be opened while the store is away."""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from threading import Thread

from voxome.contracts.abilities import SupportsPinnedVersions, ability
from voxome.contracts.source import VolumeSource
from voxome.errors import CorruptData, VoxomeError
from voxome.relay.cache.metadata import SourceMetadata
from voxome.relay.origin import Origin
from voxome.relay.recalled import (
    OpenStore,
    RecalledLevel,
    RecalledPyramid,
    RecalledSource,
    levels_from_json,
    levels_to_json,
)
from voxome.relay.source_entry import ReadableSource
from voxome.relay.source_handles import OpenedSource

_LEVELS, _LEVEL = "levels", "level"


class SourceMemory:
    """Metadata of a source behind a network: its levels, and the spec of each that was opened.

    Parameters
    ----------
    origin : Origin
        The source.
    metadata : SourceMetadata
        Where they are kept.
    """

    def __init__(self, origin: Origin, metadata: SourceMetadata) -> None:
        self._origin, self._metadata = origin, metadata

    def keep_opened(self, opened: OpenedSource) -> None:
        """Keep the metadata of a source that was opened, those of its other levels as soon as they are open too."""
        if self._is_kept(opened):
            self.keep_level(opened, 0, opened.source)
            Thread(target=copy_context().run, args=(self._keep_levels, opened), daemon=True).start()

    def keep_level(self, opened: OpenedSource, number: int, source: ReadableSource | None) -> None:
        """Keep the metadata of a level."""
        if isinstance(source, VolumeSource) and self._is_kept(opened):
            with suppress(TypeError, ValueError):  # attributes that are no JSON
                self.keep(opened, f"{_LEVEL}/{number}", RecalledLevel.of(source).to_json())

    def keep(self, opened: OpenedSource, key: str, value: str) -> None:
        """Keep a text about a source, unless it is only recalled."""
        if self._is_kept(opened):
            self._metadata.put(self._origin.identity, opened.incarnation, key, value)

    def get(self, incarnation: str, key: str) -> str | None:
        """Return a text about the source; None if none is kept."""
        return self._metadata.get(self._origin.identity, incarnation, key)

    def recall(self, incarnation: str, open_store: OpenStore) -> OpenedSource | None:
        """Return the source as it is recalled; None if nothing is known of it.

        Parameters
        ----------
        incarnation : str
            Its incarnation.
        open_store : function
            Opens a level when what is known is not enough.
        """
        try:
            first, text = self._level(incarnation, 0), self.get(incarnation, _LEVELS)
            levels = None if text is None else levels_from_json(text)
        except CorruptData:
            return None
        if first is None:
            return None
        pyramid = None
        if levels is not None:
            pyramid = RecalledPyramid(levels, lambda number: self._level(incarnation, number), open_store)
        source = RecalledSource(0, first, open_store, pyramid, is_pyramid_known=text is not None)
        return OpenedSource(incarnation, source, is_recalled=True)

    def _level(self, incarnation: str, number: int) -> RecalledLevel | None:
        text = self.get(incarnation, f"{_LEVEL}/{number}")
        return None if text is None else RecalledLevel.from_json(text)

    def _is_kept(self, opened: OpenedSource) -> bool:
        may_be_away = self._metadata.is_kept and self._origin.is_remote and not opened.is_recalled
        return may_be_away and ability(opened.source, SupportsPinnedVersions) is None

    def _keep_levels(self, opened: OpenedSource) -> None:
        identity = self._origin.identity
        with suppress(VoxomeError, OSError):
            levels = None if opened.pyramid is None else opened.pyramid.levels
            self.keep(opened, _LEVELS, levels_to_json(levels))
            for number in range(1, len(levels or ())):
                if not self._metadata.has(identity, opened.incarnation, f"{_LEVEL}/{number}"):
                    with suppress(VoxomeError, OSError):  # a level that is missing or damaged
                        self.keep_level(opened, number, opened.level(number))
        self._metadata.tell(identity)
