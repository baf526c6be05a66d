"""Failures of stores in the log of a relay: each once with its traceback, then in one line."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from threading import Lock

from voxome.redaction import redact
from voxome.relay.source_errors import SourceUnavailable

_AGAIN_S = 600.0
"""Time after which a failure that has not occurred is logged with its traceback again."""
_MOST = 256
"""Failures that are remembered, the latest."""


def cause_of(error: BaseException) -> BaseException:
    """Return the error of a store for which clients get a `SourceUnavailable`, which has no addresses."""
    while isinstance(error, SourceUnavailable) and error.__cause__ is not None:
        error = error.__cause__
    return error


def describe_cause(error: BaseException) -> str:
    """Return what went wrong, for the log and operators, without secrets."""
    cause = cause_of(error)
    return redact(str(cause)) or type(cause).__name__


class FailureLog:
    """Logs failures: with a traceback, unless the same one has occurred a while ago.

    Parameters
    ----------
    log : logging.Logger
        Where they are logged.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._lock = log, Lock()
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def add(self, request: str, error: Exception, *, is_known: bool) -> None:
        """Log why a request failed.

        Parameters
        ----------
        request : str
            Method and path.
        error : Exception
            Why it failed.
        is_known : bool
            Whether the error says what is wrong, as that of a store that is away; any other always has a traceback.
        """
        if is_known and self._is_repeated((str(error), type(cause_of(error)).__name__)):
            self._log.error("%s failed again: %s", request, describe_cause(error))
            return
        self._log.error("%s failed", request, exc_info=error)

    def _is_repeated(self, failure: tuple[str, str]) -> bool:
        now = time.monotonic()
        with self._lock:
            before = self._seen.pop(failure, None)
            self._seen[failure] = now
            if len(self._seen) > _MOST:
                self._seen.popitem(last=False)
        return before is not None and now - before < _AGAIN_S
