"""Requests to a repository."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, empty_response, json_response, log_lines, not_found
from standins.dvid.repos import Repo, Repos
from standins.dvid.types.catalogue import TYPES
from standins.dvid.versions import Node

Object = dict[str, Any]


def handle(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    """Handle a request to a repository; ``call.parts`` are the parts of the path after its UUID."""
    match "GET" if call.method == "HEAD" and call.parts else call.method, call.parts:
        case "HEAD", ():
            return Response(f"Repo available with root UUID {repo.root.uuid}\n", media_type="text/plain")
        case "GET", ("info",):
            return json_response(repo.as_json())
        case "POST", ("info",):
            payload = call.config()
            repo.alias = payload.get("alias", repo.alias)
            repo.description = payload.get("description", repo.description)
            return empty_response()
        case "POST", ("instance",):
            return _create_instance(repo, node, call)
        case "GET", ("log",):
            return json_response({"log": repo.log})
        case "POST", ("log",):
            repo.add_log(log_lines(call))
            return empty_response()
        case "GET", ("branch-versions", branch):
            return json_response(repo.branch(branch))
        case "POST", ("merge",):
            return _merge(repos, repo, call)
        case "POST", ("resolve",):
            return _resolve(repos, repo, call)
    raise not_found()


def _create_instance(repo: Repo, node: Node, call: Call) -> Response:
    if node.locked:
        raise Refusal(f"New data instance cannot be created on locked node {node.uuid}")
    payload = call.config("Error decoding POSTed JSON config for 'new': Malformed JSON request in body: ")
    config = {str(key).lower(): str(value) for key, value in payload.items()}
    for needed in ("typename", "dataname"):
        if not config.get(needed):
            raise Refusal(f"POST on repo endpoint requires specification of valid '{needed}'")
    instance_type = TYPES.get(config["typename"])
    if instance_type is None:
        raise Refusal(f'Data type "{config["typename"]}" is not supported by current DVID server')
    if config["dataname"] in repo.instances:
        raise Refusal(f'Data named "{config["dataname"]}" already exists in repo (root {repo.root.uuid})')
    repo.add(instance_type(config["dataname"], repo, config), config)
    return json_response({"result": f"Added {config['dataname']} [{instance_type.typename}] to node {node.uuid}"})


def _merge(repos: Repos, repo: Repo, call: Call) -> Response:
    payload = call.json(Object, "Malformed JSON request in body: ")
    parents = _parents(repos, payload)
    if payload.get("mergeType") != "conflict-free":
        raise Refusal("'mergeType' must be 'conflict-free' at this time")
    return _create_merge(repo, parents, payload)


def _resolve(repos: Repos, repo: Repo, call: Call) -> Response:
    """Merge versions; in conflicts, earlier ones win.

    The real server deletes the conflicting data in extra versions between parents and child. Here only the order of
    the parents decides, for all instances.
    """
    payload = call.json(Object, "Malformed JSON request in body: ")
    if not payload.get("data"):
        raise Refusal("Must specify at least one data instance using 'data' field")
    for name in payload["data"]:
        repo.instance(str(name))
    return _create_merge(repo, _parents(repos, payload), payload, ranked=True)


def _parents(repos: Repos, payload: Object) -> tuple[Node, ...]:
    uuids = payload.get("parents")
    if not isinstance(uuids, Iterable) or len(parents := tuple(repos.find(str(uuid))[1] for uuid in uuids)) < 2:
        raise Refusal("Must specify at least two parent UUIDs using 'parents' field")
    return parents


def _create_merge(repo: Repo, parents: tuple[Node, ...], payload: Object, *, ranked: bool = False) -> Response:
    child = repo.add_version(parents, parents[0].branch, payload.get("note", ""), payload.get("uuid"), ranked=ranked)
    return json_response({"child": child.uuid})
