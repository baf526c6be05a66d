"""The index of labels, as protobuf messages, and the label ids in use."""

from __future__ import annotations

import struct

from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Refusal, absent, as_json, done, octets, unsigned
from standins.dvid.codecs import compression, protobuf
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex, decode, encode
from standins.dvid.types.labelmap.state import LabelState
from standins.dvid.versions import Node

MOST_LABEL, MOST_INDICES = 1 << 48, 50_000


class Indices(LabelState):
    """The requests that carry indices."""

    @route("GET", "index")
    def get_index(self, node: Node, call: Call) -> Response:
        """The index of one label; earlier ones (``mutid``) are kept only by servers that are set up to."""
        label = call.label()
        if "mutid" in call.query:
            unsigned(call.query["mutid"])
            raise absent()
        index = self.body(node, label)
        if call.flag("metadata-only"):
            return as_json(
                {
                    "num_voxels": index.size,
                    "last_mutid": index.mutation,
                    "last_mod_time": index.time,
                    "last_mod_user": index.user,
                    "last_mod_app": index.app,
                }
            )
        return octets(encode(label, index))

    @route("POST", "index")
    def post_index(self, node: Node, call: Call) -> Response:
        """Set the index of one label."""
        label, (told, index) = call.label(), decode(call.body)
        if told != label:
            raise Refusal(f"serialized Index was for label {told} yet was POSTed to label {label}")
        self.put_body(node, label, index)
        return done()

    @route("GET", "indices")
    def get_indices(self, node: Node, call: Call) -> Response:
        """The indices of the labels in the body, empty ones for unknown labels."""
        labels = _asked(call)
        indices = ((label, self.bodies.get(node, label) or LabelIndex()) for label in labels)
        return octets(protobuf.encode((1, encode(label, index)) for label, index in indices))

    @route("POST", "indices")
    def post_indices(self, node: Node, call: Call) -> Response:
        """Set the indices of several labels."""
        for number, message in protobuf.decode(call.body):
            if number == 1:
                self.put_body(node, *decode(protobuf.content(message)))
        return done()

    @route("GET", "indices-compressed")
    def get_compressed(self, node: Node, call: Call) -> Response:
        """The indices of the labels in the body: length, label, and an LZ4 block; length 0 for unknown labels."""
        out = []
        for label in _asked(call):
            index = self.bodies.get(node, label)
            record = b""
            if index is not None:
                plain = encode(label, index)
                record = struct.pack("<BI", 0x80, len(plain)) + compression.lz4(plain)
            out.append(struct.pack("<2Q", len(record), label) + record)
        return octets(b"".join(out))

    @route("GET", "index-version")
    def get_index_version(self, node: Node, call: Call) -> Response:
        """The version that has written an index last."""
        label = call.label()
        self.body(node, label)
        where = self.bodies.where(node, label)
        return Response(where.uuid if where else "", media_type="text/plain")

    @route("GET", "lastmod")
    def get_lastmod(self, node: Node, call: Call) -> Response:
        """Who has changed a label last."""
        index = self.body(node, call.label())
        return as_json(
            {
                "mutation id": index.mutation,
                "last mod user": index.user,
                "last mod app": index.app,
                "last mod time": index.time,
            }
        )

    @route("GET", "maxlabel")
    def get_maxlabel(self, node: Node, call: Call) -> Response:
        """The largest label of the version."""
        largest = self.largest(node)
        if not largest:
            raise Refusal(f"No maximum label found for {self.name} version {node.number}\n")
        return as_json({"maxlabel": largest})

    @route("POST", "maxlabel")
    def post_maxlabel(self, node: Node, call: Call) -> Response:
        """Raise the largest label; a lower one changes nothing."""
        call.check_admin("POST /maxlabel")
        label = call.label()
        if label > MOST_LABEL:
            raise Refusal(f"label {label} exceeds the largest plausible label {MOST_LABEL}")
        self.saw(node, label)
        return done()

    @route("GET", "nextlabel")
    def get_nextlabel(self, node: Node, call: Call) -> Response:
        """The label id that is given out next."""
        return as_json({"nextlabel": (self.next_label or self.max_repo_label) + 1})

    @route("POST", "nextlabel")
    def post_nextlabel(self, node: Node, call: Call) -> Response:
        """Give out label ids."""
        count = call.number(1)
        if not count:
            raise Refusal("cannot request 0 new labels, must be 1 or more")
        labels = self.new_labels(node, count)
        return as_json({"start": labels[0], "end": labels[-1]})

    @route("POST", "set-nextlabel")
    def set_nextlabel(self, node: Node, call: Call) -> Response:
        """Set the label id after which ids are given out, and the last one that may be."""
        call.check_admin("POST /set-nextlabel")
        label, ceiling = call.label(), unsigned(call.query.get("ceiling") or str(self.ceiling))
        if ceiling and ceiling < label + 1:
            raise Refusal(f"ceiling {ceiling} is below the next label {label + 1}")
        self.next_label, self.ceiling = label, ceiling
        return done()


def _asked(call: Call) -> Ids:
    labels = call.json(Ids, "error getting protobuf label indices: expected JSON label array: ")
    if len(labels) > MOST_INDICES:
        raise Refusal(f"only {MOST_INDICES} label indices can be returned at a time, {len(labels)} given")
    return labels
