"""Tokens and passwords, which a relay stores only as hashes."""

from __future__ import annotations

import hashlib
import os
import secrets

_COST = {"n": 2**14, "r": 8, "p": 1}


def new_token() -> str:
    """Return a token of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Return the SHA-256 of a token, the form in which it is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Return the scrypt hash (RFC 7914) of a password with a fresh salt: ``salt$hash``."""
    salt = os.urandom(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_COST).hex()}"
