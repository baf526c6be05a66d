"""Locks on boxes: those that overlap wait for each other, others do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition

from voxome.geometry.box import Box


class BoxLocks:
    """Boxes of several volumes that threads of this process are changing."""

    def __init__(self) -> None:
        self._locked: list[tuple[Hashable, Box]] = []
        self._changed = Condition()

    @contextmanager
    def hold(self, volume: Hashable, box: Box) -> Iterator[None]:
        """Wait until no other thread holds a voxel of `box` in `volume`, then hold it inside the context."""
        entry = (volume, box)
        with self._changed:
            self._changed.wait_for(lambda: all(name != volume or (box & b).empty for name, b in self._locked))
            self._locked.append(entry)
        try:
            yield
        finally:
            with self._changed:
                self._locked.remove(entry)
                self._changed.notify_all()
