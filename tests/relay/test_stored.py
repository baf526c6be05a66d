"""Answers that are stored files: what they hold in memory, and files that change."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from voxome.contracts.stored_files import StoredPart
from voxome.errors import InvalidBox
from voxome.relay.memory import MemoryBudget
from voxome.relay.request_errors import TooLarge
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.stored import stored_response

MIB = 2**20
CONTENT = bytes(6 * MIB)


class File:
    """A file, and the largest number of bytes that were read of it at once."""

    def __init__(self, *, known: bool) -> None:
        self.known, self.most = known, 0

    def read(self, start: int | None, stop: int | None) -> StoredPart:
        if max(start or 0, stop or 0) > len(CONTENT):
            raise InvalidBox("the file is shorter")
        part = CONTENT[start:stop]
        self.most = max(self.most, len(part))
        return StoredPart(part, "state", len(CONTENT) if self.known else None)


def answer(file: File, most_bytes: int, **headers: str) -> Response:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "GET", "headers": pairs, "path": "/", "query_string": b""})
    response = stored_response(
        request, file.read, media_type="x/y", public=True, immutable=False, most_bytes=most_bytes
    )
    assert response is not None
    return response


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-"}])
@pytest.mark.parametrize("known", [True, False])
def test_what_is_read_counts_as_memory_before(known: bool, headers: dict[str, str]) -> None:
    budget, file = MemoryBudget(8 * MIB), File(known=known)
    with budget.request():
        assert len(answer(file, 100 * MIB, **headers).body) == len(CONTENT)
        file.most = 0
        with budget.request(), pytest.raises(SourceUnavailable):
            answer(file, 100 * MIB, **headers)
        assert file.most <= 1


@pytest.mark.parametrize("known", [True, False])
def test_files_that_are_too_large_are_refused_before_they_are_read(known: bool) -> None:
    file = File(known=known)
    with pytest.raises(TooLarge):
        answer(file, 5 * MIB)
    assert file.most <= 1
    assert len(answer(file, 6 * MIB).body) == len(CONTENT)


def test_a_file_that_is_replaced_while_it_is_read_is_not_missing() -> None:
    states = iter("ab")

    class Replaced(File):
        def read(self, start: int | None, stop: int | None) -> StoredPart:
            return StoredPart(CONTENT[start:stop], next(states), len(CONTENT))

    with pytest.raises(SourceUnavailable, match="replaced"):
        answer(Replaced(known=True), 100 * MIB)
