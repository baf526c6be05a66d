"""Roles of users, which permit to manage users and resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voxome.relay.accounts import ADMIN, Caller, Membership
from voxome.relay.catalogue.contract import Catalogue, Record

USER_MANAGER, RESOURCE_MANAGER = "user-manager", "resource-manager"
ROLES = (ADMIN, USER_MANAGER, RESOURCE_MANAGER)


@dataclass(frozen=True, kw_only=True)
class Role(Record):
    """A role of a user: one of `ROLES`, except admin."""

    KEY = ("user", "role")

    user: str
    role: str


def role_record(user: str, role: str) -> Record:
    """Return the record that gives a user a role; admins are the members of the group admin."""
    return Membership(group=ADMIN, user=user, rank="member") if role == ADMIN else Role(user=user, role=role)


def find_role(catalogue: Catalogue, user: str, role: str) -> Sequence[Record]:
    """Return the records that give a user a role; none if they do not have it."""
    if role == ADMIN:
        return catalogue.find(Membership, group=ADMIN, user=user)
    return catalogue.find(Role, user=user, role=role)


def roles_of(catalogue: Catalogue, user: str) -> list[str]:
    """Return the roles of a user."""
    return [role for role in ROLES if find_role(catalogue, user, role)]


def has_role(catalogue: Catalogue, caller: Caller, role: str) -> bool:
    """Return whether the caller has `role`, or is an admin; one who only reads has none."""
    if caller.only_reads:
        return False
    return caller.is_admin or bool(caller.name and find_role(catalogue, caller.name, role))
