"""Locks of segments, which end by themselves if their session does not release them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from voxome.errors import EditConflict
from voxome.services.proofreading.tables import LEASES


@dataclass(frozen=True)
class Lease:
    """Who locks segments, and on which branch."""

    branch: str
    session: str
    author: str


def take_lease(connection: sa.Connection, lease: Lease, segments: Sequence[int], now_s: float, seconds: float) -> None:
    """Lock segments, or lock them for longer, never for shorter.

    Raises
    ------
    EditConflict
        If another session has locked one.
    """
    require_free(connection, lease.branch, lease.session, segments, now_s)
    connection.execute(LEASES.delete().where(LEASES.c.until_s <= now_s))
    held = _ends(connection, lease)
    _delete(connection, lease, segments)
    ends = {one: max(now_s + seconds, held.get(one, 0)) for one in segments}
    connection.execute(LEASES.insert(), [{**vars(lease), "segment": one, "until_s": end} for one, end in ends.items()])


def release_lease(connection: sa.Connection, lease: Lease, segments: Sequence[int], now_s: float) -> list[int]:
    """Unlock segments that a session has locked, and return those whose lock had ended before."""
    held = _ends(connection, lease)
    _delete(connection, lease, segments)
    return [one for one in segments if held.get(one, 0) <= now_s]


def require_free(connection: sa.Connection, branch: str, session: str, segments: Iterable[int], now_s: float) -> None:
    """Raise if another session has locked one of `segments`.

    Raises
    ------
    EditConflict
    """
    query = sa.select(LEASES).where(LEASES.c.branch == branch, LEASES.c.session != session, LEASES.c.until_s > now_s)
    locked = {row.segment: row for row in connection.execute(query)}
    for segment in segments if locked else ():
        if segment in locked:
            row = locked[segment]
            until = datetime.fromtimestamp(row.until_s, UTC).isoformat(timespec="seconds")
            raise EditConflict(
                f"segment {segment} is locked by {row.author}, until {until} at the latest; repeat the edit then"
            )


def _ends(connection: sa.Connection, lease: Lease) -> dict[int, float]:
    """Return the segments that a session has locked, and when each lock ends."""
    query = sa.select(LEASES).where(LEASES.c.branch == lease.branch, LEASES.c.session == lease.session)
    return {row.segment: row.until_s for row in connection.execute(query)}


def _delete(connection: sa.Connection, lease: Lease, segments: Sequence[int]) -> None:
    for segment in segments:
        connection.execute(
            LEASES.delete().where(
                LEASES.c.branch == lease.branch, LEASES.c.session == lease.session, LEASES.c.segment == segment
            )
        )
