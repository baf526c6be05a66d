"""Hostile requests on every dialect; ``make fuzz-relay`` sends many more."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from peers.requirement import unavailable
from relay.fuzz import described
from relay.fuzz.generator import attempt
from relay.fuzz.run import fuzz
from relay.fuzz.target import running

from voxome.blocks.memory import peak_bytes, reset_peak


def test_attempts_are_the_same_for_a_seed() -> None:
    first, second = random.Random(3), random.Random(3)
    assert [attempt(first) for _ in range(200)] == [attempt(second) for _ in range(200)]


@pytest.mark.slow
def test_hostile_requests_cause_no_internal_error_and_gain_no_access(tmp_path: Path) -> None:
    reset_peak()
    before = peak_bytes()
    with running(tmp_path) as target:
        found = fuzz(target, seed=1, count=2000)
    assert found.faults == []
    assert found.statuses[200] > 100
    assert sum(found.statuses.values()) == 2000
    assert peak_bytes() - before < 2**30


@pytest.mark.slow
def test_the_api_answers_as_its_openapi_document_says() -> None:
    if not described.PROGRAM.exists():
        unavailable("Schemathesis is not installed: run `make .venv/fuzz/ready`")
    ran = described.check(examples=20, seed=1)
    assert ran.returncode == 0, ran.stdout[-5000:]
