"""What was changed in which version, by whom, and what was split."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from voxome.testing.dvid.calls import Call, Refusal, as_json, octets
from voxome.testing.dvid.instances import route
from voxome.testing.dvid.types.labelmap.index import LabelIndex
from voxome.testing.dvid.types.labelmap.state import LabelState
from voxome.testing.dvid.versions import Node, now

Mutation = dict[str, Any]


class History(LabelState):
    """The memory of edits, and the requests that ask for it."""

    def create(self, options: Any) -> None:
        """Start without a history."""
        super().create(options)
        self.history: dict[int, list[Mutation]] = {}
        self.splits: dict[int, list[list[int]]] = {}
        self.blobs: dict[str, bytes] = {}

    def stamp(self, index: LabelIndex, mutation: int, call: Call) -> LabelIndex:
        """Book a change of an index on who has sent it."""
        user, app = call.author
        return replace(index, mutation=mutation, time=now(), user=user, app=app)

    def record(self, node: Node, call: Call, mutation: int, action: str, **told: Any) -> None:
        """Add to the history of a version."""
        user, app = call.author
        self.history.setdefault(node.number, []).append(
            {
                "Action": f"{action}-complete",
                "MutationID": mutation,
                "UUID": node.uuid,
                "User": user,
                "App": app,
                "Timestamp": str(datetime.now(UTC)),
                **told,
            }
        )

    def keep(self, content: bytes) -> str:
        """Store what the history refers to; the name that it is found by."""
        name = hashlib.blake2b(content, digest_size=16).hexdigest()
        self.blobs[name] = content
        return name

    @route("GET", "blobstore")
    def get_blob(self, node: Node, call: Call) -> Response:
        """What the history refers to."""
        name = call.part(1)
        if name not in self.blobs:
            raise Refusal(f"no blob {name}", 404)
        return octets(self.blobs[name])

    @route("GET", "supervoxel-splits")
    def get_splits(self, node: Node, call: Call) -> Response:
        """The splits of the version, then of its ancestors."""
        told: list[Any] = []
        for ancestor in node.lineage:
            if ancestor.number in self.splits:
                told += [ancestor.uuid, self.splits[ancestor.number]]
        return as_json(told)

    @route("GET", "mutations")
    def get_mutations(self, node: Node, call: Call) -> Response:
        """The edits of one version."""
        return _stream(self._of(node, call))

    @route("GET", "mutations-range")
    def get_mutations_range(self, node: Node, call: Call) -> Response:
        """The edits from one version to another."""
        path = self._path(call.part(1), call.part(2))
        return _stream([mutation for step in path for mutation in self._of(step, call)])

    @route("GET", "history")
    def get_history(self, node: Node, call: Call) -> Response:
        """The edits from one version to another that concern a label."""
        label, path = call.number(1), self._path(call.part(2), call.part(3))
        own = [m for step in path for m in self._of(step, call) if label in _labels(m)]
        return Response("".join(json.dumps(mutation) for mutation in own), media_type="text/plain")

    def _of(self, node: Node, call: Call) -> list[Mutation]:
        user = call.query.get("userid")
        return [m for m in self.history.get(node.number, []) if user is None or m["User"] == user]

    def _path(self, first: str, last: str) -> list[Node]:
        start, end = (self.repo.version(text) for text in (first, last))
        if start not in end.lineage:
            raise Refusal(f"{start.uuid} is not an ancestor of {end.uuid}")
        return [node for node in reversed(end.lineage) if node is start or start in node.lineage]


def _stream(mutations: list[Mutation]) -> Response:
    return Response(json.dumps(mutations), media_type="text/plain")


def _labels(mutation: Mutation) -> set[int]:
    single = {mutation.get(name) for name in ("Target", "OrigLabel", "CleavedLabel", "Body", "NewLabel")}
    return {label for label in (*single, *mutation.get("Labels", ())) if label is not None}
