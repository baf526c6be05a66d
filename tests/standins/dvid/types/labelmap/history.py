"""What was changed of bodies, and what was split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, as_json
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.labelmap.state import LabelState
from standins.dvid.types.recorded import Mutation, Recorded
from standins.dvid.versions import Node, now


class History(LabelState, Recorded):
    """The memory of edits, and the requests that ask for it."""

    def create(self, options: Mapping[str, str]) -> None:
        """Start without a history."""
        super().create(options)
        self.splits: dict[int, list[list[int]]] = {}

    def stamp(self, index: LabelIndex, mutation: int, call: Call) -> LabelIndex:
        """Book a change of an index on who has sent it."""
        user, app = call.author
        return replace(index, mutation=mutation, time=now(), user=user, app=app)

    @route("GET", "supervoxel-splits")
    def get_splits(self, node: Node, call: Call) -> Response:
        """The splits of the version, then of its ancestors."""
        told: list[Any] = []
        for ancestor in node.lineage:
            if ancestor.number in self.splits:
                told += [ancestor.uuid, self.splits[ancestor.number]]
        return as_json(told)

    @route("GET", "history")
    def get_history(self, node: Node, call: Call) -> Response:
        """The edits from one version to another that concern a label."""
        label, path = call.label(), self.path(call.part(2), call.part(3))
        own = [m for step in path for m in self.done_in(step, call) if label in _labels(m)]
        return Response("".join(json.dumps(mutation) for mutation in own), media_type="text/plain")


def _labels(mutation: Mutation) -> set[int]:
    single = {mutation.get(name) for name in ("Target", "OrigLabel", "CleavedLabel", "Body", "NewLabel")}
    return {label for label in (*single, *mutation.get("Labels", ())) if label is not None}
