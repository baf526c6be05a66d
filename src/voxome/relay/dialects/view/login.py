"""Sessions of the page: begun with a token, kept as a cookie that scripts do not see."""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.errors import AccessDenied, InvalidInput
from voxome.relay.accounts import Caller
from voxome.relay.dialects.view.bodies import base_of, json_object
from voxome.relay.http import endpoint
from voxome.relay.relay import Relay
from voxome.relay.request_errors import NOT_KEPT
from voxome.relay.sessions import COOKIE, begin_session, end_session, is_same_origin, session_left_s, viewers_of

_LARGEST_BYTES = 4096


class Login:
    """Routes by which people log in and out.

    Parameters
    ----------
    relay : Relay
        Its accounts have the tokens, its catalogue keeps the sessions.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay, self._accounts = relay, relay.accounts

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes ``/view/session``, ``/view/login`` and ``/view/logout``."""
        return [
            Route("/view/session", endpoint(self._relay, 0, self._session), methods=["GET"]),
            Route("/view/login", endpoint(self._relay, _LARGEST_BYTES, self._begin), methods=["POST"]),
            Route("/view/logout", endpoint(self._relay, _LARGEST_BYTES, self._end), methods=["POST"]),
        ]

    def _session(self, request: Request, caller: Caller, body: bytearray) -> Response:
        expired = COOKIE in request.cookies and not caller.name
        left_s = session_left_s(self._accounts, request.cookies.get(COOKIE, ""))
        viewers = viewers_of(self._accounts, request.cookies.get(COOKIE, "")) if caller.name else []
        found = {"user": caller.name, "expired": expired, "left_s": left_s, "viewers": viewers}
        return JSONResponse(found, headers=NOT_KEPT)

    def _begin(self, request: Request, caller: Caller, body: bytearray) -> Response:
        _require_same_origin(request)
        token = json_object(body).get("token")
        if not isinstance(token, str):
            raise InvalidInput("the body should have token, a text")
        value, session = begin_session(self._accounts, token)
        answer = JSONResponse({"user": session.user, "expires": session.expires}, headers=NOT_KEPT)
        _set(answer, request, value, max(1, int(session.expires - time.time())))
        return answer

    def _end(self, request: Request, caller: Caller, body: bytearray) -> Response:
        _require_same_origin(request)
        end_session(self._accounts, request.cookies.get(COOKIE, ""))
        answer = JSONResponse({}, headers=NOT_KEPT)
        _set(answer, request, "", 0)
        return answer


def _require_same_origin(request: Request) -> None:
    """Refuse what a page of another origin sends, which may log somebody in as another user."""
    if not is_same_origin(request):
        raise AccessDenied("log in and out on the page of this server, /view")


def _set(answer: Response, request: Request, value: str, lifetime_s: int) -> None:
    """Set the cookie for the address of the relay, as the page knows it, and what is below."""
    base = urlsplit(base_of(request))
    secure = base.scheme == "https" or request.url.scheme == "https"
    answer.set_cookie(COOKIE, value, lifetime_s, path=base.path, secure=secure, httponly=True, samesite="strict")
