"""Users with their roles, groups and tokens, the same for every dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voxome.errors import AccessDenied, NotFound
from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.relay.secrets import digest

ADMIN, PUBLIC = "admin", "public"
"""Groups with a meaning: admins may do everything; everybody is in the public group. The token `public` is that of an
anonymous caller."""
ROLES = ("admin", "user-manager", "resource-manager")


@dataclass(frozen=True, kw_only=True)
class User(Record):
    """A person who may have a token; `password` is a salted hash."""

    name: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Role(Record):
    """A role of a user: one of `ROLES`."""

    KEY = ("user", "role")

    user: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Group(Record):
    """Users who have permissions together."""

    name: str
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class Membership(Record):
    """A user's membership in a group, with the rank ``member`` or ``maintainer``."""

    KEY = ("group", "user", "rank")

    group: str
    user: str
    rank: str


@dataclass(frozen=True, kw_only=True)
class Token(Record):
    """The SHA-256 of a token and the name of its user; the token itself is stored nowhere."""

    KEY = ("digest",)

    digest: str = field(repr=False)
    user: str


@dataclass(frozen=True)
class Caller:
    """The sender of a request; one without a name is anonymous."""

    name: str = ""
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset({PUBLIC})

    @property
    def is_admin(self) -> bool:
        """Whether everything is permitted."""
        return "admin" in self.roles or ADMIN in self.groups

    def has_role(self, role: str) -> bool:
        """Return whether the caller has `role`, or is an admin."""
        return self.is_admin or role in self.roles


@dataclass(frozen=True)
class Accounts:
    """Callers by their tokens.

    Parameters
    ----------
    catalogue : Catalogue
        Users, roles, memberships, hashed tokens.
    admins : mapping
        Digest of a token that is in no catalogue → name of the admin who has it.
    """

    catalogue: Catalogue
    admins: Mapping[str, str] = field(default_factory=dict, repr=False)

    def caller(self, authorization: str) -> Caller:
        """Return the sender of the header ``Authorization: Token …`` (or ``Bearer …``), anonymous if it is empty.

        Raises
        ------
        AccessDenied
            If the header is malformed or the token unknown.
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
        """Return the user `name` with their roles and groups."""
        roles = {one.role for one in self.catalogue.find(Role, user=name)}
        groups = {one.group for one in self.catalogue.find(Membership, user=name)}
        return Caller(name, frozenset(roles), frozenset(groups | {PUBLIC}))
