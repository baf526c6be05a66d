"""Users with their groups and tokens, the same for every dialect."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from voxome.errors import AccessDenied, NotFound
from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.relay.secrets import digest

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""What BossDB allows as a name, of users and groups too."""
ADMIN, PUBLIC = "admin", "public"
"""Groups with a meaning: admins may do everything; everybody is in the public group. The token `public` is that of an
anonymous caller."""


@dataclass(frozen=True, kw_only=True)
class User(Record):
    """A person who may have a token."""

    name: str


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
    """The SHA-256 of a token and the name of its user; the token itself is stored nowhere.

    `created` and `expires` are times in s since 1970; a token that expires at 0 never does.
    """

    KEY = ("digest",)

    digest: str = field(repr=False)
    user: str
    created: float = 0.0
    expires: float = 0.0


@dataclass(frozen=True)
class Caller:
    """The sender of a request; one without a name is anonymous. Who only reads is no admin, and writes nothing."""

    name: str = ""
    groups: frozenset[str] = frozenset({PUBLIC})
    only_reads: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether everything is permitted."""
        return ADMIN in self.groups and not self.only_reads


@dataclass(frozen=True)
class Accounts:
    """Callers by their tokens.

    Parameters
    ----------
    catalogue : Catalogue
        Users, memberships, hashed tokens.
    admins : mapping
        Digest of a token that is in no catalogue → name of the admin who has it.
    others : function
        Returns the caller whose token is in no catalogue, but of another service; see `TokenServices`.
    """

    catalogue: Catalogue
    admins: Mapping[str, str] = field(default_factory=dict, repr=False)
    others: Callable[[str], Caller | None] = field(default=lambda _: None, repr=False)

    def caller(self, authorization: str) -> Caller:
        """Return the sender of the header ``Authorization: Token …`` (or ``Bearer …``), anonymous if it is empty.

        Raises
        ------
        AccessDenied
            If the header is malformed, or the token unknown or expired.
        """
        if not authorization:
            return Caller()
        keyword, _, token = authorization.strip().partition(" ")
        if keyword.lower() not in ("token", "bearer") or not token.strip():
            raise AccessDenied("the header Authorization must be: Bearer TOKEN, or Token TOKEN")
        hashed = digest(token.strip())
        if hashed in self.admins:
            return self.admin(hashed)
        try:
            found = self.catalogue.get(Token, hashed)
        except NotFound:
            if token.strip() == PUBLIC:
                return Caller()
            if (caller := self.others(token.strip())) is not None:
                return caller
            raise AccessDenied("Invalid token.") from None
        if found.expires and found.expires <= time.time():
            raise AccessDenied("The token has expired; get a new one.")
        return self.user(found.user)

    def admin(self, digest: str) -> Caller:
        """Return the admin who has the token with this digest, one of `admins`."""
        return Caller(self.admins[digest], frozenset({ADMIN, PUBLIC}))

    def user(self, name: str) -> Caller:
        """Return the user `name` with their groups."""
        groups = {one.group for one in self.catalogue.find(Membership, user=name)}
        return Caller(name, frozenset(groups | {PUBLIC}))
