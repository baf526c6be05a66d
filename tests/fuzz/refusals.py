"""Which errors of a damaged input are a refusal, and which are a fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refusing(errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Let an input be refused by one of these errors, but not for a lack of memory, whatever error that has become."""
    try:
        yield
    except errors as error:
        if lacks_memory(error):
            raise


def lacks_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, is a lack of memory."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error is not None
