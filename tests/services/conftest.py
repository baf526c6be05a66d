"""Transfers keep their progress in a folder of the test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one chunk of 16^3 bytes."""
    monkeypatch.setenv("VOXOME_TRANSFER_BLOCK_BYTES", str(16**3))
