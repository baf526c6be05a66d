"""A relay that is killed at any point loses no write that it has confirmed, and tears none."""

from __future__ import annotations

from pathlib import Path

import pytest
from relay.writes import stress

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by /proc"),
]


def test_a_relay_that_is_killed_loses_no_confirmed_write(tmp_path: Path) -> None:
    outcome = stress.run(tmp_path, kills=10)
    assert outcome.wrong == []
    assert outcome.kills.count("relay") == outcome.kills.count("process") == 5
    assert outcome.confirmed > 50
    assert outcome.reads > 50
    assert outcome.unconfirmed > 0
