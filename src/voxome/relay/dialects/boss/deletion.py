"""Deletion of users, after which nothing of theirs is left to whoever gets their name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from voxome.errors import NotFound
from voxome.relay.accounts import Group, Membership, Token, User
from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment, Profile
from voxome.relay.dialects.boss.roles import Role
from voxome.relay.dialects.s3.keys import KeyPair
from voxome.relay.dialects.view.kept_states import states_of
from voxome.relay.sessions import sessions_of

_PERSONAL: tuple[type[Record], ...] = (Role, Token, Membership, Profile, KeyPair)
"""Records that go with the user whom their field `user` names."""
_OWNED: dict[type[Record], str] = {
    Collection: "creator",
    CoordinateFrame: "creator",
    Experiment: "creator",
    Channel: "creator",
    Group: "owner",
}
"""Records that stay → the field that names the user who may do everything with them."""


def delete_user(catalogue: Catalogue, user: User) -> None:
    """Delete a user; projects and groups of theirs stay, and are nobody's but the admins'.

    Parameters
    ----------
    catalogue : Catalogue
        All records of the relay, those of sources that are no longer served too.
    user : User
        The user.

    Raises
    ------
    NotFound
        If another request deletes the user.
    """
    for record_type, field in _OWNED.items():
        for record in catalogue.find(record_type, **{field: user.name}):
            _clear(catalogue, record, field)
    personal = [one for record_type in _PERSONAL for one in catalogue.find(record_type, user=user.name)]
    catalogue.write(remove=[*personal, *sessions_of(catalogue, user.name), *states_of(catalogue, user.name), user])


def _clear(catalogue: Catalogue, record: Record, field: str) -> None:
    values: dict[str, Any] = {field: ""}
    with suppress(NotFound):  # deleted by another request, at the same time
        catalogue.change(record, lambda one: replace(one, **values))
