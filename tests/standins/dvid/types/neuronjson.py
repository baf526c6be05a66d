"""Properties of neurons: a JSON object a body, in which every field knows who has set it when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, absent, as_json, done, unsigned
from standins.dvid.codecs import protobuf
from standins.dvid.instances import Tagged, route
from standins.dvid.types.keyvalue import pack
from standins.dvid.types.neuron_query import matches, queries_of
from standins.dvid.versions import Node, Versioned, now

Neuron = Mapping[str, Any]

_SHOWN = {"": (), "user": ("_user",), "time": ("_time",), "all": ("_user", "_time")}
_BOOKED, _UNBOOKED = ("_user", "_time"), {"bodyid", "user"}
_SCHEMA_KEYS = {"schema", "schema_batch"}
"""Keys of a schema rather than of a neuron."""


class NeuronJson(Tagged):
    """JSON objects by body."""

    typename, source = "neuronjson", "neuronjson"

    def create(self, options: Mapping[str, str]) -> None:
        """Start empty."""
        self.neurons: Versioned[str, Neuron] = Versioned()
        self.schemas: Versioned[str, bytes] = Versioned()

    def all(self, node: Node) -> dict[str, Neuron]:
        """All neurons by key, in the order of body ids."""
        return dict(sorted(self.neurons.items(node).items(), key=lambda item: (len(item[0]), item[0])))

    def update(self, node: Node, call: Call, key: str, body: bytes) -> None:
        """Merge fields into a neuron, or put them in place of all fields with ``replace``."""
        user, _ = call.author
        if not user:
            raise Refusal("cannot alter neuronjson data without a valid user")
        if key in _SCHEMA_KEYS:
            self.schemas.put(node, key, body)
            return
        told = replace(call, body=body).json(dict[str, Any])
        if "bodyid" not in told:
            raise Refusal("neuronjson data must have 'bodyid' field")
        if not unsigned(key):
            raise Refusal("body id 0 is reserved and so cannot be stored")
        old = self.neurons.get(node, key) or {}
        if call.flag("replace"):
            self.neurons.put(node, key, _booked(old, told, user))
        else:
            kept = {field for field in call.query.get("conditionals", "").split(",") if field in old}
            told |= {field: old[field] for field in kept}
            self.neurons.put(node, key, {**old, **_booked(old, told, user)})

    def get(self, node: Node, call: Call, key: str) -> bytes | None:
        """The JSON of a neuron, or a schema."""
        if key in _SCHEMA_KEYS:
            return self.schemas.get(node, key)
        neuron = self.neurons.get(node, str(unsigned(key)))
        return json.dumps(_seen(neuron, call)).encode() if neuron else None

    @route("POST", "key")
    def post_key(self, node: Node, call: Call) -> Response:
        """Change one neuron."""
        self.update(node, call, call.part(1), call.body)
        return done()

    @route("GET HEAD", "key")
    def get_key(self, node: Node, call: Call) -> Response:
        """One neuron."""
        found = self.get(node, call, call.part(1))
        if found is None:
            raise Refusal(f'Key "{call.part(1)}" not found', 404, bare=True)
        return Response(found, media_type="text/plain")

    @route("DELETE", "key")
    def delete_key(self, node: Node, call: Call) -> Response:
        """Forget one neuron."""
        if call.part(1) in _SCHEMA_KEYS:
            self.schemas.delete(node, call.part(1))
        else:
            self.neurons.delete(node, str(call.number(1)))
        return done()

    @route("GET", "keys")
    def keys(self, node: Node, call: Call) -> Response:
        """The keys of all neurons."""
        return as_json(list(self.all(node)))

    @route("GET", "all")
    def get_all(self, node: Node, call: Call) -> Response:
        """All neurons of which more is seen than their body."""
        seen = (_seen(neuron, call) for neuron in self.all(node).values())
        return as_json([neuron for neuron in seen if len(neuron) > 1])

    @route("GET", "fields")
    def fields(self, node: Node, call: Call) -> Response:
        """The names of all fields, with how often they occur if ``counts`` is set."""
        counts = Counter(field for neuron in self.all(node).values() for field in neuron)
        return as_json(counts if call.flag("counts") else list(counts))

    @route("GET", "fieldtimes")
    def fieldtimes(self, node: Node, call: Call) -> Response:
        """When each field was changed last."""
        times: dict[str, str] = {}
        for neuron in self.all(node).values():
            for field, value in neuron.items():
                if field.endswith("_time"):
                    times[field] = max(times.get(field, ""), value)
        return as_json(times)

    def _between(self, node: Node, call: Call) -> dict[str, Neuron]:
        first, last = call.number(1), call.number(2)
        return {key: neuron for key, neuron in self.all(node).items() if first <= int(key) <= last}

    @route("GET", "keyrange")
    def keyrange(self, node: Node, call: Call) -> Response:
        """The keys in a range of body ids."""
        return as_json(list(self._between(node, call)))

    @route("GET", "keyrangevalues")
    def keyrangevalues(self, node: Node, call: Call) -> Response:
        """The neurons in a range of body ids."""
        return pack({key: self.get(node, call, key) for key in self._between(node, call)}, call)

    @route("GET", "keyvalues")
    def get_keyvalues(self, node: Node, call: Call) -> Response:
        """The neurons of the keys that the body names; in JSON, only of those that there are."""
        is_json = call.flag("json") or call.flag("jsontar") or call.flag("tar")
        keys = call.json(list[str | int]) if is_json else protobuf.decode_keys(call.body)
        found = {str(key): self.get(node, call, str(key)) for key in keys}
        if call.flag("json"):
            found = {key: value for key, value in found.items() if value is not None}
        return pack(found, call)

    @route("POST", "keyvalues")
    def post_keyvalues(self, node: Node, call: Call) -> Response:
        """Change the neurons of a protobuf message."""
        for key, value in protobuf.decode_keyvalues(call.body).items():
            self.update(node, call, key, value)
        return done()

    @route("GET POST", "query")
    def query(self, node: Node, call: Call) -> Response:
        """The neurons that match the fields of an object, or of any of several; a POST counts as a change."""
        queries = queries_of(call)
        found = [neuron for neuron in self.all(node).values() if any(matches(neuron, query) for query in queries)]
        if call.flag("onlyid"):
            return as_json([neuron["bodyid"] for neuron in found])
        return as_json([_seen(neuron, call) for neuron in found])

    @route("GET HEAD", "json_schema")
    @route("GET HEAD", "schema")
    @route("GET HEAD", "schema_batch")
    def get_schema(self, node: Node, call: Call) -> Response:
        """A schema that a client has left."""
        schema = self.schemas.get(node, call.parts[0])
        if schema is None:
            raise absent()
        return Response(schema, media_type="application/json")

    @route("POST", "json_schema")
    @route("POST", "schema")
    @route("POST", "schema_batch")
    def post_schema(self, node: Node, call: Call) -> Response:
        """Keep a schema."""
        self.schemas.put(node, call.parts[0], call.body)
        return done()

    @route("DELETE", "json_schema")
    @route("DELETE", "schema")
    @route("DELETE", "schema_batch")
    def delete_schema(self, node: Node, call: Call) -> Response:
        """Forget a schema."""
        self.schemas.delete(node, call.parts[0])
        return done()


def _booked(old: Neuron, told: Neuron, user: str) -> Neuron:
    """The fields that are told, with who has set those that change, and when."""
    changed = {field: value for field, value in told.items() if field not in old or old[field] != value}
    booked: dict[str, Any] = {}
    for field in changed:
        if field not in _UNBOOKED and not field.endswith(_BOOKED):
            booked |= {f"{field}_user": user, f"{field}_time": now()}
    return {**told, **{field: value for field, value in booked.items() if field not in changed}}


def _seen(neuron: Neuron, call: Call) -> Neuron:
    shown = _SHOWN.get(call.query.get("show", ""), ())
    hidden = tuple(suffix for suffix in _BOOKED if suffix not in shown)
    wanted = [field for field in call.query.get("fields", "").split(",") if field]
    if wanted:
        names = ["bodyid", *(field + suffix for field in wanted for suffix in ("", *shown))]
        return {field: neuron[field] for field in sorted({*names}) if field in neuron}
    return {field: value for field, value in sorted(neuron.items()) if not (hidden and field.endswith(hidden))}
