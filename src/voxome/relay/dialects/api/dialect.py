"""A JSON API for programs in any language, described by OpenAPI.

=====================================  ==============================================================
``GET /api``                           a page that lists all operations
``GET /api/openapi.json``              their description, OpenAPI 3.1, from which clients are generated
``GET /api/sources``                   names of the sources that the caller may read
``GET /api/source?source=NAME``        shape and meaning of a source, its levels, its addresses
``GET /api/cutout?source=…&box=…``     the voxels of a box, as npy or raw
``GET /api/ids?source=…&box=…``        ids of the segments in a box
``GET /api/bounding-box?…&id=…``       bounding box of a segment
``GET /api/region?source=…&id=…``      voxels, volume, centroid and bounding box of a segment
``GET /api/mesh?source=…&id=…``        mesh of a segment, where the store has meshes
``GET /api/skeleton?source=…&id=…``    skeleton of a segment, where the store has skeletons
``GET /api/collections``               names of the collections of annotations that the caller may read
``GET /api/collection?collection=…``   geometry, properties and relations of a collection
``GET /api/annotations?collection=…``  annotations by ``ids``, in ``box_nm``, or of a ``segment``
=====================================  ==============================================================

Names are in the query, since they have slashes. Ids are decimal strings: JavaScript rounds numbers above 2⁵³.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from threading import Event

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from voxome.contracts.validation import describe_problem
from voxome.errors import InvalidInput
from voxome.relay.accounts import PUBLIC, Caller
from voxome.relay.collections import PermittedCollections
from voxome.relay.dialect import addresses_of
from voxome.relay.dialects.api.document import build_document, build_page
from voxome.relay.dialects.api.models import CollectionQuery, SourceQuery
from voxome.relay.dialects.api.operations import OPERATIONS, Call, Operation
from voxome.relay.files import FileAnswer, file_response
from voxome.relay.http import error_response, identify, read_body
from voxome.relay.look_ups import Abandoned
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay

_JSON = "application/json"


class ApiDialect:
    """Sources in a JSON API under ``/api``.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        document = build_document(OPERATIONS)
        self._document = FileAnswer(json.dumps(document).encode(), _JSON)
        self._page = FileAnswer(build_page(document).encode(), "text/html; charset=utf-8")

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/api", partial(_send, self._page), methods=["GET"]),
            Route("/api/openapi.json", partial(_send, self._document), methods=["GET"]),
            *(Route(one.path, self._endpoint(one), methods=["GET"]) for one in OPERATIONS),
        ]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            caller = Caller()
            try:
                caller = await identify(request, self._relay.accounts, self._relay.threads)
                await read_body(request, 0)
                answer = partial(self._answer, operation, request, caller)
                if operation.is_costly:
                    return await self._relay.look_ups.run(request, answer)
                return await self._relay.threads.run(answer, Event())
            except Abandoned:
                return Response(status_code=499)  # for the log: the client has left
            except Exception as error:
                return error_response(error, request, caller)

        return respond

    def _answer(self, operation: Operation, request: Request, caller: Caller, gone: Event) -> Response:
        query = parse_query(operation.query, request)
        sources = PermittedSources(self._relay.sources, caller)
        collections = PermittedCollections(self._relay.collections, caller)
        call = Call(
            sources, collections, caller, self._relay.largest_cutout_bytes, partial(addresses_of, request.app), gone
        )
        answer = operation.respond(call, query)
        if isinstance(answer, BaseModel):
            answer = answer.model_dump_json().encode(), _JSON
        public = not operation.is_personal and _is_public(sources, collections, query)
        return file_response(request, FileAnswer(*answer), public=public)


def _is_public(sources: PermittedSources, collections: PermittedCollections, query: BaseModel) -> bool:
    """Return whether everybody may read what a query is about."""
    if isinstance(query, SourceQuery):
        return PUBLIC in sources.rights(query.source).readers
    return isinstance(query, CollectionQuery) and PUBLIC in collections.rights(query.collection).readers


def parse_query(model: type[BaseModel], request: Request) -> BaseModel:
    """Return the query of a request, checked.

    Raises
    ------
    InvalidInput
        If a parameter is missing, unknown, given twice or wrong; the message names all of them.
    """
    given = request.query_params.multi_items()
    twice = [name for name, count in Counter(name for name, _ in given).items() if count > 1]
    if twice:
        raise InvalidInput(f"{twice[0][:80]} is given twice; give it once")
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        known = ", ".join(model.model_fields) or "none"
        problems = [_problem(model, one) for one in error.errors()]
        raise InvalidInput("; ".join(problems[:10]) + f"; parameters: {known}") from error


def _problem(model: type[BaseModel], error: ErrorDetails) -> str:
    """Return what is wrong with a parameter, with an example in place of a pattern, or with all of them together."""
    name = next(iter(error["loc"]), None)
    schema = model.model_json_schema().get("properties", {}).get(name, {})
    examples = [one["examples"][0] for one in (schema, *schema.get("anyOf", ())) if "examples" in one]
    is_form = error["type"] == "string_pattern_mismatch" and examples
    problem = f"expected text such as {examples[0]}" if is_form else describe_problem(error)
    return ": ".join([*([".".join(map(str, error["loc"]))[:80]] if error["loc"] else []), problem])


async def _send(file: FileAnswer, request: Request) -> Response:
    return file_response(request, file, public=True)
