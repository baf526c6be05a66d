"""How a source of a relay is cached."""

from __future__ import annotations

import math
from dataclasses import dataclass

from voxome.errors import InvalidInput


@dataclass(frozen=True)
class Caching:
    """How a source is cached.

    Attributes
    ----------
    enabled : bool or None
        Whether it is cached; if None, unless it is on this machine.
    ttl_s : float
        Time after which the source is checked for changes.
    stale_s : float
        Time beyond that for which cached voxels are served while the store cannot be reached.
    prefetch : bool or None
        Whether chunks beside those that are read are fetched too; if None, unless it is on this machine.
    timeout_s : float
        Time after which a write of the store, or a read of it or of one of its chunks, is given up.
    """

    enabled: bool | None = None
    ttl_s: float = 600.0
    stale_s: float = 86400.0
    prefetch: bool | None = None
    timeout_s: float = 300.0

    def __post_init__(self) -> None:
        if not self.timeout_s > 0:
            raise InvalidInput(f"timeout_s is {self.timeout_s}; expected more than 0 s")
        if not self.ttl_s > 0 or not 0 <= self.stale_s < math.inf:
            raise InvalidInput(
                f"ttl_s is {self.ttl_s} and stale_s {self.stale_s}; expected more than 0 s, and a finite time"
            )


CACHE_REMOTE = Caching()
"""Sources behind a network are cached."""
