"""Tokens of other services."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from voxome import registry
from voxome.errors import AccessDenied, InvalidInput, UnknownName
from voxome.relay import token_services
from voxome.relay.accounts import Accounts, Caller, User
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.sessions import begin_session
from voxome.relay.source_errors import CatalogueUnavailable
from voxome.relay.token_services import Identity, TokenServices, open_token_services


class Lab:
    """Tokens ``lab-NAME``; those of eve are revoked."""

    def __init__(self, *, group: str = "lab") -> None:
        self.group, self.calls = group, 0

    def identify(self, token: str) -> Identity | None:
        self.calls += 1
        if token == "lab-eve":
            raise AccessDenied("the token was revoked")
        if token == "lab-down":
            raise ConnectionError("https://user:secret@auth.example does not answer")
        return Identity(token[4:], frozenset({self.group})) if token.startswith("lab-") else None


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service as a plug-in named ``lab``."""
    monkeypatch.setitem(registry.BUILT_IN, token_services.GROUP, {"lab": f"{__name__}:Lab"})
    registry.look_again()
    yield
    monkeypatch.undo()
    registry.look_again()


def accounts_with(service: Lab) -> Accounts:
    return Accounts(MemoryCatalogue(), others=TokenServices({"lab": service}).caller)


def test_a_token_of_a_service_is_that_of_its_user() -> None:
    accounts = accounts_with(Lab())
    accounts.catalogue.write(add=[User(name="ann")])
    assert accounts.caller("Bearer lab-ann") == Caller("lab:ann", frozenset({"lab", "public"}))
    for token, message in {"lab-eve": "revoked", "other": "Invalid token"}.items():
        with pytest.raises(AccessDenied, match=message):
            accounts.caller(f"Bearer {token}")


def test_users_are_kept_for_a_minute_and_refusals_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(token_services, "time", SimpleNamespace(monotonic=lambda: now))
    lab = Lab()
    accounts = accounts_with(lab)
    for seconds, calls in ((0, 1), (59, 1), (61, 2)):
        now = 1000.0 + seconds
        accounts.caller("Bearer lab-ann")
        assert lab.calls == calls
    for seconds, calls in ((62, 3), (62.5, 3), (64, 4)):
        now = 1000.0 + seconds
        with pytest.raises(AccessDenied):
            accounts.caller("Bearer unknown")
        assert lab.calls == calls


def test_a_service_that_fails_is_no_refusal_of_the_token() -> None:
    with pytest.raises(CatalogueUnavailable, match="the token service lab fails") as error:
        accounts_with(Lab()).caller("Bearer lab-down")
    assert "secret" not in str(error.value)


def test_sessions_of_browsers_need_a_token_of_the_relay() -> None:
    with pytest.raises(AccessDenied, match="log in with one of this relay"):
        begin_session(accounts_with(Lab()), "lab-ann")


@pytest.mark.usefixtures("plugin")
def test_services_are_opened_with_their_options() -> None:
    assert open_token_services({"lab": {"group": "guests"}}).caller("lab-ann") == Caller(
        "lab:ann", frozenset({"guests", "public"})
    )
    with pytest.raises(InvalidInput, match=r"token_services\.lab: .*'colour'"):
        open_token_services({"lab": {"colour": "red"}})
    with pytest.raises(UnknownName, match="Unknown token service 'lap'"):
        open_token_services({"lap": {}})
