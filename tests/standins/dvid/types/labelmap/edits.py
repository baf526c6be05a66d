"""Edits of bodies."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Refusal, empty_response, json_response
from standins.dvid.codecs import protobuf
from standins.dvid.instances import route
from standins.dvid.types.labelmap.history import History
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.versions import Node


class Edits(History):
    """Requests that change bodies."""

    def map_to(self, node: Node, supervoxels: Iterable[int], body: int) -> None:
        """Map supervoxels to a body; the label of a body without a supervoxel of that id maps to 0."""
        unique = set(supervoxels)
        for supervoxel in unique:
            self.mapping.put(node, supervoxel, body)
        if body not in unique:
            self.mapping.put(node, body, 0)

    @route("POST", "merge")
    def merge(self, node: Node, call: Call) -> Response:
        """Merge bodies into the first one."""
        labels = call.json(Ids, "Bad merge op JSON: ")
        shown = " ".join(map(str, labels))
        if len(labels) < 2:
            raise Refusal(f"invalid merge tuple [{shown}], need at least target and to-merge labels")
        if 0 in labels:
            raise Refusal(f"invalid merge tuple [{shown}] -- cannot contain background label 0")
        target, others = labels[0], list(dict.fromkeys(labels[1:]))
        mutation = self.repo.next_mutation()
        try:
            index = self._merge_indices(node, target, others)
        except Refusal as refusal:
            raise Refusal(f"Error on merge: {refusal.message}") from None
        for label in others:
            for supervoxel in self.body(node, label).supervoxels:
                self.mapping.put(node, supervoxel, target)
            self.bodies.delete(node, label)
        self.put_body(node, target, self.stamp(index, mutation, call))
        self.record(node, call, "merge-complete", MutationID=mutation, Target=target, Labels=others)
        return json_response({"MutationID": mutation})

    def _merge_indices(self, node: Node, target: int, others: list[int]) -> LabelIndex:
        index = self.bodies.get(node, target)
        if index is None:
            raise Refusal(f"can't merge into a non-existent label {target}")
        for label in others:
            other = self.bodies.get(node, label)
            if other is None:
                raise Refusal(f"can't merge non-existent label {label}")
            shared = other.supervoxels.keys() & index.supervoxels.keys()
            if shared:
                raise Refusal(f"supervoxel {min(shared)} already in index for target label {target}")
            index = index.add(other.blocks)
        return index

    @route("POST", "cleave")
    def cleave(self, node: Node, call: Call) -> Response:
        """Split supervoxels off a body; a refused request consumes an id, too."""
        label = call.number(1)
        if not label:
            raise Refusal("Label 0 is protected background value and cannot be used as cleave target\n")
        (new_label,) = self.new_labels(node, 1)
        if not call.body:
            raise Refusal("no cleave supervoxels JSON was POSTed")
        supervoxels = call.json(Ids, "bad cleave supervoxels JSON: ")
        mutation = self.repo.next_mutation()
        index = self._cleavable(node, label, supervoxels)
        part = self.stamp(index.select(supervoxels), mutation, call)
        rest = self.stamp(index.exclude(supervoxels), mutation, call)
        self.put_body(node, new_label, part)
        self.put_body(node, label, rest)
        self.map_to(node, supervoxels, new_label)
        details = {"OrigLabel": label, "CleavedLabel": new_label, "CleavedSupervoxels": supervoxels}
        self.record(
            node, call, "cleave-complete", MutationID=mutation, CleavedSize=part.size, RemainSize=rest.size, **details
        )
        return json_response({"CleavedLabel": new_label, "MutationID": mutation})

    def _cleavable(self, node: Node, label: int, supervoxels: list[int]) -> LabelIndex:
        index = self.bodies.get(node, label)
        if index is None:
            raise Refusal(f"cannot cleave non-existent label {label}")
        remaining = set(index.supervoxels)
        for supervoxel in supervoxels:
            if supervoxel not in remaining:
                text = f"cannot cleave supervoxel {supervoxel}, which does not exist in label {label} ({self.name})"
                raise Refusal(text)
            remaining.discard(supervoxel)
        if not remaining:
            raise Refusal(f"cannot cleave all supervoxels from the label {label}")
        return index

    @route("POST", "renumber")
    def renumber(self, node: Node, call: Call) -> Response:
        """Give bodies new labels; the request lists new, old, new, old, …"""
        labels = call.json(Ids, "Bad renumber op JSON: ")
        if not labels or len(labels) % 2:
            text = "must be even list of numbers [new1, old1, new2, old2, ...]"
            raise Refusal(f"Bad renumber op JSON, {text}")
        for new, old in zip(labels[::2], labels[1::2], strict=True):
            self._renumber(node, call, new, old)
        return empty_response()

    def _renumber(self, node: Node, call: Call, new: int, old: int) -> None:
        mutation = self.repo.next_mutation()
        index = self.bodies.get(node, old)
        if index is None:
            raise Refusal(f"Error on merge: can't renumber non-existent body with label {old}")
        if not new or self.bodies.get(node, new) is not None:
            raise Refusal(f"Error on merge: can't renumber body {old} to {new}, which is in use")
        self.register_label(node, new)
        self.bodies.delete(node, old)
        self.put_body(node, new, self.stamp(index, mutation, call))
        self.map_to(node, index.supervoxels, new)
        self.record(node, call, "renumber-complete", MutationID=mutation, NewLabel=new, OrigLabel=old)

    @route("POST", "mappings")
    def post_mappings(self, node: Node, call: Call) -> Response:
        """Map supervoxels to bodies without changing an index."""
        for operation in protobuf.messages(protobuf.decode(call.body), 1):
            body = protobuf.number(dict(operation).get(2, 0))
            for number, value in operation:
                if number == 3:
                    for supervoxel in protobuf.packed(value):
                        self.mapping.put(node, supervoxel, body)
        return empty_response()
