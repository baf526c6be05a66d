"""Tokens are made, listed and revoked; what they are is stored nowhere."""

from __future__ import annotations

import time

import pytest

from voxome.errors import AccessDenied, InvalidInput, NotFound
from voxome.relay.accounts import Accounts, Token
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.secrets import digest
from voxome.relay.tokens import create_token, list_tokens, revoke_token


def test_a_token_identifies_its_user_until_it_is_revoked() -> None:
    catalogue = MemoryCatalogue()
    accounts = Accounts(catalogue)
    first = create_token(catalogue, "bob", groups=["lab"])
    second = create_token(catalogue, "bob", groups=["lab", "other"])
    assert accounts.caller(f"Bearer {first}").groups == {"public", "lab", "other"}
    assert [one.user for one in list_tokens(catalogue)] == ["bob", "bob"]
    revoke_token(catalogue, digest(first)[:12])
    with pytest.raises(AccessDenied):
        accounts.caller(f"Bearer {first}")
    assert accounts.caller(f"Bearer {second}").name == "bob"
    revoke_token(catalogue, second)
    with pytest.raises(NotFound, match="token list"):
        revoke_token(catalogue, second)


def test_an_expired_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue, now = MemoryCatalogue(), time.time()
    token = create_token(catalogue, "bob", lifetime_s=60)
    assert Accounts(catalogue).caller(f"Token {token}").name == "bob"
    monkeypatch.setattr(time, "time", lambda: now + 120)
    with pytest.raises(AccessDenied, match="expired"):
        Accounts(catalogue).caller(f"Token {token}")


def test_an_id_must_name_one_token() -> None:
    catalogue = MemoryCatalogue()
    catalogue.write(add=[Token(digest="ab1", user="a"), Token(digest="ab2", user="b")])
    with pytest.raises(InvalidInput, match="2 tokens"):
        revoke_token(catalogue, "ab")
    with pytest.raises(NotFound):
        revoke_token(catalogue, "")
    assert revoke_token(catalogue, "ab1").user == "a"


@pytest.mark.parametrize("name", ["", "public", "../x", "a/b", "a b", "a" * 256])
def test_names_without_a_user_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="choose another"):
        create_token(MemoryCatalogue(), name)
