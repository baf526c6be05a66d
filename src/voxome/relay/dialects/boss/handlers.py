"""Handlers of requests: most answer at once; voxels are expected before they are read; look-ups take long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from voxome.relay.dialects.boss.call import Call

Handler = Callable[[Call], Response]
"""Answers a request, in a thread."""


@dataclass(frozen=True)
class Expected:
    """A body that the caller may send.

    Attributes
    ----------
    most_bytes : int
        Its limit.
    receive : function
        Answers the request when the body has been read.
    """

    most_bytes: int
    receive: Callable[[bytearray], Response]


@dataclass(frozen=True)
class Upload:
    """Handler of a request with voxels, which are read only after it has checked that the caller may send them."""

    expect: Callable[[Call], Expected]


@dataclass(frozen=True)
class LookUp:
    """Handler that searches many voxels: it has threads of its own, and ends when the client leaves."""

    handle: Handler
