"""Servers, and a client with a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from relay.dialects.boss.client import Client
from standins.boss import Boss, serving


@pytest.fixture(scope="module")
def boss() -> Iterator[Boss]:
    """A server for the tests of one module."""
    with serving(largest_cutout_bytes=2**20) as one:
        yield one


@pytest.fixture(scope="module")
def admin(boss: Boss) -> Iterator[Client]:
    """The admin of a server with a project, the image `raw` and the annotation `seg`."""
    with closing(Client(boss.url, boss.token)) as client:
        client.project()
        client.channel("raw")
        client.channel("seg", "uint64", sources=["raw"])
        yield client


@pytest.fixture
def fresh() -> Iterator[Boss]:
    """A server for one test."""
    with serving() as one:
        yield one


@pytest.fixture
def caller(fresh: Boss) -> Iterator[Callable[[str | None], Client]]:
    """Return a client of `fresh` by its token; anonymous if None."""
    with ExitStack() as stack:
        yield lambda token: stack.enter_context(closing(Client(fresh.url, token)))


@pytest.fixture
def client(fresh: Boss, caller: Callable[[str | None], Client]) -> Client:
    """The admin of `fresh`."""
    return caller(fresh.token)
