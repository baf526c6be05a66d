"""Parameters of virtual layers, which the page changes in the addresses of its layers."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voxome.errors import AccessDenied, NotFound
from voxome.relay.accounts import Caller
from voxome.relay.http import endpoint, require_known
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.request_errors import NOT_KEPT


class ParameterRoutes:
    """The route by which the page learns which parameters it may change.

    Parameters
    ----------
    relay : Relay
        Its sources are shown.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def routes(self) -> Sequence[BaseRoute]:
        """Return the route ``/view/parameters``."""
        return [Route("/view/parameters", endpoint(self._relay, 0, self._list), methods=["GET"])]

    def _list(self, request: Request, caller: Caller, body: bytearray) -> Response:
        """Return the parameters of sources by name; none of those that the caller may not read."""
        sources = PermittedSources(self._relay.sources, caller)
        listed: dict[str, list[dict[str, object]]] = {}
        require_known(request, "layer")
        for name in request.query_params.getlist("layer"):
            try:
                listed[name] = [one.to_json() for one in sources.settings(name)]
            except (NotFound, AccessDenied):
                listed[name] = []
        return JSONResponse(listed, headers=NOT_KEPT)
