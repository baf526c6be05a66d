"""Errors of sources: those of their stores, without addresses, which are for the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from voxome.errors import InvalidInput, RelayLoop, StoreError, VoxomeError
from voxome.relay.memory import MemoryExhausted, hold
from voxome.relay.virtual.planned import ToolFailed
from voxome.relay.writes.journal import JournalFull

_LOG = logging.getLogger(__name__)


class SourceUnavailable(StoreError):
    """The store behind a source fails."""


class StorageFull(SourceUnavailable):
    """A write cannot be made durable: the journal of writes is full, or its disk fails."""


class CatalogueUnavailable(SourceUnavailable):
    """The catalogue cannot be read or written."""


class SourceLoop(SourceUnavailable):
    """A source leads back to this relay."""


@contextmanager
def open_errors(name: str) -> Iterator[None]:
    """Turn every error into one of the server: a caller cannot do anything about a source that does not open."""
    try:
        yield
    except (VoxomeError, OSError) as error:
        raise _failure(name, "opened", error) from error


@contextmanager
def store_errors(name: str, action: str) -> Iterator[None]:
    """Keep the caller's errors apart from those of the store, and addresses out of both."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"the source {name} cannot be {action} in this box; request another box") from error
    except (VoxomeError, OSError) as error:
        raise _failure(name, action, error) from error


@contextmanager
def journal_errors(name: str) -> Iterator[None]:
    """Turn errors of the journal of writes into those of the source."""
    try:
        yield
    except JournalFull as error:
        _LOG.warning("a write to %s was refused: %s", name, error)
        raise StorageFull(f"the relay has no room for another write to {name}; repeat it later") from error
    except StoreError as error:
        if isinstance(error, SourceUnavailable):
            raise
        raise _failure(name, "written", error) from error


def to_clients(error: Exception) -> Exception:
    """Return an error as clients see it: that of a store which was not named may have its address."""
    if isinstance(error, StoreError) and not isinstance(error, SourceUnavailable):
        return SourceUnavailable("a store failed; see the log of the server, and repeat the request later")
    return error


def hold_memory(nbytes: int) -> None:
    """Count memory that the request needs which is being answered; see `MemoryBudget`.

    Raises
    ------
    SourceUnavailable
        If other requests leave too little.
    """
    try:
        hold(nbytes)
    except MemoryExhausted as error:
        raise SourceUnavailable(str(error)) from error


def _failure(name: str, action: str, error: Exception) -> SourceUnavailable:
    if isinstance(error, RelayLoop):
        return SourceLoop(f"the source {name} leads back to a relay that reads from it; check the URIs of its sources")
    what = f"computed: {error.reason}" if isinstance(error, ToolFailed) else action
    return SourceUnavailable(f"the source {name} cannot be {what}; see the log of the server")
