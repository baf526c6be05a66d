"""Hashes of tokens and passwords."""

from __future__ import annotations

import hashlib

import pytest

from voxome.relay.accounts import Token
from voxome.relay.dialects.boss.records import Profile
from voxome.relay.secrets import digest, hash_password, new_token


def test_tokens_differ_and_their_digests_do_not_show_them() -> None:
    one, other = new_token(), new_token()
    assert one != other
    assert len(one) >= 43
    assert digest(one) == digest(one) != digest(other)
    assert one not in digest(one)


@pytest.mark.slow
def test_a_password_is_salted() -> None:
    one, other = hash_password("secret"), hash_password("secret")
    assert one != other
    assert "secret" not in one
    salt, hashed = one.split("$")
    assert hashlib.scrypt(b"secret", salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex() == hashed


def test_hashes_are_not_shown() -> None:
    assert "hash" not in repr(Profile(user="u", password="hash"))
    assert "abc" not in repr(Token(digest="abc", user="u"))
