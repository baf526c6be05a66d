"""Callers by their tokens."""

from __future__ import annotations

import pytest

from voxome.errors import AccessDenied
from voxome.relay.accounts import Accounts, Caller, Membership, Token, User
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.secrets import digest


@pytest.fixture
def accounts() -> Accounts:
    """Accounts of the admin root, and of bob, who is in the group lab."""
    catalogue = MemoryCatalogue()
    bob = [
        User(name="bob"),
        Token(digest=digest("bobs"), user="bob"),
        Membership(group="lab", user="bob", rank="member"),
    ]
    catalogue.write(add=bob)
    return Accounts(catalogue, {digest("roots"): "root"})


def test_callers_are_identified_by_their_tokens(accounts: Accounts) -> None:
    bob = accounts.caller("Token bobs")
    assert bob == accounts.caller("bearer  bobs ") == Caller("bob", groups=frozenset({"lab", "public"}))
    assert not bob.is_admin
    root = accounts.caller("Token roots")
    assert (root.name, root.is_admin) == ("root", True)


@pytest.mark.parametrize("header", ["", "Token public"])
def test_callers_without_a_token_are_anonymous(accounts: Accounts, header: str) -> None:
    assert accounts.caller(header) == Caller("", frozenset({"public"}))


@pytest.mark.parametrize("header", ["Token", "Token ", "bobs", "Basic bobs", "Token wrong", "Token " + digest("bobs")])
def test_unknown_tokens_and_malformed_headers_are_refused(accounts: Accounts, header: str) -> None:
    with pytest.raises(AccessDenied) as raised:
        accounts.caller(header)
    assert "wrong" not in str(raised.value)


def test_members_of_the_admin_group_are_admins(accounts: Accounts) -> None:
    assert not accounts.user("bob").is_admin
    accounts.catalogue.write(add=[Membership(group="admin", user="bob", rank="member")])
    assert accounts.user("bob").is_admin


def test_a_deleted_token_is_refused(accounts: Accounts) -> None:
    accounts.catalogue.write(remove=[Token(digest=digest("bobs"), user="bob")])
    with pytest.raises(AccessDenied):
        accounts.caller("Token bobs")


def test_no_secret_is_printed(accounts: Accounts) -> None:
    assert digest("roots") not in repr(accounts)
