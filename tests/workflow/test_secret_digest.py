"""The key by which digests of secrets are made."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from voxome.errors import StoreError
from voxome.workflow.secret_digest import secret_digest


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_digests_are_those_of_one_key_that_others_cannot_read(state: Path) -> None:
    first = secret_digest("abc")
    assert first == secret_digest("abc") != secret_digest("abd")
    [key] = state.iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    assert secret_digest("abc") != first


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_key_that_could_be_guessed_is_refused(state: Path, content: bytes) -> None:
    state.mkdir()
    (state / "secrets.key").write_bytes(content)
    with pytest.raises(StoreError, match=r"secrets\.key has . bytes; expected a random key of 32; remove it"):
        secret_digest("abc")


@pytest.mark.parametrize("function", ["fsync", "link"])
def test_a_disk_that_takes_no_key_is_an_error(state: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(StoreError, match=r"cannot write .*secrets\.key: No space left on device"):
        secret_digest("abc")
    assert not list(state.iterdir())
