"""Queue of suggested edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from voxome.errors import EditConflict, NotFound
from voxome.services.proofreading.statuses import Status
from voxome.services.proofreading.tables import SUGGESTIONS


@dataclass(frozen=True)
class Suggestion:
    """A suggested edit.

    Attributes
    ----------
    number : int
        Identifies it.
    branch : str
        Branch that it is for.
    action : str
        ``merge``, ``cleave`` or ``split``.
    arguments : mapping
        Arguments of the edit, JSON values.
    score : float
        The higher, the earlier it is looked at.
    status : {"open", "accepted", "rejected"}
        What has become of it.
    operation : int or None
        The edit, if it was accepted.
    author, decided_by : str and str or None
        Who has suggested it, and who has decided.
    """

    number: int
    branch: str
    action: str
    arguments: Mapping[str, Any]
    score: float
    status: Status
    operation: int | None
    author: str
    decided_by: str | None


def add_suggestion(
    connection: sa.Connection,
    branch: str,
    action: str,
    arguments: Mapping[str, Any],
    score: float,
    author: str,
    now_s: float,
) -> int:
    """Add a suggestion and return its number."""
    number: int = connection.execute(sa.select(sa.func.coalesce(sa.func.max(SUGGESTIONS.c.number), 0))).scalar_one() + 1
    row = {"number": number, "branch": branch, "action": action, "arguments": dict(arguments), "score": score}
    connection.execute(SUGGESTIONS.insert(), {**row, "status": "open", "author": author, "time_s": now_s})
    return number


def read_suggestions(connection: sa.Connection, branch: str, status: Status | None) -> list[Suggestion]:
    """Return the suggestions for a branch, those with the highest scores first."""
    query = sa.select(SUGGESTIONS).where(SUGGESTIONS.c.branch == branch)
    if status is not None:
        query = query.where(SUGGESTIONS.c.status == status)
    rows = connection.execute(query.order_by(SUGGESTIONS.c.score.desc(), SUGGESTIONS.c.number))
    return [_suggestion(row) for row in rows]


def claim_suggestion(
    connection: sa.Connection, branch: str, session: str, now_s: float, seconds: float
) -> Suggestion | None:
    """Return the open suggestion with the highest score that no other session looks at; None if there is none."""
    free = sa.or_(SUGGESTIONS.c.until_s.is_(None), SUGGESTIONS.c.until_s <= now_s, SUGGESTIONS.c.session == session)
    query = sa.select(SUGGESTIONS).where(SUGGESTIONS.c.branch == branch, SUGGESTIONS.c.status == "open", free)
    row = connection.execute(query.order_by(SUGGESTIONS.c.score.desc(), SUGGESTIONS.c.number).limit(1)).one_or_none()
    if row is None:
        return None
    change = SUGGESTIONS.update().where(SUGGESTIONS.c.number == row.number)
    connection.execute(change.values(session=session, until_s=now_s + seconds))
    return _suggestion(row)


def require_open(connection: sa.Connection, branch: str, number: int, session: str, now_s: float) -> Suggestion:
    """Return an open suggestion.

    Raises
    ------
    NotFound
        If it does not exist.
    EditConflict
        If it is decided, or another session looks at it.
    """
    query = sa.select(SUGGESTIONS).where(SUGGESTIONS.c.number == number, SUGGESTIONS.c.branch == branch)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no suggestion {number} for the branch {branch!r}")
    if row.status != "open":
        raise EditConflict(f"suggestion {number} was {row.status} by {row.decided_by}")
    if row.session not in (None, session) and row.until_s > now_s:
        raise EditConflict(f"another session looks at suggestion {number}; take the next one")
    return _suggestion(row)


def decide(connection: sa.Connection, number: int, status: Status, author: str, operation: int | None) -> None:
    """Write what has become of a suggestion."""
    change = SUGGESTIONS.update().where(SUGGESTIONS.c.number == number)
    connection.execute(change.values(status=status, decided_by=author, operation=operation))


def _suggestion(row: sa.Row[Any]) -> Suggestion:
    names = Suggestion.__dataclass_fields__
    return Suggestion(**{name: row._mapping[name] for name in names})
