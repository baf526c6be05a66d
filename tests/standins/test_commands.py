"""The stand-in servers are commands too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent
TOKEN = "only-for-tests"


@contextmanager
def _started(module: str) -> Iterator[str]:
    """Start ``python -m MODULE`` on a free port; yield the URL that it prints."""
    command = [sys.executable, "-m", module, "--port", "0", "--admin-token", TOKEN]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def test_the_boss_is_a_command() -> None:
    with _started("standins.boss") as url:
        refused = httpx.post(f"{url}/v1/collection/one", json={})
        created = httpx.post(f"{url}/v1/collection/one", json={}, headers={"Authorization": f"Token {TOKEN}"})
        assert (refused.is_success, created.is_success) == (False, True), (refused, created)


def test_dvid_is_a_command() -> None:
    with _started("standins.dvid") as url:
        refused = httpx.post(f"{url}/api/repos", json={})
        assert httpx.get(f"{url}/api/repos/info").json() == {}
        created = httpx.post(f"{url}/api/repos", params={"admintoken": TOKEN}, json={"alias": "one"})
        assert (refused.is_success, created.is_success) == (False, True)
