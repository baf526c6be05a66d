"""The requests on the server itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from standins.dvid.blobs import sent
from standins.dvid.calls import Call, Refusal, as_json, done, not_found
from standins.dvid.types.catalogue import TYPES
from standins.dvid.versions import now

if TYPE_CHECKING:
    from standins.dvid.service import Service

VERSION = "v1.0.0-254-g3400c"
"""The version whose answers were recorded."""
Handler = Callable[["Service", Call], Response]
_LOAD = ("GET requests", "PUT requests", "file bytes read", "file bytes written", "goroutines", "handlers active")


def answer(service: Service, call: Call) -> Response:
    """Answer a request on the server."""
    method = "GET" if call.method == "HEAD" else call.method
    match method, call.parts:
        case "GET", ("help", typename):
            return _help(typename)
        case "GET", ("server", "blobstore", reference):
            instances = (i for repo in service.repos.by_root.values() for i in repo.instances.values())
            found = (instance.blobs.get(reference) for instance in instances)
            return sent(next((blob for blob in found if blob is not None), None), reference)
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
    told = {"DVID Version": VERSION, "Datastore Version": "0.11.0", "Note": service.note, "Server time": now()}
    return as_json({**told, "Storage backend": "memory"})


def _note(service: Service, call: Call) -> Response:
    return Response(service.note, media_type="text/plain")


def _types(service: Service, call: Call) -> Response:
    instances = (i for repo in service.repos.by_root.values() for i in repo.instances.values())
    return as_json({instance.typename: instance.url() for instance in instances})


def _compiled_types(service: Service, call: Call) -> Response:
    return as_json({name: kind.url() for name, kind in TYPES.items()})


def _storage(service: Service, call: Call) -> Response:
    stored: dict[str, Any] = {}
    for repo in service.repos.by_root.values():
        for instance in repo.instances.values():
            told = {"Name": instance.name, "DataType": instance.typename, "DataUUID": instance.uuid}
            stored[str(len(stored) + 1)] = {**told, "RootUUID": repo.root.uuid, "Bytes": 0}
    return as_json({"memory": stored})


def _settings(service: Service, call: Call) -> Response:
    call.check_admin("POST /settings")
    told = call.config("Error decoding POSTed JSON config for 'new': ")
    lines = []
    if "gc" in told:
        lines.append(f"DVID server garbage collection target percentage set to {_number(told, 'gc')} from 100\n")
    if "throttle" in told:
        before, service.max_throttled = service.max_throttled, _number(told, "throttle")
        lines.append(f"Maximum throttled ops set to {service.max_throttled} from {before}\n")
    return Response("".join(lines), media_type="text/plain")


def _number(told: Mapping[str, Any], name: str) -> int:
    try:
        return int(told[name])
    except (TypeError, ValueError):
        raise Refusal(f"POST on settings endpoint had bad parsing of '{name}' key: {told[name]!r}") from None


def _reload(service: Service, call: Call) -> Response:
    call.check_admin(f"POST /{call.parts[-1]}")
    return done()


def _repos(service: Service, call: Call) -> Response:
    return as_json({uuid: repo.as_json() for uuid, repo in service.repos.by_root.items()})


def _create_repo(service: Service, call: Call) -> Response:
    try:
        call.check_admin("Creating a repo")
    except Refusal as refusal:
        raise Refusal(f"{refusal.message} on a server that is not read-only") from None
    told = call.config("Error decoding POSTed JSON config for new repo: Malformed JSON request in body: ")
    repo = service.repos.create(told.get("root"), told.get("alias", ""), told.get("description", ""))
    return as_json({"root": repo.root.uuid})


def _text(text: str) -> Handler:
    return lambda service, call: Response(text, media_type="text/html")


_HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("GET", "help"): _text("Ask for /api/help/TYPE; /api/server/compiled-types names the types."),
    ("GET", "load"): lambda service, call: as_json(dict.fromkeys(_LOAD, 0)),
    ("GET", "storage"): _storage,
    ("GET", "heartbeat"): lambda service, call: done(),
    ("GET", "user-latencies"): lambda service, call: as_json({}),
    ("GET", "server/info"): _info,
    ("GET", "server/config"): lambda service, call: Response("", media_type="text/plain"),
    ("GET", "server/types"): _types,
    ("GET", "server/compiled-types"): _compiled_types,
    ("GET", "server/groupcache"): lambda service, call: as_json({}),
    ("GET", "server/note"): _note,
    ("POST", "server/settings"): _settings,
    ("POST", "server/reload-auth"): _reload,
    ("POST", "server/reload-blocklist"): _reload,
    ("GET", "repos/info"): _repos,
    ("POST", "repos"): _create_repo,
}
