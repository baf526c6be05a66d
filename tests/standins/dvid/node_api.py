"""Requests to a version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, empty_response, json_response, log_lines, not_found
from standins.dvid.repos import Repo, Repos
from standins.dvid.versions import Node

Object = dict[str, Any]
Handler = Callable[[Repos, Repo, Node, Call], Response]

_MALFORMED = "Malformed JSON request in body: "
_BRANCHING = {"branch", "newversion", "tag"}
_UUID = re.compile(r"[0-9a-fA-F]{32}")


def handle(repos: Repos, repo: Repo, node: Node, call: Call, keyword: str) -> Response:
    """Handle a request to a version."""
    method = "GET" if call.method == "HEAD" else call.method
    if node.locked and method != "GET" and keyword not in _BRANCHING:
        raise Refusal(f"Cannot do {call.method.lower()} on locked node {node.uuid}")
    handler = _HANDLERS.get((method, keyword))
    if handler is None:
        raise not_found()
    return handler(repos, repo, node, call)


def _status(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    return json_response({"Locked": node.locked})


def _get_note(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    return json_response({"note": node.note})


def _post_note(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    payload = call.json(dict[str, str], _MALFORMED) if call.body else {}
    if "note" not in payload:
        raise Refusal("Could not find 'note' value in POSTed JSON.")
    node.note = payload["note"]
    return empty_response()


def _get_log(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    return json_response({"log": node.log})


def _post_log(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    node.add_log(log_lines(call))
    return empty_response()


def _commit(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    payload = call.json(Object, _MALFORMED)
    lines = payload.get("log") or []
    if not isinstance(lines, list) or not isinstance(payload.get("note", ""), str):
        raise Refusal(f"{_MALFORMED}json: cannot unmarshal note or log")
    node.note = payload.get("note") or node.note
    node.add_log([str(line) for line in lines])
    node.locked = True
    return json_response({"committed": node.uuid})


def _new_version(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    payload = _parse_child_request(repos, call)
    return _child(repo.add_version((node,), node.branch, payload.get("note", ""), payload.get("uuid")))


def _branch(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    payload = _parse_child_request(repos, call)
    if payload.get("branch", "") in {"", "master"}:
        raise Refusal("Cannot create a master branch")
    return _child(repo.add_version((node,), payload["branch"], payload.get("note", ""), payload.get("uuid")))


def _tag(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    tag = (call.json(Object, _MALFORMED) if call.body else {}).get("tag")
    if not tag:
        raise Refusal("tag must be specified")
    repos.check_new(tag)
    child = repo.add_version((node,), f"tag-{tag}", f'Tag of version {node.uuid} with "{tag}"', tag)
    child.locked = True
    return _child(child)


def _parse_child_request(repos: Repos, call: Call) -> Object:
    """Parse the body of a request for a new version, and check its UUID."""
    payload = call.json(Object, _MALFORMED) if call.body else {}
    uuid = payload.get("uuid")
    if uuid and not _UUID.fullmatch(str(uuid)):
        raise Refusal(f"Bad UUID provided: UUID must be 32 character hexadecimal string, got {uuid!r}")
    repos.check_new(uuid)
    return payload


def _child(node: Node) -> Response:
    return json_response({"child": node.uuid})


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
