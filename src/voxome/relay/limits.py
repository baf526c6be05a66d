"""What a client may do to a relay: times, sizes, connections, rates."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


LARGEST_CUTOUT_BYTES = 520 * 2**20
"""Most voxels of one request, uncompressed; volumes in stores whose chunks have more are not served."""


class Limits(BaseModel):
    """Limits of clients and of their connections.

    Attributes
    ----------
    header_s : float
        Time in s in which a request line with its headers must arrive, and a new connection must send one.
    body_s : float
        Time in s for which a body may pause.
    write_s : float
        Time in s for which a client may take nothing of an answer.
    idle_s : float
        Time in s for which a connection may wait for its next request.
    least_bytes_per_s : int
        Bytes that a client must send of a body, or take of an answer, each second on average; after `body_s` or
        `write_s` at a lower rate the connection is closed.
    connections : int
        Open connections of all processes together.
    connections_per_address : int
        Open connections of one address to a process.
    header_kib : int
        Size of a request line with its headers.
    memory_mib : int
        Bodies and cutouts that all requests may have in memory, in all processes together; one request alone may have
        more.
    requests_per_s, bytes_per_s : float or None
        Rates of a caller, by token, or by address without one: requests, and bytes of bodies and answers; None if they
        are not limited.
    burst_s : float
        Time in s whose requests and bytes a caller may use at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    header_s: Seconds = 20
    body_s: Seconds = 30
    write_s: Seconds = 30
    idle_s: Seconds = 60
    least_bytes_per_s: Count = 1024
    connections: Count = 2000
    connections_per_address: Count = 1000
    header_kib: Count = 64
    memory_mib: Count = 1024
    requests_per_s: Rate | None = None
    bytes_per_s: Rate | None = None
    burst_s: Seconds = 10

    def shared_by(self, processes: int) -> Limits:
        """Return the limits of one of several processes."""
        return self.model_copy(update={"memory_mib": max(1, self.memory_mib // processes)})

    @property
    def has_rates(self) -> bool:
        """Whether requests or bytes are limited."""
        return self.requests_per_s is not None or self.bytes_per_s is not None


DEFAULT_LIMITS = Limits()
"""Limits of a relay whose configuration has none."""
