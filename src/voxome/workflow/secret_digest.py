"""Digests of secrets, which only the user who has made them could make again."""

from __future__ import annotations

import hmac
import os
from contextlib import suppress
from pathlib import Path

from voxome.config.folders import state_folder
from voxome.errors import StoreError
from voxome.storage.atomic import storing
from voxome.storage.temporary_names import part_path

_KEY_BYTES = 32
_KEY_FILE = "secrets.key"


def secret_digest(value: str) -> str:
    """Return a digest of a secret, by a random key of this user: guesses cannot be tried without it.

    Raises
    ------
    StoreError
        If the key cannot be written or read, or is damaged.
    """
    return f"secret:{hmac.digest(_own_key(state_folder() / _KEY_FILE), value.encode(), 'sha256').hex()}"


def _own_key(path: Path) -> bytes:
    """Return the random key of this user, which is created with the first secret."""
    with storing(path):
        if not path.exists():
            _create_key(path)
        key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise StoreError(
            f"{path} has {len(key)} bytes; expected a random key of {_KEY_BYTES}; remove it, and "
            "steps with secrets will run again"
        )
    return key


def _create_key(path: Path) -> None:
    """Create a file of random bytes, complete or not at all, unless another process does so first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = part_path(path)
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
