"""Answers to paths that no route has, and to methods that a path does not take."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from voxome.relay.refusals import refusal_body
from voxome.relay.request_errors import NOT_KEPT


async def refuse_route(request: Request, error: Exception) -> Response:
    """Answer in the form of other errors: 404, or 405 with the methods of the path in ``Allow``."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    path, headers = request.url.path, {}
    message = f"there is no {path} here; GET / has what is served"
    if status == 405:
        headers = allowed(request, request.app.routes)
        message = f"{request.method} of {path} is not offered; use {headers['Allow']}"
    body, media_type = refusal_body(path, status, message)
    return Response(body, status, NOT_KEPT | headers, media_type)


def allowed(request: Request, routes: Sequence[BaseRoute]) -> dict[str, str]:
    """Return the header ``Allow`` with all methods that the routes have for the path of a request."""
    found = [one for one in routes if isinstance(one, Route) and one.matches(request.scope)[0] is not Match.NONE]
    return {"Allow": ", ".join(sorted({name for one in found for name in one.methods or ()}))}
