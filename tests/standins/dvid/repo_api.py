"""The requests on a repository."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, as_json, done, log_lines, not_found
from standins.dvid.repos import Repo, Repos
from standins.dvid.types.catalogue import TYPES
from standins.dvid.versions import Node

Object = dict[str, Any]


def answer(repos: Repos, repo: Repo, node: Node, call: Call) -> Response:
    """Answer a request on a repository; the pieces of the path behind its UUID are left in the call."""
    match "GET" if call.method == "HEAD" and call.parts else call.method, call.parts:
        case "HEAD", ():
            return Response(f"Repo available with root UUID {repo.root.uuid}\n", media_type="text/plain")
        case "GET", ("info",):
            return as_json(repo.as_json())
        case "POST", ("info",):
            told = call.config()
            repo.alias = told.get("alias", repo.alias)
            repo.description = told.get("description", repo.description)
            return done()
        case "POST", ("instance",):
            return _create_instance(repo, node, call)
        case "GET", ("log",):
            return as_json({"log": repo.log})
        case "POST", ("log",):
            repo.say(log_lines(call))
            return done()
        case "GET", ("branch-versions", branch):
            return as_json(repo.branch(branch))
        case "POST", ("merge",):
            return _merge(repos, repo, call)
        case "POST", ("resolve",):
            return _resolve(repos, repo, call)
    raise not_found()


def _create_instance(repo: Repo, node: Node, call: Call) -> Response:
    if node.locked:
        raise Refusal(f"New data instance cannot be created on locked node {node.uuid}")
    told = call.config("Error decoding POSTed JSON config for 'new': Malformed JSON request in body: ")
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


def _merge(repos: Repos, repo: Repo, call: Call) -> Response:
    told = call.json(Object, "Malformed JSON request in body: ")
    parents = _parents(repos, told)
    if told.get("mergeType") != "conflict-free":
        raise Refusal("'mergeType' must be 'conflict-free' at this time")
    return _merged(repo, parents, told)


def _resolve(repos: Repos, repo: Repo, call: Call) -> Response:
    """Merge versions of which the earlier ones win.

    The real server deletes what loses, in versions of its own between parents and child; here the order of the parents
    alone decides, for all instances.
    """
    told = call.json(Object, "Malformed JSON request in body: ")
    if not told.get("data"):
        raise Refusal("Must specify at least one data instance using 'data' field")
    for name in told["data"]:
        repo.instance(str(name))
    return _merged(repo, _parents(repos, told), told, ranked=True)


def _parents(repos: Repos, told: Object) -> tuple[Node, ...]:
    uuids = told.get("parents")
    if not isinstance(uuids, Iterable) or len(parents := tuple(repos.find(str(uuid))[1] for uuid in uuids)) < 2:
        raise Refusal("Must specify at least two parent UUIDs using 'parents' field")
    return parents


def _merged(repo: Repo, parents: tuple[Node, ...], told: Object, *, ranked: bool = False) -> Response:
    child = repo.grow(parents, parents[0].branch, told.get("note", ""), told.get("uuid"), ranked=ranked)
    return as_json({"child": child.uuid})
