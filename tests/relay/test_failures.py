from __future__ import annotations

import logging

import pytest

from voxome.errors import StoreError
from voxome.relay.failures import FailureLog, describe_cause
from voxome.relay.source_errors import SourceUnavailable, open_errors

LOG = logging.getLogger("voxome.test_failures")


def fail(name: str) -> None:
    with open_errors(name):
        try:
            raise ConnectionError("[Errno 111]")
        except OSError as error:
            raise StoreError("cannot reach https://me:secret@host/em") from error


def away(name: str = "em") -> SourceUnavailable:
    with pytest.raises(SourceUnavailable) as raised:
        fail(name)
    return raised.value


def test_the_cause_is_what_the_store_says_without_secrets() -> None:
    assert describe_cause(away()) == "cannot reach https://host/em"
    assert describe_cause(SourceUnavailable("the queue is full")) == "the queue is full"
    assert describe_cause(ZeroDivisionError()) == "ZeroDivisionError"


def test_a_store_that_stays_away_has_one_traceback_and_then_one_line_a_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = FailureLog(LOG)
    for _ in range(3):
        failures.add("GET /raw/em", away(), is_known=True)
    failures.add("GET /raw/other", away("other"), is_known=True)
    assert [bool(one.exc_info) for one in caplog.records] == [True, False, False, True]
    assert caplog.records[1].message == "GET /raw/em failed again: cannot reach https://host/em"


def test_a_fault_of_ours_always_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    failures = FailureLog(LOG)
    for _ in range(2):
        failures.add("GET /raw/em", ZeroDivisionError("x"), is_known=False)
    assert all(one.exc_info for one in caplog.records)
