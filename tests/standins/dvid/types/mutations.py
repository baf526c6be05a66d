"""Instances with a log of mutations by version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal
from standins.dvid.instances import Instance, route
from standins.dvid.versions import Node

if TYPE_CHECKING:
    from standins.dvid.repos import Repo

Mutation = dict[str, Any]


class MutationLog(Instance):
    """Instance with a log of mutations."""

    def __init__(self, name: str, repo: Repo, options: Mapping[str, str]) -> None:
        self.history: dict[int, list[Mutation]] = {}
        super().__init__(name, repo, options)

    def record(self, node: Node, call: Call, action: str, **details: Any) -> None:
        """Add a mutation to the log of a version."""
        author = zip(("User", "App"), call.author, strict=True)
        mutation = {"Action": action, "UUID": node.uuid, "Timestamp": str(datetime.now(UTC)), **details}
        self.history.setdefault(node.number, []).append(mutation | {name: value for name, value in author if value})

    @route("GET", "mutations")
    def get_mutations(self, node: Node, call: Call) -> Response:
        """Return the mutations in one version."""
        return _stream(self.mutations_in(node, call))

    @route("GET", "mutations-range")
    def get_mutations_range(self, node: Node, call: Call) -> Response:
        """Return the mutations from one version to another."""
        path = self.path(call.part(1), call.part(2))
        return _stream([mutation for step in path for mutation in self.mutations_in(step, call)])

    def mutations_in(self, node: Node, call: Call) -> list[Mutation]:
        """Return the mutations in a version, of the user in the query, if any."""
        user = call.query.get("userid")
        return [m for m in self.history.get(node.number, []) if not user or m.get("User", "") == user]

    def path(self, first: str, last: str) -> list[Node]:
        """Return the versions from one to another."""
        start, end = (self.repo.version(text) for text in (first, last))
        if start not in end.lineage:
            raise Refusal(f"{start.uuid} is not an ancestor of {end.uuid}")
        return [node for node in reversed(end.lineage) if node is start or start in node.lineage]


def _stream(mutations: list[Mutation]) -> Response:
    return Response(json.dumps(mutations), media_type="text/plain")
