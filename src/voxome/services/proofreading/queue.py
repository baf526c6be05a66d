"""Queue of suggested edits of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_number
from voxome.errors import UnknownName
from voxome.services.proofreading.arguments import require_ids
from voxome.services.proofreading.operations import Operation
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
            Arguments of the method of that name, JSON values.

        Returns
        -------
        int
            Its number.

        Raises
        ------
        UnknownName
            If there is no such action.
        """
        if action not in _ACTIONS:
            raise UnknownName.of("action", action, _ACTIONS)
        require_number("score", score)
        for name in ("ids", "supervoxels"):
            if name in arguments:
                arguments[name] = require_ids(name, arguments[name])
        session = self._session
        database = session.store.database
        with database.writing() as connection:
            now = database.now_s(connection)
            return add_suggestion(connection, session.branch, action, arguments, score, session.author, now)

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
        require_number("seconds", seconds)
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
