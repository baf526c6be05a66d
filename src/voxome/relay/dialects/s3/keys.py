"""Key pairs for signed requests, apart from tokens: a signature needs the secret itself, not its hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from voxome.errors import AccessDenied, NotFound
from voxome.relay.accounts import Accounts, Caller, User
from voxome.relay.catalogue.contract import Catalogue, Record


@dataclass(frozen=True, kw_only=True)
class KeyPair(Record):
    """An access key with its secret, and the name of its user."""

    KEY = ("access_key",)

    access_key: str
    secret: str = field(repr=False)
    user: str


def create_key_pair(catalogue: Catalogue, user: str) -> KeyPair:
    """Return a new key pair of a user, stored in the catalogue.

    Raises
    ------
    NotFound
        If the user does not exist.
    """
    catalogue.get(User, user)
    pair = KeyPair(access_key=f"VX{secrets.token_hex(9).upper()}", secret=secrets.token_urlsafe(30), user=user)
    catalogue.write(add=[pair])
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
        AccessDenied
            If the key is unknown.
        """
        return self._pair(access_key).secret

    def caller(self, access_key: str) -> Caller:
        """Return the user of an access key."""
        return self.accounts.user(self._pair(access_key).user)

    def _pair(self, access_key: str) -> KeyPair:
        try:
            return self.catalogue.get(KeyPair, access_key)
        except NotFound:
            raise AccessDenied("the access key does not exist") from None
