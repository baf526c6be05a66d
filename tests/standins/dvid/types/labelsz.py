"""How many synapses, or voxels, a body has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Refusal, as_json, done, unsigned
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
    """Counts by body."""

    typename, source = "labelsz", "labelsz"

    def extended(self) -> dict[str, Any]:
        """What ``/info`` tells beyond the common part."""
        return {"StaticROI": ""}

    def counts(self, node: Node, kind: str) -> Counter[int]:
        """How many there are of a kind, by body."""
        if kind == "Voxels":
            labels = self.followed(LabelMap)
            return Counter({label: index.size for label, index in labels.existing(node).items()} if labels else {})
        if kind not in _KINDS:
            raise Refusal(f'unknown index type specified ("{kind}")')
        annotation = self.followed(Annotation)
        elements = annotation.with_labels(node) if annotation else []
        return Counter(label for label, element in elements if label and element["Kind"] in _KINDS[kind])

    def ranked(self, node: Node, kind: str) -> list[dict[str, int]]:
        """Bodies, the largest count first."""
        order = sorted(self.counts(node, kind).items(), key=lambda item: (-item[1], item[0]))
        return [{"Label": label, "Size": n} for label, n in order]

    @route("GET", "count")
    def get_count(self, node: Node, call: Call) -> Response:
        """The count of one body."""
        label, kind = call.number(1), call.part(2)
        return as_json({"Label": label, kind: self.counts(node, kind)[label]})

    @route("GET", "counts")
    def get_counts(self, node: Node, call: Call) -> Response:
        """The counts of the bodies that the body of the request lists."""
        kind = call.part(1)
        counts = self.counts(node, kind)
        return as_json([{"Label": label, kind: counts[label]} for label in call.json(Ids)])

    @route("GET", "top")
    def get_top(self, node: Node, call: Call) -> Response:
        """The bodies with the largest counts."""
        return as_json(self.ranked(node, call.part(2))[: call.number(1)])

    @route("GET", "threshold")
    def get_threshold(self, node: Node, call: Call) -> Response:
        """The bodies with at least a count."""
        least, start = call.number(1), unsigned(call.query.get("offset") or "0")
        large = [entry for entry in self.ranked(node, call.part(2)) if entry["Size"] >= least]
        return as_json(large[start : start + unsigned(call.query.get("n") or "10000")])

    @route("POST", "reload")
    def reload(self, node: Node, call: Call) -> Response:
        """Nothing to do: counts are made when they are asked for."""
        return done()
