"""Errors of stores as those of sources."""

from __future__ import annotations

import pytest

from voxome.errors import InvalidBox, InvalidInput, NotFound, RelayLoop, StoreError
from voxome.relay.source_errors import (
    SourceLoop,
    SourceUnavailable,
    StorageFull,
    journal_errors,
    open_errors,
    store_errors,
)
from voxome.relay.writes.journal import JournalFull


@pytest.mark.parametrize("error", [InvalidInput, NotFound, StoreError, OSError])
def test_a_caller_is_not_blamed_for_a_source_that_does_not_open(error: type[Exception]) -> None:
    with pytest.raises(SourceUnavailable, match="the source em cannot be opened") as raised, open_errors("em"):
        raise error("/secret")
    assert "secret" not in str(raised.value)
    assert isinstance(raised.value.__cause__, error)


def test_a_box_that_the_store_refuses_is_an_error_of_the_caller() -> None:
    with pytest.raises(InvalidInput, match="cannot be written in this box") as raised, store_errors("em", "written"):
        raise InvalidBox("/secret")
    assert "secret" not in str(raised.value)


def test_a_loop_of_relays_has_an_error_of_its_own() -> None:
    with pytest.raises(SourceLoop, match="em leads back"), store_errors("em", "read"):
        raise RelayLoop("http://secret")


@pytest.mark.parametrize(("error", "expected"), [(JournalFull, StorageFull), (StoreError, SourceUnavailable)])
def test_writes_that_the_journal_cannot_keep_are_refused(error: type[Exception], expected: type[Exception]) -> None:
    with pytest.raises(expected, match="em") as raised, journal_errors("em"):
        raise error("/secret")
    assert type(raised.value) is expected
    assert "secret" not in str(raised.value)


def test_errors_of_sources_pass_the_journal_as_they_are() -> None:
    error = SourceLoop("the source em leads back")
    with pytest.raises(SourceLoop) as raised, journal_errors("em"):
        raise error
    assert raised.value is error
