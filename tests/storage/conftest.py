"""Faulty proxies of an S3 server, for the tests of storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from standins.faulty_proxy import FaultyProxy

from voxome.storage import tensorstore


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make retries few and quick, and take a second of silence for a stall, also if some bytes have arrived before."""
    monkeypatch.setenv("VOXOME_STALL_S", "1")
    monkeypatch.setenv("TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES", "10000")
    monkeypatch.setenv("VOXOME_RETRIES", "3")
    monkeypatch.setattr(tensorstore, "_SHARED", {})
    monkeypatch.setattr(tensorstore, "_DELAYS", {"initial_delay": "1ms", "max_delay": "10ms"})


@pytest.fixture
def proxy(s3_url: str, impatient: None) -> Iterator[FaultyProxy]:
    """A proxy of the S3 server with scripted faults."""
    with FaultyProxy(s3_url) as found:
        yield found
