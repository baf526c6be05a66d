"""Queue of suggested edits of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast, get_args

from voxome.calls import call_problem, explain_calls
from voxome.errors import UnknownName
from voxome.geometry import Box
from voxome.services.proofreading.arguments import (
    require_finite,
    require_id,
    require_ids,
    require_points,
    require_version,
)
from voxome.services.proofreading.operations import Operation
from voxome.services.proofreading.split import Way
from voxome.services.proofreading.statuses import Status
from voxome.services.proofreading.suggestions import (
    Suggestion,
    add_suggestion,
    claim_suggestion,
    decide,
    read_suggestions,
    require_open,
)

if TYPE_CHECKING:
    from voxome.services.proofreading.session import Session

_ACTIONS = ("merge", "cleave", "split")


def _ids(name: str, value: Any, _: Box) -> list[int]:
    return require_ids(name, value)


def _id(name: str, value: Any, _: Box) -> int:
    return require_id(name, value)


def _points(name: str, value: Any, domain: Box) -> list[list[int]]:
    points: list[list[int]] = require_points(name, value, domain).tolist()
    return points


def _way(name: str, value: Any, _: Box) -> Way:
    if value not in get_args(Way):
        raise UnknownName.of(name, str(value), get_args(Way))
    return cast("Way", value)


_JSON_VALUES: Mapping[str, Callable[[str, Any, Box], Any]] = {
    "ids": _ids,
    "id": _id,
    "supervoxels": _ids,
    "points_a": _points,
    "points_b": _points,
    "way": _way,
    "box": lambda _, value, domain: str(Box.of(value, domain)),
    "version": lambda _, value, domain: require_version(value),
}
"""Argument of an edit → function that returns its value for JSON."""


class SuggestionQueue:
    """Suggested edits, those with the highest scores first; each is looked at by one session at a time.

    Parameters
    ----------
    session : Session
        Who suggests and decides.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @explain_calls
    def add(self, action: str, *, score: float = 0.0, **arguments: Any) -> int:
        """Suggest an edit.

        Parameters
        ----------
        action : {"merge", "cleave", "split"}
            What to do.
        score : float
            The higher, the earlier it is looked at.
        **arguments
            Arguments of the method of that name.

        Returns
        -------
        int
            Its number.

        Raises
        ------
        UnknownName
            If there is no such action.
        InvalidInput
            If the method does not have such arguments, or lacks some, or the score is not finite. What is in the
            segments is checked on `accept`.
        NotFound
            If a segment or supervoxel does not exist now.
        """
        if action not in _ACTIONS:
            raise UnknownName.of("action", action, _ACTIONS)
        number = require_finite("score", score)
        session = self._session
        problem = call_problem(getattr(type(session), action), [session], arguments)
        if problem is not None:
            raise problem
        domain, database = session.store.domain, session.store.database
        values = {
            name: _JSON_VALUES[name](name, value, domain) for name, value in arguments.items() if value is not None
        }
        session.require_known(values)
        with database.writing() as connection:
            now = database.now_s(connection)
            return add_suggestion(connection, session.branch, action, values, number, session.author, now)

    @explain_calls
    def list(self, status: Status | None = "open") -> list[Suggestion]:
        """Return the suggestions of a status; of all if None."""
        if status not in (None, *get_args(Status)):
            raise UnknownName.of("status", str(status), get_args(Status))
        with self._session.store.database.reading() as connection:
            return read_suggestions(connection, self._session.branch, status)

    @explain_calls
    def next(self, *, seconds: float = 300) -> Suggestion | None:
        """Return the next open suggestion, which other sessions do not get for some time; None if there is none.

        Parameters
        ----------
        seconds : float
            When others get it although it is not decided.
        """
        session, database = self._session, self._session.store.database
        require_finite("seconds", seconds)
        with database.writing() as connection:
            return claim_suggestion(connection, session.branch, session.token, database.now_s(connection), seconds)

    @explain_calls
    def accept(self, number: int) -> Operation:
        """Make a suggested edit; the suggestion is accepted in the same transaction.

        Raises
        ------
        NotFound
            If it does not exist.
        EditConflict
            If it is decided, another session looks at it, or the edit is a conflict.
        InvalidInput
            If the edit cannot be made.
        """
        session, database = self._session, self._session.store.database
        with database.reading() as connection:
            now = database.now_s(connection)
            suggestion = require_open(connection, session.branch, number, session.token, now)
        edit: Callable[..., Operation] = getattr(session, suggestion.action)
        with session.accepting(number):
            return edit(**suggestion.arguments)

    @explain_calls
    def reject(self, number: int) -> None:
        """Reject a suggestion; the errors are those of `accept`."""
        session, database = self._session, self._session.store.database
        with database.writing() as connection:
            now = database.now_s(connection)
            require_open(connection, session.branch, number, session.token, now)
            decide(connection, number, "rejected", session.author, None)
