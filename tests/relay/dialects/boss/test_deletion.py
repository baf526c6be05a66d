"""What is left of a deleted user."""

from __future__ import annotations

import pytest

from voxome.errors import AccessDenied, NotFound
from voxome.relay.accounts import Accounts, Group, User
from voxome.relay.catalogue.contract import Record
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss.deletion import delete_user
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment
from voxome.relay.dialects.s3.keys import KeyPair, Keys, create_key_pair
from voxome.relay.dialects.view.kept_states import SharedState, StateText, find_state, keep_state
from voxome.relay.sessions import BrowserSession, ViewerToken, begin_session, lend_session, session_caller
from voxome.relay.tokens import create_token

EXTENT = {f"{axis}_{end}": int(end == "stop") for axis in "xyz" for end in ("start", "stop")}
FRAME = CoordinateFrame(name="frame", creator="bob", x_voxel_size=1, y_voxel_size=1, z_voxel_size=1, **EXTENT)
OWNED: tuple[Record, ...] = (
    FRAME,
    Collection(name="col", creator="bob"),
    Experiment(collection="col", name="exp", creator="bob", coord_frame="frame"),
    Channel(collection="col", experiment="exp", name="raw", creator="bob"),
    Channel(collection="col", experiment="exp", name="old", creator="bob", served="no/longer/served"),
    Group(name="lab", owner="bob"),
)


def test_who_gets_the_name_of_a_deleted_user_gets_nothing_of_theirs() -> None:
    catalogue = MemoryCatalogue()
    accounts = Accounts(catalogue)
    pair, token = create_key_pair(catalogue, "bob"), create_token(catalogue, "bob")
    cookie, _ = begin_session(accounts, token)
    lend_session(accounts, cookie, "https://viewer.example")
    link = keep_state(catalogue, {"layers": []}, "http://relay/", "bob")
    theirs = create_key_pair(catalogue, "eve")
    catalogue.write(add=[*OWNED, Collection(name="hers", creator="eve")])
    delete_user(catalogue, User(name="bob"))
    catalogue.write(add=[User(name="bob")])
    assert catalogue.find(KeyPair) == [theirs]
    assert not any(catalogue.find(record_type) for record_type in (BrowserSession, ViewerToken, SharedState, StateText))
    with pytest.raises(AccessDenied):
        Keys(catalogue, accounts).caller(pair.access_key)
    with pytest.raises(AccessDenied):
        accounts.caller(f"Token {token}")
    assert not session_caller(accounts, cookie).name
    with pytest.raises(NotFound):
        find_state(catalogue, link, "http://relay/", lambda _: True)
    for record in OWNED:
        kept = catalogue.get(type(record), *record.key)
        assert (getattr(kept, "creator", ""), getattr(kept, "owner", "")) == ("", "")
    assert catalogue.get(Collection, "hers").creator == "eve"


def test_a_key_pair_whose_user_does_not_exist_is_refused() -> None:
    catalogue = MemoryCatalogue()
    pair = create_key_pair(catalogue, "bob")
    catalogue.write(remove=[User(name="bob")])
    with pytest.raises(AccessDenied):
        Keys(catalogue, Accounts(catalogue)).secret(pair.access_key)
