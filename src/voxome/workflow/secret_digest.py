"""Digests of secrets, which only the user who has made them could make again."""

from __future__ import annotations

import hmac
import os
from contextlib import suppress
from pathlib import Path

from voxome.config.folders import state_folder

_KEY_BYTES = 32
_KEY_FILE = "secrets.key"


def secret_digest(value: str) -> str:
    """Return a digest of a secret, by a random key of this user: guesses cannot be tried without it."""
    return f"secret:{hmac.digest(_own_key(state_folder() / _KEY_FILE), value.encode(), 'sha256').hex()}"


def _own_key(path: Path) -> bytes:
    """Return the random key of this user, which is created with the first secret."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        partial = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
        partial.touch(mode=0o600)
        partial.write_bytes(os.urandom(_KEY_BYTES))
        try:
            os.link(partial, path)  # complete, or not at all, whoever else does the same
        finally:
            partial.unlink()
    return path.read_bytes()
