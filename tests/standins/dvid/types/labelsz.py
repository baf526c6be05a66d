"""Numbers of synapses or voxels of bodies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Refusal, empty_response, json_response, unsigned
from standins.dvid.instances import Synced, route
from standins.dvid.types.annotation import Annotation
from standins.dvid.types.labelmap.instance import LabelMap
from standins.dvid.versions import Node

_KINDS: Mapping[str, set[str]] = {
    "PostSyn": {"PostSyn"},
    "PreSyn": {"PreSyn"},
    "Gap": {"Gap"},
    "Note": {"Note"},
    "AllSyn": {"PostSyn", "PreSyn"},
}


class LabelSizes(Synced):
    """Numbers of annotated points, or voxels, by body."""

    typename, source = "labelsz", "labelsz"

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        return {"StaticROI": ""}

    def counts(self, node: Node, kind: str) -> Counter[int]:
        """Return the numbers of a kind by body."""
        if kind == "Voxels":
            labels = self.synced(LabelMap)
            return Counter(
                {label: index.size for label, index in labels.existing_bodies(node).items()} if labels else {}
            )
        if kind not in _KINDS:
            raise Refusal(f'unknown index type specified ("{kind}")')
        annotation = self.synced(Annotation)
        elements = annotation.with_labels(node) if annotation else []
        return Counter(label for label, element in elements if label and element["Kind"] in _KINDS[kind])

    def ranked(self, node: Node, kind: str) -> list[dict[str, int]]:
        """Return bodies with their counts, largest first."""
        order = sorted(self.counts(node, kind).items(), key=lambda item: (-item[1], item[0]))
        return [{"Label": label, "Size": n} for label, n in order]

    @route("GET", "count")
    def get_count(self, node: Node, call: Call) -> Response:
        """Return the count of one body."""
        label, kind = call.number(1), call.part(2)
        return json_response({"Label": label, kind: self.counts(node, kind)[label]})

    @route("GET", "counts")
    def get_counts(self, node: Node, call: Call) -> Response:
        """Return the counts of the bodies listed in the request."""
        kind = call.part(1)
        counts = self.counts(node, kind)
        return json_response([{"Label": label, kind: counts[label]} for label in call.json(Ids)])

    @route("GET", "top")
    def get_top(self, node: Node, call: Call) -> Response:
        """Return the bodies with the largest counts."""
        return json_response(self.ranked(node, call.part(2))[: call.number(1)])

    @route("GET", "threshold")
    def get_threshold(self, node: Node, call: Call) -> Response:
        """Return the bodies with at least some count."""
        minimum, start = call.number(1), unsigned(call.query.get("offset") or "0")
        large = [entry for entry in self.ranked(node, call.part(2)) if entry["Size"] >= minimum]
        return json_response(large[start : start + unsigned(call.query.get("n") or "10000")])

    @route("POST", "reload")
    def reload(self, node: Node, call: Call) -> Response:
        """Do nothing: counts are computed on request."""
        return empty_response()
