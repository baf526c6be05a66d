"""What the sessions of browsers lend to viewers of other origins."""

from __future__ import annotations

import time

import pytest

from voxome.errors import AccessDenied
from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.sessions import LIFETIME_S, BrowserSession, ViewerToken, begin_session, header_caller, lend_session

VIEWER = "https://viewer.example"
ADMIN = Membership(group="admin", user="ann", rank="member")


@pytest.fixture
def accounts() -> Accounts:
    """Accounts of ann, who is in the group lab, and of root, whose token is in no catalogue."""
    catalogue = MemoryCatalogue()
    ann = Membership(group="lab", user="ann", rank="member")
    catalogue.write(add=[User(name="ann"), Token(digest=digest("anns"), user="ann"), ann])
    return Accounts(catalogue, {digest("roots"): "root"})


def lend(accounts: Accounts, token: str = "anns") -> str:
    return lend_session(accounts, begin_session(accounts, token)[0], VIEWER)


def test_the_rights_of_no_admin_are_lent(accounts: Accounts) -> None:
    with pytest.raises(AccessDenied, match="admin"):
        lend(accounts, "roots")
    accounts.catalogue.write(add=[ADMIN])
    with pytest.raises(AccessDenied, match="admin"):
        lend(accounts)


def test_what_was_lent_ends_when_its_user_becomes_an_admin(accounts: Accounts) -> None:
    lent = lend(accounts)
    assert header_caller(accounts, f"Bearer {lent}", "GET").name == "ann"
    accounts.catalogue.write(add=[ADMIN])
    with pytest.raises(AccessDenied, match="admin"):
        header_caller(accounts, f"Bearer {lent}", "GET")


def test_who_has_a_lent_token_only_reads_whatever_the_method(accounts: Accounts) -> None:
    caller = header_caller(accounts, f"Bearer {lend(accounts)}", "GET")
    rights = Rights(frozenset({"lab"}), frozenset({"lab"}))
    assert rights.may_read(caller)
    assert not rights.may_write(caller)
    with pytest.raises(AccessDenied, match="only reads"):
        header_caller(accounts, f"Bearer {lend(accounts)}", "POST")


def test_a_session_lends_one_token_to_each_viewer_and_not_to_any_number_of_them(accounts: Accounts) -> None:
    cookie, _ = begin_session(accounts, "anns")
    first, second = lend_session(accounts, cookie, VIEWER), lend_session(accounts, cookie, VIEWER)
    with pytest.raises(AccessDenied, match="has ended"):
        header_caller(accounts, f"Bearer {first}", "GET")
    assert header_caller(accounts, f"Bearer {second}", "GET").name == "ann"
    for number in range(1, 64):
        lend_session(accounts, cookie, f"https://{number}.example")
    with pytest.raises(AccessDenied, match="log out"):
        lend_session(accounts, cookie, "https://64.example")
    assert lend_session(accounts, cookie, VIEWER)


def test_sessions_that_have_ended_are_removed_with_what_they_lent(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    lend(accounts)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + LIFETIME_S + 1)
    begin_session(accounts, "roots")
    assert [one.user for one in accounts.catalogue.find(BrowserSession)] == ["root"]
    assert accounts.catalogue.find(ViewerToken) == []
