"""Properties of neurons: a JSON object per body, with user and time of each field."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, empty_not_found, empty_response, json_response, unsigned
from standins.dvid.codecs import protobuf
from standins.dvid.instances import Tagged, route
from standins.dvid.types.keyvalue import pack
from standins.dvid.types.neuron_query import matches, parse_queries
from standins.dvid.versions import Node, Versioned, now

Neuron = Mapping[str, Any]

_SHOW = {"": (), "user": ("_user",), "time": ("_time",), "all": ("_user", "_time")}
_PROVENANCE, _WITHOUT_PROVENANCE = ("_user", "_time"), {"bodyid", "user"}
_SCHEMA_KEYS = {"schema", "schema_batch"}
"""Keys of schemas instead of neurons."""


class NeuronJson(Tagged):
    """JSON objects by body."""

    typename, source = "neuronjson", "neuronjson"

    def create(self, options: Mapping[str, str]) -> None:
        """Create an empty instance."""
        self.neurons: Versioned[str, Neuron] = Versioned()
        self.schemas: Versioned[str, bytes] = Versioned()

    def all(self, node: Node) -> dict[str, Neuron]:
        """Return all neurons by key, sorted by body id."""
        return dict(sorted(self.neurons.items(node).items(), key=lambda item: (len(item[0]), item[0])))

    def update(self, node: Node, call: Call, key: str, body: bytes) -> None:
        """Merge fields into a neuron, or with ``replace`` replace all its fields."""
        user, _ = call.author
        if not user:
            raise Refusal("cannot alter neuronjson data without a valid user")
        if key in _SCHEMA_KEYS:
            self.schemas.put(node, key, body)
            return
        payload = replace(call, body=body).json(dict[str, Any])
        if "bodyid" not in payload:
            raise Refusal("neuronjson data must have 'bodyid' field")
        if not unsigned(key):
            raise Refusal("body id 0 is reserved and so cannot be stored")
        old = self.neurons.get(node, key) or {}
        if call.flag("replace"):
            self.neurons.put(node, key, _add_provenance(old, payload, user))
        else:
            kept = {field for field in call.query.get("conditionals", "").split(",") if field in old}
            payload |= {field: old[field] for field in kept}
            self.neurons.put(node, key, {**old, **_add_provenance(old, payload, user)})

    def get(self, node: Node, call: Call, key: str) -> bytes | None:
        """Return the JSON of a neuron or schema, None if there is none."""
        if key in _SCHEMA_KEYS:
            return self.schemas.get(node, key)
        neuron = self.neurons.get(node, str(unsigned(key)))
        return json.dumps(_visible(neuron, call)).encode() if neuron else None

    @route("POST", "key")
    def post_key(self, node: Node, call: Call) -> Response:
        """Change one neuron."""
        self.update(node, call, call.part(1), call.body)
        return empty_response()

    @route("GET HEAD", "key")
    def get_key(self, node: Node, call: Call) -> Response:
        """Return one neuron."""
        found = self.get(node, call, call.part(1))
        if found is None:
            raise Refusal(f'Key "{call.part(1)}" not found', 404, bare=True)
        return Response(found, media_type="text/plain")

    @route("DELETE", "key")
    def delete_key(self, node: Node, call: Call) -> Response:
        """Delete one neuron."""
        if call.part(1) in _SCHEMA_KEYS:
            self.schemas.delete(node, call.part(1))
        else:
            self.neurons.delete(node, str(call.number(1)))
        return empty_response()

    @route("GET", "keys")
    def keys(self, node: Node, call: Call) -> Response:
        """Return the keys of all neurons."""
        return json_response(list(self.all(node)))

    @route("GET", "all")
    def get_all(self, node: Node, call: Call) -> Response:
        """Return all neurons with visible fields besides their body."""
        visible = (_visible(neuron, call) for neuron in self.all(node).values())
        return json_response([neuron for neuron in visible if len(neuron) > 1])

    @route("GET", "fields")
    def fields(self, node: Node, call: Call) -> Response:
        """Return the names of all fields, with their numbers if ``counts`` is set."""
        counts = Counter(field for neuron in self.all(node).values() for field in neuron)
        return json_response(counts if call.flag("counts") else list(counts))

    @route("GET", "fieldtimes")
    def fieldtimes(self, node: Node, call: Call) -> Response:
        """Return the time of the last change of each field."""
        times: dict[str, str] = {}
        for neuron in self.all(node).values():
            for field, value in neuron.items():
                if field.endswith("_time"):
                    times[field] = max(times.get(field, ""), value)
        return json_response(times)

    def _between(self, node: Node, call: Call) -> dict[str, Neuron]:
        first, last = call.number(1), call.number(2)
        return {key: neuron for key, neuron in self.all(node).items() if first <= int(key) <= last}

    @route("GET", "keyrange")
    def keyrange(self, node: Node, call: Call) -> Response:
        """Return the keys in a range of body ids."""
        return json_response(list(self._between(node, call)))

    @route("GET", "keyrangevalues")
    def keyrangevalues(self, node: Node, call: Call) -> Response:
        """Return the neurons in a range of body ids."""
        return pack({key: self.get(node, call, key) for key in self._between(node, call)}, call)

    @route("GET", "keyvalues")
    def get_keyvalues(self, node: Node, call: Call) -> Response:
        """Return the neurons of the keys in the body; in JSON, only those that exist."""
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
        return empty_response()

    @route("GET POST", "query")
    def query(self, node: Node, call: Call) -> Response:
        """Return the neurons that match one of several objects; a POST counts as a change."""
        queries = parse_queries(call)
        found = [neuron for neuron in self.all(node).values() if any(matches(neuron, query) for query in queries)]
        if call.flag("onlyid"):
            return json_response([neuron["bodyid"] for neuron in found])
        return json_response([_visible(neuron, call) for neuron in found])

    @route("GET HEAD", "json_schema")
    @route("GET HEAD", "schema")
    @route("GET HEAD", "schema_batch")
    def get_schema(self, node: Node, call: Call) -> Response:
        """Return a schema."""
        schema = self.schemas.get(node, call.parts[0])
        if schema is None:
            raise empty_not_found()
        return Response(schema, media_type="application/json")

    @route("POST", "json_schema")
    @route("POST", "schema")
    @route("POST", "schema_batch")
    def post_schema(self, node: Node, call: Call) -> Response:
        """Store a schema."""
        self.schemas.put(node, call.parts[0], call.body)
        return empty_response()

    @route("DELETE", "json_schema")
    @route("DELETE", "schema")
    @route("DELETE", "schema_batch")
    def delete_schema(self, node: Node, call: Call) -> Response:
        """Delete a schema."""
        self.schemas.delete(node, call.parts[0])
        return empty_response()


def _add_provenance(old: Neuron, payload: Neuron, user: str) -> Neuron:
    """Return the new fields, with user and time of those that change."""
    changed = {field: value for field, value in payload.items() if field not in old or old[field] != value}
    provenance: dict[str, Any] = {}
    for field in changed:
        if field not in _WITHOUT_PROVENANCE and not field.endswith(_PROVENANCE):
            provenance |= {f"{field}_user": user, f"{field}_time": now()}
    return {**payload, **{field: value for field, value in provenance.items() if field not in changed}}


def _visible(neuron: Neuron, call: Call) -> Neuron:
    shown = _SHOW.get(call.query.get("show", ""), ())
    hidden = tuple(suffix for suffix in _PROVENANCE if suffix not in shown)
    selected = [field for field in call.query.get("fields", "").split(",") if field]
    if selected:
        names = ["bodyid", *(field + suffix for field in selected for suffix in ("", *shown))]
        return {field: neuron[field] for field in sorted({*names}) if field in neuron}
    return {field: value for field, value in sorted(neuron.items()) if not (hidden and field.endswith(hidden))}
