"""What the sessions of browsers lend to viewers of other origins."""

from __future__ import annotations

import pytest

from voxome.errors import AccessDenied
from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.sessions import begin_session, header_caller, lend_session

ADMIN = Membership(group="admin", user="ann", rank="member")


@pytest.fixture
def accounts() -> Accounts:
    """Accounts of ann, who is in the group lab, and of root, whose token is in no catalogue."""
    catalogue = MemoryCatalogue()
    ann = Membership(group="lab", user="ann", rank="member")
    catalogue.write(add=[User(name="ann"), Token(digest=digest("anns"), user="ann"), ann])
    return Accounts(catalogue, {digest("roots"): "root"})


def lend(accounts: Accounts, token: str = "anns") -> str:
    return lend_session(accounts, begin_session(accounts, token)[0])


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
