"""``GET /``: what a relay serves, as a page for browsers, else as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voxome import __version__
from voxome.relay.request_errors import NOT_KEPT
from voxome.relay.status_page import POLICY

_PAGES = {
    "view": "the volumes in Neuroglancer",
    "status": "stores, cache and processes",
    "api": "the JSON API",
}
"""Path of a page, below the address of the relay → what is there."""
_STYLE = "body{font:16px/1.6 system-ui,sans-serif;max-width:40em;margin:2em auto;padding:0 1em}"
_HEADERS = {"Vary": "Accept", **NOT_KEPT}


class Index:
    """The first page of a relay, in the form of a dialect; its links are relative, so they hold behind any prefix."""

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/", _answer, methods=["GET"])]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""


async def _answer(request: Request) -> Response:
    served = {one.path for one in request.app.routes if isinstance(one, Route)}
    pages = {path: text for path, text in _PAGES.items() if f"/{path}" in served}
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"name": "voxome relay", "version": __version__, "addresses": [*pages]}, headers=_HEADERS)
    links = "".join(f'<li><a href="{path}">{path}</a>: {text}</li>' for path, text in pages.items())
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>voxome relay</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>voxome relay</h1><p>voxome {escape(__version__)}</p><ul>{links}</ul></body></html>"
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, **_HEADERS})
