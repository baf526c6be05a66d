"""Key pairs for signed requests, apart from tokens: a signature needs the secret itself, not its hash."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from voxome.errors import AccessDenied, NotFound
from voxome.relay.accounts import Accounts, Caller, User
from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.relay.tokens import add_user

_ACCESS_KEY = re.compile(r"VX[0-9A-F]{18}")


class InvalidKeyPair(AccessDenied):
    """A request is signed with a key pair that is unknown or has expired."""


@dataclass(frozen=True, kw_only=True)
class KeyPair(Record):
    """An access key with its secret, the name of its user, and when it expires (s since 1970; 0 for never)."""

    KEY = ("access_key",)

    access_key: str
    secret: str = field(repr=False)
    user: str
    expires: float = 0.0


def create_key_pair(
    catalogue: Catalogue, user: str, *, lifetime_s: float | None = None, groups: Iterable[str] = ()
) -> KeyPair:
    """Return a new key pair of a user, who is created if necessary.

    Parameters
    ----------
    catalogue : Catalogue
        Where users and key pairs are.
    user : str
        Name of the user.
    lifetime_s : float, optional
        Time in s after which it expires; None if it never does.
    groups : iterable of str
        Groups to which the user is added.

    Raises
    ------
    InvalidInput
        If a name is none of BossDB, or that of the user is the public group's.
    """
    add_user(catalogue, user, groups)
    pair = KeyPair(
        access_key=f"VX{secrets.token_hex(9).upper()}", secret=secrets.token_urlsafe(30), user=user,
        expires=0.0 if lifetime_s is None else time.time() + lifetime_s,
    )  # fmt: skip
    catalogue.write(add=[pair])
    return pair


def revoke_key_pair(catalogue: Catalogue, access_key: str) -> KeyPair:
    """Remove a key pair.

    Raises
    ------
    NotFound
        If there is none with this access key.
    """
    pair = catalogue.get(KeyPair, access_key)
    catalogue.write(remove=[pair])
    return pair


@dataclass(frozen=True)
class Keys:
    """Callers by their access keys.

    Parameters
    ----------
    catalogue : Catalogue
        Key pairs.
    accounts : Accounts
        Groups of their users.
    """

    catalogue: Catalogue
    accounts: Accounts

    def secret(self, access_key: str) -> str:
        """Return the secret of an access key.

        Raises
        ------
        InvalidKeyPair
            If the key is unknown or has expired, or its user was deleted.
        """
        return self._pair(access_key).secret

    def caller(self, access_key: str) -> Caller:
        """Return the user of an access key."""
        return self.accounts.user(self._pair(access_key).user)

    def _pair(self, access_key: str) -> KeyPair:
        if _ACCESS_KEY.fullmatch(access_key) is None:  # nothing else reaches the database
            raise InvalidKeyPair("the access key does not exist")
        try:
            pair = self.catalogue.get(KeyPair, access_key)
            self.catalogue.get(User, pair.user)
        except NotFound:
            raise InvalidKeyPair("the access key does not exist") from None
        if pair.expires and pair.expires <= time.time():
            raise InvalidKeyPair("the access key has expired; get a new one")
        return pair
