"""Sessions of browsers: a cookie in place of a token, which a page cannot send with the requests of a viewer."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from starlette.requests import Request

from voxome.errors import AccessDenied, NotFound
from voxome.relay.accounts import Accounts, Caller, Token
from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.relay.secrets import digest, new_token

COOKIE = "voxome_session"
LIFETIME_S = 12 * 3600.0

_LENT = "lent-"
"""Beginning of tokens that viewers of other origins get."""
_MOST_VIEWERS = 64
"""Origins to which one session lends tokens."""
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, kw_only=True)
class BrowserSession(Record):
    """The SHA-256 of a cookie, and of the token with which it was made; it ends at `expires`, or with the token."""

    KEY = ("digest",)

    digest: str = field(repr=False)
    token: str = field(repr=False)
    user: str
    expires: float


@dataclass(frozen=True, kw_only=True)
class ViewerToken(Record):
    """The SHA-256 of a token that a viewer at `origin` has, and of the cookie of the session that it reads as."""

    KEY = ("digest",)

    digest: str = field(repr=False)
    session: str = field(repr=False)
    origin: str


def begin_session(accounts: Accounts, token: str) -> tuple[str, BrowserSession]:
    """Return the cookie of a new session, which is stored nowhere, and its record; those that have ended are removed.

    Raises
    ------
    AccessDenied
        If the token is unknown or expired, or that of an anonymous caller.
    """
    caller = accounts.caller(f"Token {token}") if token.strip() else Caller()
    if not caller.name:
        raise AccessDenied("this token is that of nobody; give your own")
    catalogue, value, hashed, now = accounts.catalogue, new_token(), digest(token.strip()), time.time()
    ends = now + LIFETIME_S
    if hashed not in accounts.admins:
        known = catalogue.find(Token, digest=hashed)
        if not known:
            raise AccessDenied("tokens of other services are sent as headers; log in with one of this relay")
        ends = min(ends, known[0].expires or ends)
    session = BrowserSession(digest=digest(value), token=hashed, user=caller.name, expires=ends)
    for one in catalogue.find(BrowserSession):
        if one.expires <= now:
            _remove(catalogue, one)
    catalogue.write(add=[session])
    return value, session


def end_session(accounts: Accounts, cookie: str) -> None:
    """Remove the session of a cookie, if there is one."""
    for one in accounts.catalogue.find(BrowserSession, digest=digest(cookie)):
        _remove(accounts.catalogue, one)


def session_caller(accounts: Accounts, cookie: str) -> Caller:
    """Return the user of a session; after its end an anonymous caller, to whom all that is private is refused."""
    return _caller_of(accounts, digest(cookie))


def _caller_of(accounts: Accounts, hashed: str) -> Caller:
    """Return the user of the session whose cookie has this digest; an anonymous caller after its end."""
    try:
        session = accounts.catalogue.get(BrowserSession, hashed)
        if session.expires <= time.time():
            return Caller()
        if session.token in accounts.admins:
            return accounts.admin(session.token)
        accounts.catalogue.get(Token, session.token)
    except NotFound:
        return Caller()
    return accounts.user(session.user)


def lend_session(accounts: Accounts, cookie: str, origin: str) -> str:
    """Return a token that reads as the user of a session does, until that ends; it is stored as its hash only.

    An earlier token of the session for the same origin ends.

    Raises
    ------
    AccessDenied
        If there is no such session, its user is an admin, or it has lent tokens to too many origins.
    """
    catalogue = accounts.catalogue
    try:
        session = catalogue.get(BrowserSession, digest(cookie))
    except NotFound:
        raise AccessDenied("the session has ended; log in again") from None
    _require_no_admin(_caller_of(accounts, session.digest))
    lent = catalogue.find(ViewerToken, session=session.digest)
    if len({one.origin for one in lent} | {origin}) > _MOST_VIEWERS:
        raise AccessDenied(f"this session is lent to {_MOST_VIEWERS} viewers already; log out and in again")
    for one in lent:
        if one.origin == origin:
            with suppress(NotFound):  # removed by another request, at the same time
                catalogue.write(remove=[one])
    value = _LENT + new_token()
    catalogue.write(add=[ViewerToken(digest=digest(value), session=session.digest, origin=origin)])
    return value


def header_caller(accounts: Accounts, authorization: str, method: str) -> Caller:
    """Return the sender of the header ``Authorization``, whose token may be lent, which only reads.

    Raises
    ------
    AccessDenied
        If the header is malformed, the token unknown or expired, or a lent one would write, or is that of an admin.
    """
    token = authorization.strip().partition(" ")[2].strip()
    if not token.startswith(_LENT):
        return accounts.caller(authorization)
    found = accounts.catalogue.find(ViewerToken, digest=digest(token))
    caller = _caller_of(accounts, found[0].session) if found else Caller()
    if not caller.name:
        raise AccessDenied("the session of this token has ended; log in again")
    _require_no_admin(caller)
    if method not in _SAFE:
        raise AccessDenied("a token that is lent to a viewer only reads; use your own")
    return replace(caller, only_reads=True)


def _require_no_admin(caller: Caller) -> None:
    if caller.is_admin:
        raise AccessDenied("the rights of an admin are lent to no viewer; log in as a user who is no admin")


def session_left_s(accounts: Accounts, cookie: str) -> float:
    """Return the seconds until a session ends, unless its token does before; 0 without one."""
    found = accounts.catalogue.find(BrowserSession, digest=digest(cookie))
    return max(0.0, found[0].expires - time.time()) if found else 0.0


def viewers_of(accounts: Accounts, cookie: str) -> list[str]:
    """Return the origins of the viewers that read as the user of a session does."""
    return sorted({one.origin for one in accounts.catalogue.find(ViewerToken, session=digest(cookie))})


def sessions_of(catalogue: Catalogue, user: str) -> list[Record]:
    """Return the records of the sessions of a user, and of what they have lent."""
    return [one for session in catalogue.find(BrowserSession, user=user) for one in _records(catalogue, session)]


def _records(catalogue: Catalogue, session: BrowserSession) -> list[Record]:
    return [session, *catalogue.find(ViewerToken, session=session.digest)]


def _remove(catalogue: Catalogue, session: BrowserSession) -> None:
    with suppress(NotFound):  # removed by another request, at the same time
        catalogue.write(remove=_records(catalogue, session))


def session_cookie(request: Request) -> str:
    """Return the cookie of a session, empty if there is none, or a page of another origin may have sent it."""
    return request.cookies.get(COOKIE, "") if "cookie" in request.headers and is_same_origin(request) else ""


def is_same_origin(request: Request) -> bool:
    """Return whether no page of another origin has caused a request.

    Browsers say so in ``Sec-Fetch-Site``, which pages cannot set, or where that is missing, by the ``Origin`` of what
    is not GET or HEAD.
    """
    headers, safe = request.headers, request.method in _SAFE
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin" or (site == "none" and safe)
    origin = headers.get("origin")
    return safe if origin is None else urlsplit(origin).netloc == headers.get("host")
