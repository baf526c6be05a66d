"""Who calls, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voxome.errors import AccessDenied, NotFound
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.catalogue.records import Channel, CoordinateFrame, Grant, Membership, Resource, Role, Token, place
from voxome.relay.catalogue.secrets import digest

ADMIN, PUBLIC = "admin", "public"
"""Groups with a meaning: who may do everything, and everybody. A token `public` stands for nobody in particular."""

ROLES = ("admin", "user-manager", "resource-manager")
OF_RESOURCES = ("read", "update", "delete", "add", "assign_group", "remove_group")
OF_VOXELS = ("add_volumetric_data", "read_volumetric_data", "delete_volumetric_data")
OF_EVERYBODY = ("read", "read_volumetric_data")


@dataclass(frozen=True)
class Caller:
    """Who sent a request; a nameless one is anonymous."""

    name: str = ""
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset({PUBLIC})

    @property
    def is_admin(self) -> bool:
        """Whether everything is permitted."""
        return "admin" in self.roles or ADMIN in self.groups

    def has_role(self, role: str) -> bool:
        """Whether the caller has `role`, or that of an admin."""
        return self.is_admin or role in self.roles


@dataclass(frozen=True)
class Access:
    """Callers by their tokens, and their permissions, as a catalogue has them.

    Parameters
    ----------
    catalogue : Catalogue
        Users, groups, grants, hashed tokens.
    admins : mapping
        Digests of tokens that are in no catalogue → the name of the admin who has it.
    """

    catalogue: Catalogue
    admins: Mapping[str, str] = field(default_factory=dict, repr=False)

    def caller(self, authorization: str) -> Caller:
        """Who sends the header ``Authorization: Token …`` (or ``Bearer …``); nobody without one.

        Raises
        ------
        AccessDenied
            If the header or its token is not known.
        """
        if not authorization:
            return Caller()
        keyword, _, token = authorization.strip().partition(" ")
        if keyword.lower() not in ("token", "bearer") or not token.strip():
            raise AccessDenied("the header Authorization must be: Token TOKEN")
        hashed = digest(token.strip())
        if hashed in self.admins:
            return Caller(self.admins[hashed], frozenset({"admin"}))
        try:
            return self.user(self.catalogue.get(Token, hashed).user)
        except NotFound:
            if token.strip() == PUBLIC:
                return Caller()
            raise AccessDenied("Invalid token.") from None

    def user(self, name: str) -> Caller:
        """The user `name` with their roles and groups."""
        roles = {one.role for one in self.catalogue.find(Role, user=name)}
        groups = {one.group for one in self.catalogue.find(Membership, user=name)}
        return Caller(name, frozenset(roles), frozenset(groups | {PUBLIC}))

    def allows(self, caller: Caller, permission: str, resource: Resource) -> bool:
        """Whether `caller` may do with `resource` what `permission` names.

        Who made it may do everything; so may admins. A public one is read by everybody; other grants are those of the
        caller's groups. What is granted on a collection says nothing of its experiments, nor theirs of their channels.
        """
        if caller.is_admin or (caller.name and caller.name == resource.creator):
            return True
        if isinstance(resource, CoordinateFrame):
            return permission == "read"
        if resource.public and permission in OF_EVERYBODY:
            return True
        where = dict(zip(("collection", "experiment", "channel"), place(resource), strict=True))
        grants = self.catalogue.find(Grant, **where)
        return any(one.group in caller.groups and permission in one.permissions for one in grants)


def permissions_of(resource: Resource) -> tuple[str, ...]:
    """All permissions that there are on such a resource."""
    return OF_RESOURCES + (OF_VOXELS if isinstance(resource, Channel) else ())
