"""Neuroglancer in front of the relay's sources.

=====================================  =====================================================================
``GET /view``                          the viewer, with all sources that the caller may read
``GET /view?layer=NAME&layer=…``       with these sources
``GET /view?s=ID``                     with a shared state
``GET /view/state?base=…``             the first state, as JSON; ``X-Voxome-Left-Out`` names what cannot be opened
``POST /view/states?base=…``           keep a state: its id, as JSON
``GET /view/states/ID?base=…``         a kept state, without the layers that the caller may not see
``GET /view/session``                  user of the session of this browser, and whether it has expired, as JSON
``POST /view/login?base=…``            begin a session with the token in the body: a cookie
``POST /view/logout?base=…``           end it
``GET /view/middleauth``               who is logged in, and which viewers of other origins read as they do
``GET /auth_info``                     where viewers of other origins let people log in (``middleauth+https://``)
``GET /view/edits?layer=NAME&…``       versions of sources that are proofread, and whether the caller may edit, as JSON
``GET /view/edits/events?layer=NAME``  the same versions, as events, whenever one has changed
``GET /view/edits/NAME?since=V``       the version now, and what has become of segments that have changed since
``POST /view/edits/NAME``              an edit, and the version on which it is based: the version now, or 409
``GET /view/parameters?layer=NAME``     parameters of virtual layers, as JSON
``GET /view/annotations/NAME``         annotations that are edited in the viewer, and their version, as JSON
``PUT /view/annotations/NAME``         all of them, and the version that they were edited from: the new version
=====================================  =====================================================================

The page sends its own address (`base`), so that the viewer works behind proxies with any prefix.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.errors import AccessDenied, InvalidInput, NotFound
from voxome.relay.accounts import Caller
from voxome.relay.collections import PermittedCollections
from voxome.relay.dialects.view.bodies import base_of, json_object
from voxome.relay.dialects.view.client import client_file, client_folder, start_page
from voxome.relay.dialects.view.edits import Edits
from voxome.relay.dialects.view.kept_states import LARGEST_BYTES, find_state, keep_state
from voxome.relay.dialects.view.login import Login
from voxome.relay.dialects.view.middleauth import LoginOfViewers
from voxome.relay.dialects.view.parameters import ParameterRoutes
from voxome.relay.dialects.view.source_layers import FirstState, may_see, show_sources
from voxome.relay.files import FileAnswer, file_response
from voxome.relay.http import endpoint, require_known
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.sessions import is_same_origin
from voxome.relay.stopping import EventStream
from voxome.viewer.kept_annotations import ChangedElsewhere, KeptAnnotations, digest
from voxome.viewer.states import read_layers

_TOKEN = "relay"
"""Part of the page's address in which Neuroglancer looks for the session of a server."""
_PAGE = f"/view/v/{_TOKEN}/"
_ANNOTATIONS = "/view/annotations/{name}"
_LEFT_OUT, _REFUSED = "X-Voxome-Left-Out", "X-Voxome-Refused"
"""Header with the names of what cannot be opened now; the page says so."""
_ALIVE_S = 10.0
"""Proxies close connections that are silent for longer."""


