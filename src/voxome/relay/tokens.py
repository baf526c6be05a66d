"""Create, list and revoke the tokens of users in a catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterable

from voxome.errors import AlreadyExists, InvalidInput, NotFound
from voxome.relay.accounts import NAME, PUBLIC, Group, Membership, Token, User
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.secrets import digest, new_token

ID_LENGTH = 12
"""Digits of the digest by which people name a token."""


def create_token(
    catalogue: Catalogue, name: str, *, lifetime_s: float | None = None, groups: Iterable[str] = ()
) -> str:
    """Return a new token of a user, who is created if necessary; the catalogue stores only its hash.

    Parameters
    ----------
    catalogue : Catalogue
        Where users and tokens are.
    name : str
        Name of the user.
    lifetime_s : float, optional
        Time in s after which the token expires; None if it never does.
    groups : iterable of str
        Groups to which the user is added.

    Raises
    ------
    InvalidInput
        If a name is none of BossDB, or that of the user is the public group's.
    """
    add_user(catalogue, name, groups)
    token, now = new_token(), time.time()
    expires = 0.0 if lifetime_s is None else now + lifetime_s
    catalogue.write(add=[Token(digest=digest(token), user=name, created=now, expires=expires)])
    return token


def add_user(catalogue: Catalogue, name: str, groups: Iterable[str] = ()) -> None:
    """Create a user, and add them to groups, as far as that is necessary.

    Raises
    ------
    InvalidInput
        If a name is none of BossDB, or that of the user is the public group's.
    """
    groups = list(groups)
    for what, one in (("user", name), *(("group", group) for group in groups)):
        if NAME.fullmatch(one) is None:
            expected = "choose another of letters, digits, _ and -, at most 255 of them"
            raise InvalidInput(f"a {what} cannot have the name {one!r}: {expected}")
    if name == PUBLIC:
        raise InvalidInput(f"a user cannot have the name {name!r}; choose another")
    memberships = [Membership(group=group, user=name, rank="member") for group in groups]
    for record in (User(name=name), *(Group(name=one.group) for one in memberships), *memberships):
        try:
            catalogue.write(add=[record])
        except AlreadyExists:
            continue


def list_tokens(catalogue: Catalogue) -> list[Token]:
    """Return all tokens by user and time; the tokens themselves are stored nowhere."""
    return sorted(catalogue.find(Token), key=lambda token: (token.user, token.created))


def revoke_token(catalogue: Catalogue, name: str) -> Token:
    """Remove the token that `name` names: the first digits of its digest, or the token itself.

    Raises
    ------
    NotFound
        If there is none.
    InvalidInput
        If there are several.
    """
    hashed = digest(name)
    found = [one for one in catalogue.find(Token) if one.digest == hashed or (name and one.digest.startswith(name))]
    if not found:
        raise NotFound("no token has this id; `voxome relay token list` shows all")
    if len(found) > 1:
        raise InvalidInput(f"{len(found)} tokens have an id that begins with {name}; give more digits")
    catalogue.write(remove=found)
    return found[0]
