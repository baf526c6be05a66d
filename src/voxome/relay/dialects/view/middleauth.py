"""Login for viewers of other origins, by the protocol ``middleauth+https://`` of Neuroglancer.

A viewer learns from ``/auth_info`` where people log in, opens that page in a window of its own, and gets a token by a
message. It is lent to the viewer: it only reads, and ends with the session of the browser. The page names the viewer,
and sends the token to nobody else. Opened without a viewer, it shows who is logged in and which viewers read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.errors import AccessDenied, InvalidInput
from voxome.relay.accounts import Caller
from voxome.relay.cors import EVERY
from voxome.relay.dialects.view.bodies import json_object
from voxome.relay.http import endpoint
from voxome.relay.relay import Relay
from voxome.relay.request_errors import NOT_KEPT
from voxome.relay.sessions import is_same_origin, lend_session, session_cookie

_LARGEST_BYTES = 4096
_FOLDER = Path(__file__).parent
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"


class LoginOfViewers:
    """Routes by which viewers of other origins let people log in.

    Parameters
    ----------
    relay : Relay
        Its accounts have the tokens, its catalogue keeps the sessions.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes ``/auth_info`` and ``/view/middleauth/…``."""
        return [
            Route("/auth_info", _info, methods=["GET"]),
            Route("/view/middleauth", partial(_page, view="./"), methods=["GET"]),
            Route("/view/middleauth/", partial(_page, view="../"), methods=["GET"]),
            Route("/view/middleauth/api/v1/authorize", partial(_page, view="../../../"), methods=["GET"]),
            Route("/view/middleauth/lend", endpoint(self._relay, _LARGEST_BYTES, self._lend), methods=["POST"]),
        ]

    def _lend(self, request: Request, caller: Caller, body: bytearray) -> Response:
        cookie = session_cookie(request)
        if not is_same_origin(request) or not cookie or not caller.name:
            raise AccessDenied("log in on the page of this server first")
        origin = json_object(body).get("origin")
        if not isinstance(origin, str):
            raise InvalidInput("the body should have origin, the address of a viewer")
        allowed = request.app.state.allow_origins
        if EVERY not in allowed and origin not in allowed:
            raise AccessDenied(f"pages of {origin[:200]} may not read here; the operator names them in allow_origins")
        return JSONResponse({"token": lend_session(self._relay.accounts, cookie, origin)}, headers=NOT_KEPT)


async def _info(request: Request) -> Response:
    return JSONResponse({"login_url": f"{request.base_url}view/middleauth"}, headers=NOT_KEPT)


async def _page(request: Request, *, view: str) -> Response:
    """Return the page; ``/view/`` has the address `view` relative to it, behind any prefix."""
    script = (_FOLDER / "middleauth.js").read_text(encoding="utf-8")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Log in</title>'
        '<meta name="viewport" content="width=device-width"><style>body{font:16px/1.5 system-ui,sans-serif;margin:2em}'
        "form{display:grid;gap:.8em}input,button{font:inherit;padding:.4em}</style></head>"
        f'<body data-view="{view}"><script>{script}</script></body></html>'
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY, **NOT_KEPT})