class ViewDialect:
    """Neuroglancer under ``/view``.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts, and keeps shared states in its catalogue.
    first_state : function, optional
        Returns the state that the viewer begins with; by default all sources as layers.
    edited : mapping of str to KeptAnnotations, optional
        Layers whose annotations everybody who reaches the relay may edit: it has to be one for this machine only.
    accounts : bool
        Whether people log in on the page.

    Raises
    ------
    MissingExtra
        If Neuroglancer is not installed.
    """

    def __init__(
        self,
        relay: Relay,
        first_state: FirstState | None = None,
        edited: Mapping[str, KeptAnnotations] = MappingProxyType({}),
        *,
        accounts: bool = True,
    ) -> None:
        client_folder()
        self._login, self._edits = Login(relay) if accounts else None, Edits(relay)
        self._relay, self._first_state, self._edited = relay, first_state or show_sources, edited

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes under ``/view``."""
        serve = partial(endpoint, self._relay, 0)
        keep = endpoint(self._relay, LARGEST_BYTES, self._keep)
        return [
            Route("/view", _to_page, methods=["GET"]),
            Route("/view/", _to_page, methods=["GET"]),
            Route(_PAGE, serve(self._page), methods=["GET"]),
            Route(f"{_PAGE}{{file}}", serve(self._file), methods=["GET"]),
            Route(f"/view/events/{_TOKEN}", self._events, methods=["GET"]),
            Route("/view/state", serve(self._first), methods=["GET"]),
            Route("/view/states", keep, methods=["POST"]),
            Route("/view/states/{id}", serve(self._kept), methods=["GET"]),
            *([] if self._login is None else self._login.routes()),
            *([] if self._login is None else LoginOfViewers(self._relay).routes()),
            *self._edits.routes(),
            *ParameterRoutes(self._relay).routes(),
            Route(_ANNOTATIONS, serve(self._annotations), methods=["GET"]),
            Route(_ANNOTATIONS, endpoint(self._relay, LARGEST_BYTES, self._edit), methods=["PUT"]),
        ]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""

    def addresses(self, name: str) -> Mapping[str, str]:
        """Return the address of the viewer with a source."""
        return {"view": f"view?layer={quote(name, safe='')}"}

    async def _events(self, request: Request) -> Response:
        """Keep the connection that the viewer holds; nothing is sent over it, since the address has the state."""
        return EventStream(self._relay.stopping, _silence(request))

    def _page(self, request: Request, caller: Caller, body: bytearray) -> Response:
        return file_response(request, start_page(list(self._edited), login=self._login is not None), public=True)

    def _file(self, request: Request, caller: Caller, body: bytearray) -> Response:
        return file_response(request, client_file(request.path_params["file"]), public=True)

    def _first(self, request: Request, caller: Caller, body: bytearray) -> Response:
        require_known(request, "layer", "base")
        sources, collections = self._permitted(caller)
        names = request.query_params.getlist("layer")
        view = self._first_state(sources, collections, names, base_of(request))
        response = _json(request, view.state)
        if view.left_out:
            response.headers[_LEFT_OUT] = ", ".join(view.left_out)
        if view.refused:
            response.headers[_REFUSED] = ", ".join(view.refused)
        return response

    def _permitted(self, caller: Caller) -> tuple[PermittedSources, PermittedCollections]:
        return PermittedSources(self._relay.sources, caller), PermittedCollections(self._relay.collections, caller)

    def _keep(self, request: Request, caller: Caller, body: bytearray) -> Response:
        is_page = "origin" in request.headers or "sec-fetch-site" in request.headers
        if is_page and not is_same_origin(request):
            raise AccessDenied("share a view on the page of this server, /view")
        require_known(request, "base")
        state = json_object(body)
        read_layers(state)
        address = request.client.host if request.client else ""
        return JSONResponse({"id": keep_state(self._relay.catalogue, state, base_of(request), caller.name, address)})

    def _annotations(self, request: Request, caller: Caller, body: bytearray) -> Response:
        entries = self._edited_layer(request).read()
        return _json(request, {"annotations": entries, "version": digest(entries)})

    def _edit(self, request: Request, caller: Caller, body: bytearray) -> Response:
        kept, given = self._edited_layer(request), json_object(body)
        entries, seen = given.get("annotations"), given.get("version")
        if not isinstance(entries, list) or not isinstance(seen, str):
            raise InvalidInput("the body should have annotations, a list, and the version that they were edited from")
        try:
            return JSONResponse({"version": kept.replace(entries, seen)})
        except ChangedElsewhere as error:
            return JSONResponse({"message": str(error)}, 409)

    def _edited_layer(self, request: Request) -> KeptAnnotations:
        name = request.path_params["name"]
        if name not in self._edited:
            raise NotFound(f"no annotations {name} are edited here")
        return self._edited[name]

    def _kept(self, request: Request, caller: Caller, body: bytearray) -> Response:
        require_known(request, "base", "layer")
        sources, permitted = self._permitted(caller)
        collections = set(permitted)

        def reads(name: str) -> bool:
            """Return whether the caller may read a source, one in a store too, or a collection."""
            try:
                return name in collections or sources.rights(name).may_read(caller)
            except (NotFound, AccessDenied, InvalidInput):
                return False

        base, id = base_of(request), request.path_params["id"]
        try:
            return _json(request, find_state(self._relay.catalogue, id, base, lambda url: may_see(reads, url, base)))
        except NotFound:
            raise NotFound(f"no view {id} is kept here") from None


def _json(request: Request, state: Any) -> Response:
    return file_response(request, FileAnswer(json.dumps(state).encode(), "application/json"), public=False)


async def _to_page(request: Request) -> Response:
    """Lead to the page by a relative address, which holds behind any prefix."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{'' if request.url.path.endswith('/') else 'view/'}v/{_TOKEN}/{query}", 307)


async def _silence(request: Request) -> AsyncIterator[str]:
    while not await request.is_disconnected():
        yield ":\n\n"
        await anyio.sleep(_ALIVE_S)
