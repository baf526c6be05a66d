"""The requests on the server, on repositories and on versions, and the way to the data instances."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from voxome.testing.dvid.calls import Call, Refusal, as_json, done
from voxome.testing.dvid.repos import Repo, Repos
from voxome.testing.dvid.types.catalogue import TYPES
from voxome.testing.dvid.versions import Node

VERSION = "v1.0.0-254-g3400c"
"""The version whose answers were recorded."""
Object = dict[str, Any]
_BRANCHING = {"branch", "newversion", "tag"}


def not_found() -> Refusal:
    """What the router says of a path that it does not know."""
    return Refusal("404 page not found", 404, bare=True)


class Service:
    """A server's state, and its answer to any request.

    Parameters
    ----------
    admin_token : str, optional
        What ``?admintoken=`` must be; without one nobody is an administrator.
    note : str
        What the server says of itself under ``/api/server/note``.
    throttled : int
        How many requests with ``throttle=true`` may run at a time.
    """

    def __init__(self, admin_token: str | None = None, note: str = "recording", throttled: int = 1) -> None:
        self.repos = Repos()
        self.note, self.max_throttled = note, throttled
        self._admin_token = admin_token
        self._running = 0
        self._gate = threading.Lock()
        self._lock = threading.RLock()

    def answer(self, call: Call) -> Response:
        """Answer one request; requests change the state one after another."""
        try:
            with self.slot() if call.flag("throttle") else nullcontext(), self._lock:
                return self._dispatch(replace(call, is_admin=self._is_admin(call)))
        except Refusal as refusal:
            return refusal.answer(call.path)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take one of the places for throttled requests, or refuse with 503."""
        with self._gate:
            if self._running >= self.max_throttled:
                text = f"Server already running {self._running} throttled operations (max = {self.max_throttled})\n"
                raise Refusal(text, 503, bare=True)
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1

    def _dispatch(self, call: Call) -> Response:
        match call.parts:
            case ("repo", uuid, *rest):
                repo, node = self.repos.find(uuid)
                return self._of_repo(repo, node, call, "/".join(rest[:1]), tuple(rest[1:]))
            case ("node", uuid, keyword):
                repo, node = self.repos.find(uuid)
                return self._of_node(repo, node, call, keyword)
            case ("node", uuid, name, *rest):
                repo, node = self.repos.find(uuid)
                return repo.instance(name).handle(node, replace(call, parts=tuple(rest)))
            case _:
                return self._of_server(call)

    def _is_admin(self, call: Call) -> bool:
        token = call.query.get("admintoken", "")
        known = self._admin_token
        return known is not None and secrets.compare_digest(token.encode(), known.encode())

    def _of_server(self, call: Call) -> Response:
        handlers: Mapping[tuple[str, str], Callable[[Call], Response]] = {
            ("GET", "load"): lambda call: as_json({}),
            ("GET", "heartbeat"): lambda call: done(),
            ("GET", "help"): lambda call: Response("see /api/help/{type}"),
            ("GET", "server/info"): lambda call: as_json({"DVID Version": VERSION, "Note": self.note}),
            ("GET", "server/types"): lambda call: as_json(self._used_types()),
            ("GET", "server/compiled-types"): lambda call: as_json({name: t.source for name, t in TYPES.items()}),
            ("GET", "server/note"): lambda call: Response(self.note, media_type="text/plain"),
            ("POST", "server/settings"): self._settings,
            ("GET", "repos/info"): lambda call: as_json({u: r.as_json() for u, r in self.repos.by_root.items()}),
            ("POST", "repos"): self._create_repo,
        }
        handler = handlers.get((call.method, "/".join(call.parts)))
        if handler is None:
            raise not_found()
        return handler(call)

    def _used_types(self) -> dict[str, str]:
        instances = (i for repo in self.repos.by_root.values() for i in repo.instances.values())
        return {instance.typename: instance.source for instance in instances}

    def _settings(self, call: Call) -> Response:
        call.check_admin("POST /settings")
        before, self.max_throttled = self.max_throttled, _throttle(call, self.max_throttled)
        return Response(f"Maximum throttled ops set to {self.max_throttled} from {before}\n", media_type="text/plain")

    def _create_repo(self, call: Call) -> Response:
        try:
            call.check_admin("Creating a repo")
        except Refusal as refusal:
            raise Refusal(f"{refusal.message} on a server that is not read-only") from None
        config = call.json(Object, "Error decoding POSTed JSON config for new repo: Malformed JSON request in body: ")
        repo = self.repos.create(config.get("root"), config.get("alias", ""), config.get("description", ""))
        return as_json({"root": repo.root.uuid})

    def _of_repo(self, repo: Repo, node: Node, call: Call, keyword: str, rest: tuple[str, ...]) -> Response:
        match call.method, keyword, rest:
            case "HEAD", "", ():
                return done()
            case "GET", "info", ():
                return as_json(repo.as_json())
            case "POST", "info", ():
                told = call.json(Object)
                repo.alias = told.get("alias", repo.alias)
                repo.description = told.get("description", repo.description)
                return done()
            case "POST", "instance", ():
                return self._create_instance(repo, node, call)
            case "GET", "log", ():
                return as_json({"log": repo.log})
            case "POST", "log", ():
                repo.say(_lines(call.json(Object)))
                return done()
            case "GET", "branch-versions", (branch,):
                return as_json(repo.branch(branch))
            case "POST", "merge", ():
                return self._merge(repo, call)
        raise not_found()

    def _create_instance(self, repo: Repo, node: Node, call: Call) -> Response:
        told = call.json(Object)
        config = {str(key).lower(): str(value) for key, value in told.items()}
        for needed in ("typename", "dataname"):
            if not config.get(needed):
                raise Refusal(f"POST on repo endpoint requires specification of valid '{needed}'")
        kind = TYPES.get(config["typename"])
        if kind is None:
            raise Refusal(f'Data type "{config["typename"]}" is not supported by current DVID server')
        if config["dataname"] in repo.instances:
            raise Refusal(f'Data named "{config["dataname"]}" already exists in repo (root {repo.root.uuid})')
        repo.add(kind(config["dataname"], repo, config), config)
        return as_json({"result": f"Added {config['dataname']} [{kind.typename}] to node {node.uuid}"})

    def _merge(self, repo: Repo, call: Call) -> Response:
        told = call.json(Object)
        parents = tuple(self.repos.find(uuid)[1] for uuid in told.get("parents", ()))
        if len(parents) < 2 or told.get("mergeType") != "conflict-free":
            raise Refusal("must have two or more parents and the merge type 'conflict-free'")
        child = repo.grow(parents, parents[0].branch, told.get("note", ""), told.get("uuid"))
        return as_json({"child": child.uuid})

    def _of_node(self, repo: Repo, node: Node, call: Call, keyword: str) -> Response:
        handlers: Mapping[tuple[str, str], Callable[[Repo, Node, dict[str, Any]], Response]] = {
            ("GET", "status"): lambda repo, node, told: as_json({"Locked": node.locked}),
            ("GET", "note"): lambda repo, node, told: as_json({"note": node.note}),
            ("POST", "note"): _note,
            ("GET", "log"): lambda repo, node, told: as_json({"log": node.log}),
            ("POST", "log"): _log,
            ("POST", "commit"): _commit,
            ("POST", "newversion"): self._new_version,
            ("POST", "branch"): self._branch,
            ("POST", "tag"): self._tag,
        }
        if node.locked and call.method not in {"GET", "HEAD"} and keyword not in _BRANCHING:
            raise Refusal(f"Cannot do {call.method.lower()} on locked node {node.uuid}")
        handler = handlers.get((call.method, keyword))
        if handler is None:
            raise not_found()
        told = call.json(Object, "Malformed JSON request in body: ") if call.method == "POST" and call.body else {}
        return handler(repo, node, told)

    def _new_version(self, repo: Repo, node: Node, told: dict[str, Any]) -> Response:
        self.repos.check_new(told.get("uuid"))
        return _child(repo.grow((node,), node.branch, told.get("note", ""), told.get("uuid")))

    def _branch(self, repo: Repo, node: Node, told: dict[str, Any]) -> Response:
        self.repos.check_new(told.get("uuid"))
        if told.get("branch", "") in {"", "master"}:
            raise Refusal("Cannot create a master branch")
        return _child(repo.grow((node,), told["branch"], told.get("note", ""), told.get("uuid")))

    def _tag(self, repo: Repo, node: Node, told: dict[str, Any]) -> Response:
        tag = told.get("tag")
        if not tag:
            raise Refusal("tag must be specified")
        self.repos.check_new(tag)
        child = repo.grow((node,), f"tag-{tag}", f'Tag of version {node.uuid} with "{tag}"', tag)
        child.locked = True
        return _child(child)


def _child(node: Node) -> Response:
    return as_json({"child": node.uuid})


def _lines(told: Object) -> list[str]:
    lines = told.get("log") or []
    if not isinstance(lines, list):
        raise Refusal("log must be a list of lines")
    return [str(line) for line in lines]


def _throttle(call: Call, before: int) -> int:
    try:
        return int(call.json(Object).get("throttle", before))
    except ValueError:
        raise Refusal("throttle must be a number") from None


def _note(repo: Repo, node: Node, told: dict[str, Any]) -> Response:
    node.note = told.get("note", "")
    return done()


def _log(repo: Repo, node: Node, told: dict[str, Any]) -> Response:
    node.say(_lines(told))
    return done()


def _commit(repo: Repo, node: Node, told: dict[str, Any]) -> Response:
    node.note = told.get("note") or node.note
    node.say(_lines(told))
    node.locked = True
    return as_json({"committed": node.uuid})
