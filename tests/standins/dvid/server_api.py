"""Requests to the server itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from standins.dvid.blobs import blob_response
from standins.dvid.calls import Call, Refusal, empty_response, json_response, not_found
from standins.dvid.types.catalogue import TYPES
from standins.dvid.versions import now

if TYPE_CHECKING:
    from standins.dvid.service import Service

VERSION = "v1.0.0-254-g3400c"
"""Version of the recorded server."""
Handler = Callable[["Service", Call], Response]
_LOAD = ("GET requests", "PUT requests", "file bytes read", "file bytes written", "goroutines", "handlers active")


def handle(service: Service, call: Call) -> Response:
    """Handle a request to the server."""
    method = "GET" if call.method == "HEAD" else call.method
    match method, call.parts:
        case "GET", ("help", typename):
            return _help(typename)
        case "GET", ("server", "blobstore", reference):
            instances = (i for repo in service.repos.by_root.values() for i in repo.instances.values())
            found = (instance.blobs.get(reference) for instance in instances)
            return blob_response(next((blob for blob in found if blob is not None), None), reference)
    handler = _HANDLERS.get((method, "/".join(call.parts)))
    if handler is None:
        raise not_found()
    return handler(service, call)


def _help(typename: str) -> Response:
    if typename not in TYPES:
        raise Refusal(f'Data type "{typename}" is not supported by current DVID server')
    keywords = "\n".join(f"{method} {keyword}" for method, keyword in sorted(TYPES[typename].routes))
    return Response(f"API of the type {typename}\n\n{keywords}\n", media_type="text/plain")


def _info(service: Service, call: Call) -> Response:
    info = {"DVID Version": VERSION, "Datastore Version": "0.11.0", "Note": service.note, "Server time": now()}
    return json_response({**info, "Storage backend": "memory"})


def _note(service: Service, call: Call) -> Response:
    return Response(service.note, media_type="text/plain")


def _types(service: Service, call: Call) -> Response:
    instances = (i for repo in service.repos.by_root.values() for i in repo.instances.values())
    return json_response({instance.typename: instance.url() for instance in instances})


def _compiled_types(service: Service, call: Call) -> Response:
    return json_response({name: kind.url() for name, kind in TYPES.items()})


def _storage(service: Service, call: Call) -> Response:
    stored: dict[str, Any] = {}
    for repo in service.repos.by_root.values():
        for instance in repo.instances.values():
            entry = {"Name": instance.name, "DataType": instance.typename, "DataUUID": instance.uuid}
            stored[str(len(stored) + 1)] = {**entry, "RootUUID": repo.root.uuid, "Bytes": 0}
    return json_response({"memory": stored})


def _settings(service: Service, call: Call) -> Response:
    call.check_admin("POST /settings")
    payload = call.config("Error decoding POSTed JSON config for 'new': ")
    lines = []
    if "gc" in payload:
        lines.append(f"DVID server garbage collection target percentage set to {_number(payload, 'gc')} from 100\n")
    if "throttle" in payload:
        before, service.max_throttled = service.max_throttled, _number(payload, "throttle")
        lines.append(f"Maximum throttled ops set to {service.max_throttled} from {before}\n")
    return Response("".join(lines), media_type="text/plain")


def _number(payload: Mapping[str, Any], name: str) -> int:
    try:
        return int(payload[name])
    except (TypeError, ValueError):
        raise Refusal(f"POST on settings endpoint had bad parsing of '{name}' key: {payload[name]!r}") from None


def _reload(service: Service, call: Call) -> Response:
    call.check_admin(f"POST /{call.parts[-1]}")
    return empty_response()


def _repos(service: Service, call: Call) -> Response:
    return json_response({uuid: repo.as_json() for uuid, repo in service.repos.by_root.items()})


def _create_repo(service: Service, call: Call) -> Response:
    try:
        call.check_admin("Creating a repo")
    except Refusal as refusal:
        raise Refusal(f"{refusal.message} on a server that is not read-only") from None
    payload = call.config("Error decoding POSTed JSON config for new repo: Malformed JSON request in body: ")
    repo = service.repos.create(payload.get("root"), payload.get("alias", ""), payload.get("description", ""))
    return json_response({"root": repo.root.uuid})


def _text(text: str) -> Handler:
    return lambda service, call: Response(text, media_type="text/html")


_HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("GET", "help"): _text("Ask for /api/help/TYPE; /api/server/compiled-types names the types."),
    ("GET", "load"): lambda service, call: json_response(dict.fromkeys(_LOAD, 0)),
    ("GET", "storage"): _storage,
    ("GET", "heartbeat"): lambda service, call: empty_response(),
    ("GET", "user-latencies"): lambda service, call: json_response({}),
    ("GET", "server/info"): _info,
    ("GET", "server/config"): lambda service, call: Response("", media_type="text/plain"),
    ("GET", "server/types"): _types,
    ("GET", "server/compiled-types"): _compiled_types,
    ("GET", "server/groupcache"): lambda service, call: json_response({}),
    ("GET", "server/note"): _note,
    ("POST", "server/settings"): _settings,
    ("POST", "server/reload-auth"): _reload,
    ("POST", "server/reload-blocklist"): _reload,
    ("POST", "server/reload-metadata"): _reload,
    ("GET", "repos/info"): _repos,
    ("POST", "repos"): _create_repo,
}
