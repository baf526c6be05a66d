"""Properties of neurons: a JSON object a body, in which every field knows who has set it when."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.responses import Response

from voxome.testing.dvid.calls import Call, Refusal, as_json, done
from voxome.testing.dvid.codecs import protobuf
from voxome.testing.dvid.instances import Tagged, route
from voxome.testing.dvid.types.keyvalue import pack
from voxome.testing.dvid.versions import Node, Versioned, now

Neuron = Mapping[str, Any]

_SHOWN = {"": (), "user": ("_user",), "time": ("_time",), "all": ("_user", "_time")}
_BOOKED = ("_user", "_time")


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
        told = _object(body)
        if "bodyid" not in told:
            raise Refusal("neuronjson data must have 'bodyid' field")
        old = self.neurons.get(node, key) or {}
        kept = set(call.query.get("conditionals", "").split(","))
        told = {field: value for field, value in told.items() if field not in kept or field not in old}
        self.neurons.put(node, key, _merged({} if call.flag("replace") else old, told, user))

    @route("POST", "key")
    def post_key(self, node: Node, call: Call) -> Response:
        """Change one neuron."""
        self.update(node, call, call.part(1), call.body)
        return done()

    @route("GET HEAD", "key")
    def get_key(self, node: Node, call: Call) -> Response:
        """One neuron."""
        neuron = self.neurons.get(node, call.part(1))
        if neuron is None:
            raise Refusal(f'Key "{call.part(1)}" not found', 404, bare=True)
        return Response(json.dumps(_seen(neuron, call)), media_type="text/plain")

    @route("DELETE", "key")
    def delete_key(self, node: Node, call: Call) -> Response:
        """Forget one neuron."""
        self.neurons.delete(node, call.part(1))
        return done()

    @route("GET", "keys")
    def keys(self, node: Node, call: Call) -> Response:
        """The keys of all neurons."""
        return as_json(list(self.all(node)))

    @route("GET", "all")
    def get_all(self, node: Node, call: Call) -> Response:
        """All neurons."""
        return as_json([_seen(neuron, call) for neuron in self.all(node).values()])

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
        return _packed(self._between(node, call), call)

    @route("GET", "keyvalues")
    def get_keyvalues(self, node: Node, call: Call) -> Response:
        """The neurons of the keys that the body names."""
        is_json = call.flag("json") or call.flag("jsontar")
        keys = call.json(list[str | int]) if is_json else protobuf.decode_keys(call.body)
        return _packed({str(key): self.neurons.get(node, str(key)) for key in keys}, call)

    @route("POST", "keyvalues")
    def post_keyvalues(self, node: Node, call: Call) -> Response:
        """Change the neurons of a protobuf message."""
        for key, value in protobuf.decode_keyvalues(call.body).items():
            self.update(node, call, key, value)
        return done()

    @route("GET", "query")
    @route("POST", "query", reads=True)
    def query(self, node: Node, call: Call) -> Response:
        """The neurons that match the fields of an object, or of any of several."""
        several = call.body.lstrip().startswith(b"[")
        queries = call.json(list[dict[str, Any]]) if several else [call.json(dict[str, Any])]
        found = [neuron for neuron in self.all(node).values() if any(_matches(neuron, query) for query in queries)]
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
            raise Refusal("no schema", 404)
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


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        raise Refusal("invalid character looking for beginning of object key string") from None
    if not isinstance(told, dict):
        raise Refusal("neuronjson data must be a JSON object")
    return told


def _merged(old: Neuron, told: Neuron, user: str) -> Neuron:
    merged = dict(old)
    for field, value in told.items():
        if value is None:
            for name in (field, *(field + suffix for suffix in _BOOKED)):
                merged.pop(name, None)
        elif merged.get(field) != value:
            merged[field] = value
            if field != "bodyid" and not field.endswith(_BOOKED):
                merged |= {f"{field}_user": user, f"{field}_time": now()}
    return merged


def _seen(neuron: Neuron, call: Call) -> Neuron:
    shown = _SHOWN.get(call.query.get("show", ""), ())
    hidden = tuple(suffix for suffix in _BOOKED if suffix not in shown)
    wanted = {field for field in call.query.get("fields", "").split(",") if field}
    return {
        field: value
        for field, value in sorted(neuron.items())
        if not (hidden and field.endswith(hidden)) and (not wanted or field == "bodyid" or _base(field) in wanted)
    }


def _base(field: str) -> str:
    return next((field.removesuffix(suffix) for suffix in _BOOKED if field.endswith(suffix)), field)


def _packed(neurons: Mapping[str, Neuron | None], call: Call) -> Response:
    values = {key: json.dumps(_seen(neuron, call)).encode() if neuron else None for key, neuron in neurons.items()}
    return pack(values, call)


def _matches(neuron: Neuron, query: Neuron) -> bool:
    return all(_field_matches(neuron, field, wanted) for field, wanted in query.items())


def _field_matches(neuron: Neuron, field: str, wanted: Any) -> bool:
    choices: Iterable[Any] = wanted if isinstance(wanted, list) else [wanted]
    return any(_test(choice)(neuron.get(field)) for choice in choices)


def _test(wanted: Any) -> Callable[[Any], bool]:
    if isinstance(wanted, str) and wanted.startswith("exists/"):
        return lambda value: (value is not None) == (wanted != "exists/0")
    if isinstance(wanted, str) and wanted.startswith("re/"):
        pattern = re.compile(wanted.removeprefix("re/"))
        return lambda value: any(isinstance(own, str) and pattern.search(own) for own in _several(value))
    return lambda value: wanted in _several(value)


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
