"""Edit history of bodies and splits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, json_response
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.labelmap.state import LabelState
from standins.dvid.types.mutations import Mutation, MutationLog
from standins.dvid.versions import Node, now


class History(LabelState, MutationLog):
    """Edit history, and the requests for it."""

    def create(self, options: Mapping[str, str]) -> None:
        """Create an empty history."""
        super().create(options)
        self.splits: dict[int, list[list[int]]] = {}

    def stamp(self, index: LabelIndex, mutation: int, call: Call) -> LabelIndex:
        """Return an index with mutation, user, app and time of a change."""
        user, app = call.author
        return replace(index, mutation=mutation, time=now(), user=user, app=app)

    @route("GET", "supervoxel-splits")
    def get_splits(self, node: Node, call: Call) -> Response:
        """Return the splits of the version, then of its ancestors."""
        splits: list[Any] = []
        for ancestor in node.lineage:
            if ancestor.number in self.splits:
                splits += [ancestor.uuid, self.splits[ancestor.number]]
        return json_response(splits)

    @route("GET", "history")
    def get_history(self, node: Node, call: Call) -> Response:
        """Return the edits of a label from one version to another."""
        label, path = call.label(), self.path(call.part(2), call.part(3))
        mutations = [m for step in path for m in self.mutations_in(step, call) if label in _labels(m)]
        return Response("".join(json.dumps(mutation) for mutation in mutations), media_type="text/plain")


def _labels(mutation: Mutation) -> set[int]:
    single = {mutation.get(name) for name in ("Target", "OrigLabel", "CleavedLabel", "Body", "NewLabel")}
    return {label for label in (*single, *mutation.get("Labels", ())) if label is not None}
