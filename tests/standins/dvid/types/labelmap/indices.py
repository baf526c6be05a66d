"""Label indices as protobuf messages, and label ids in use."""

from __future__ import annotations

import struct

from starlette.responses import Response

from standins.dvid.calls import (
    Call,
    Ids,
    Refusal,
    binary_response,
    empty_not_found,
    empty_response,
    json_response,
    unsigned,
)
from standins.dvid.codecs import compression, protobuf
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex, decode, encode
from standins.dvid.types.labelmap.state import LabelState
from standins.dvid.versions import Node

MAX_LABEL, MAX_INDICES = 1 << 48, 50_000


class Indices(LabelState):
    """Requests for indices and ids."""

    @route("GET", "index")
    def get_index(self, node: Node, call: Call) -> Response:
        """Return the index of one label; only specially configured servers keep earlier ones (``mutid``)."""
        label = call.label()
        if "mutid" in call.query:
            unsigned(call.query["mutid"])
            raise empty_not_found()
        index = self.body(node, label)
        if call.flag("metadata-only"):
            return json_response(
                {
                    "num_voxels": index.size,
                    "last_mutid": index.mutation,
                    "last_mod_time": index.time,
                    "last_mod_user": index.user,
                    "last_mod_app": index.app,
                }
            )
        return binary_response(encode(label, index))

    @route("POST", "index")
    def post_index(self, node: Node, call: Call) -> Response:
        """Set the index of one label."""
        label, (encoded, index) = call.label(), decode(call.body)
        if encoded != label:
            raise Refusal(f"serialized Index was for label {encoded} yet was POSTed to label {label}")
        self.put_body(node, label, index)
        return empty_response()

    @route("GET", "indices")
    def get_indices(self, node: Node, call: Call) -> Response:
        """Return the indices of the labels in the body; empty for unknown labels."""
        labels = _requested_labels(call)
        indices = ((label, self.bodies.get(node, label) or LabelIndex()) for label in labels)
        return binary_response(protobuf.encode((1, encode(label, index)) for label, index in indices))

    @route("POST", "indices")
    def post_indices(self, node: Node, call: Call) -> Response:
        """Set the indices of several labels."""
        for number, message in protobuf.decode(call.body):
            if number == 1:
                self.put_body(node, *decode(protobuf.content(message)))
        return empty_response()

    @route("GET", "indices-compressed")
    def get_compressed(self, node: Node, call: Call) -> Response:
        """Return the indices of the labels in the body as length, label and LZ4 block; length 0 for unknown labels."""
        out = []
        for label in _requested_labels(call):
            index = self.bodies.get(node, label)
            record = b""
            if index is not None:
                plain = encode(label, index)
                record = struct.pack("<BI", 0x80, len(plain)) + compression.lz4(plain)
            out.append(struct.pack("<2Q", len(record), label) + record)
        return binary_response(b"".join(out))

    @route("GET", "index-version")
    def get_index_version(self, node: Node, call: Call) -> Response:
        """Return the version that last wrote an index."""
        label = call.label()
        self.body(node, label)
        where = self.bodies.where(node, label)
        return Response(where.uuid if where else "", media_type="text/plain")

    @route("GET", "lastmod")
    def get_lastmod(self, node: Node, call: Call) -> Response:
        """Return who last changed a label."""
        index = self.body(node, call.label())
        return json_response(
            {
                "mutation id": index.mutation,
                "last mod user": index.user,
                "last mod app": index.app,
                "last mod time": index.time,
            }
        )

    @route("GET", "maxlabel")
    def get_maxlabel(self, node: Node, call: Call) -> Response:
        """Return the largest label of the version."""
        largest = self.largest(node)
        if not largest:
            raise Refusal(f"No maximum label found for {self.name} version {node.number}\n")
        return json_response({"maxlabel": largest})

    @route("POST", "maxlabel")
    def post_maxlabel(self, node: Node, call: Call) -> Response:
        """Raise the largest label; a lower value changes nothing."""
        call.check_admin("POST /maxlabel")
        label = call.label()
        if label > MAX_LABEL:
            raise Refusal(f"label {label} exceeds the largest plausible label {MAX_LABEL}")
        self.register_label(node, label)
        return empty_response()

    @route("GET", "nextlabel")
    def get_nextlabel(self, node: Node, call: Call) -> Response:
        """Return the next label id."""
        return json_response({"nextlabel": (self.next_label or self.max_repo_label) + 1})

    @route("POST", "nextlabel")
    def post_nextlabel(self, node: Node, call: Call) -> Response:
        """Reserve label ids."""
        count = call.number(1)
        if not count:
            raise Refusal("cannot request 0 new labels, must be 1 or more")
        labels = self.new_labels(node, count)
        return json_response({"start": labels[0], "end": labels[-1]})

    @route("POST", "set-nextlabel")
    def set_nextlabel(self, node: Node, call: Call) -> Response:
        """Set the label id after which ids are reserved, and optionally the largest one."""
        call.check_admin("POST /set-nextlabel")
        label, ceiling = call.label(), unsigned(call.query.get("ceiling") or str(self.ceiling))
        if ceiling and ceiling < label + 1:
            raise Refusal(f"ceiling {ceiling} is below the next label {label + 1}")
        self.next_label, self.ceiling = label, ceiling
        return empty_response()


def _requested_labels(call: Call) -> Ids:
    labels = call.json(Ids, "error getting protobuf label indices: expected JSON label array: ")
    if len(labels) > MAX_INDICES:
        raise Refusal(f"only {MAX_INDICES} label indices can be returned at a time, {len(labels)} given")
    return labels
