"""Locks on boxes: those that overlap wait for each other, others do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from voxome.geometry import Box


class BoxLocks:
    """Boxes of several volumes that somebody is changing now."""

    def __init__(self) -> None:
        self._held: list[tuple[str, Box]] = []
        self._changed = Condition()

    @contextmanager
    def hold(self, volume: str, box: Box) -> Iterator[None]:
        """Wait until nobody else holds a voxel of `box` in `volume`, then hold it."""
        mine = (volume, box)
        with self._changed:
            self._changed.wait_for(lambda: all(name != volume or (box & b).empty for name, b in self._held))
            self._held.append(mine)
        try:
            yield
        finally:
            with self._changed:
                self._held.remove(mine)
                self._changed.notify_all()
