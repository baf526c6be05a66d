"""The requests on a version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, as_json, done, log_lines, not_found
from standins.dvid.repos import Repo, Repos
from standins.dvid.versions import Node

Object = dict[str, Any]
Handler = Callable[[Repos, Repo, Node, Call], Response]

_MALFORMED = "Malformed JSON request in body: "
_BRANCHING = {"branch", "newversion", "tag"}
_UUID = re.compile(r"[0-9a-fA-F]{32}")


def answer(repos: Repos, repo: Repo, node: Node, call: Call, keyword: str) -> Response:
    """Answer a request on a version."""
    method = "GET" if call.method == "HEAD" else call.method
    if node.locked and method != "GET" and keyword not in _BRANCHING:
        raise Refusal(f"Cannot do {call.method.lower()} on locked node {node.uuid}")
    handler = _HANDLERS.get((method, keyword))
    if handler is None:
        raise not_found()
    return handler(repos, repo, node, call)


def _status(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    return as_json({"Locked": node.locked})


def _get_note(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    return as_json({"note": node.note})


def _post_note(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    told = call.json(dict[str, str], _MALFORMED) if call.body else {}
    if "note" not in told:
        raise Refusal("Could not find 'note' value in POSTed JSON.")
    node.note = told["note"]
    return done()


def _get_log(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    return as_json({"log": node.log})


def _post_log(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    node.say(log_lines(call))
    return done()


def _commit(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    told = call.json(Object, _MALFORMED)
    lines = told.get("log") or []
    if not isinstance(lines, list) or not isinstance(told.get("note", ""), str):
        raise Refusal(f"{_MALFORMED}json: cannot unmarshal note or log")
    node.note = told.get("note") or node.note
    node.say([str(line) for line in lines])
    node.locked = True
    return as_json({"committed": node.uuid})


def _new_version(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    told = _told(repos, call)
    return _child(repo.grow((node,), node.branch, told.get("note", ""), told.get("uuid")))


def _branch(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    told = _told(repos, call)
    if told.get("branch", "") in {"", "master"}:
        raise Refusal("Cannot create a master branch")
    return _child(repo.grow((node,), told["branch"], told.get("note", ""), told.get("uuid")))


def _tag(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    tag = (call.json(Object, _MALFORMED) if call.body else {}).get("tag")
    if not tag:
        raise Refusal("tag must be specified")
    repos.check_new(tag)
    child = repo.grow((node,), f"tag-{tag}", f'Tag of version {node.uuid} with "{tag}"', tag)
    child.locked = True
    return _child(child)


def _told(repos: Repos, call: Call) -> Object:
    """The body of a request for a new version, with a UUID that can be had."""
    told = call.json(Object, _MALFORMED) if call.body else {}
    uuid = told.get("uuid")
    if uuid and not _UUID.fullmatch(str(uuid)):
        raise Refusal(f"Bad UUID provided: UUID must be 32 character hexadecimal string, got {uuid!r}")
    repos.check_new(uuid)
    return told


def _child(node: Node) -> Response:
    return as_json({"child": node.uuid})


_HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("GET", "status"): _status,
    ("GET", "commit"): _status,
    ("GET", "note"): _get_note,
    ("POST", "note"): _post_note,
    ("GET", "log"): _get_log,
    ("POST", "log"): _post_log,
    ("POST", "commit"): _commit,
    ("POST", "newversion"): _new_version,
    ("POST", "branch"): _branch,
    ("POST", "tag"): _tag,
}
