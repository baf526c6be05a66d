"""Neuronjson instances: properties of bodies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.instance import WORKERS, Instance, as_labels, batches, is_absent
from voxome.remotes.dvid.parsing import parse_strings
from voxome.remotes.http import fan_out

BATCH = 1000
"""Number of bodies per request."""
_BODY = "bodyid"

Neuron = dict[str, Any]
"""Properties of one body, including ``bodyid``."""


class Neurons(Instance):
    """Properties of bodies. They do not follow edits: the properties of a merged body stay under its old label."""

    def get(self, body: int, *, provenance: bool = False) -> Neuron:
        """Return the properties of a body.

        Parameters
        ----------
        body : int
            Label of the body.
        provenance : bool
            Include ``…_user`` and ``…_time`` for each property: who set it and when.

        Raises
        ------
        NotFound
            If the body has none.
        """
        try:
            return self._get_json("key", *as_labels([body]), parse=dict, **_show(provenance))
        except NotFound as error:
            if not is_absent(error):
                raise
            raise NotFound(f"no properties of body {body} in {self.name}") from None

    def get_many(self, bodies: Iterable[int]) -> dict[int, Neuron]:
        """Return the properties of several bodies; bodies without any are omitted."""

        def request(batch: list[int]) -> dict[int, Neuron]:
            keys = [str(body) for body in batch]
            return self._query_json(
                "keyvalues", body=keys, json="true", parse=lambda reply: {int(key): dict(reply[key]) for key in reply}
            )

        parts = fan_out(request, batches(as_labels(bodies).tolist(), BATCH), workers=WORKERS)
        return {body: neuron for part in parts for body, neuron in part.items() if neuron}

    def bodies(self) -> list[int]:
        """Return all bodies with properties, sorted."""
        return self._get_json("keys", parse=lambda reply: sorted(map(int, parse_strings(reply))))

    def fields(self) -> list[str]:
        """Return the names of all properties, sorted, without those of user and time."""
        names = self._get_json("fields", parse=parse_strings)
        return sorted(name for name in names if not name.endswith(("_user", "_time")))

    def query(self, *criteria: Mapping[str, Any], provenance: bool = False) -> list[Neuron]:
        """Return the properties of the bodies that match, sorted by label.

        Parameters
        ----------
        *criteria : mapping
            Properties with a value, a list of values, ``"re/PATTERN"``, ``"exists/0"`` or ``"exists/1"``. A body
            matches if it fulfils all criteria of one mapping.
        provenance : bool
            As for `get`.

        Raises
        ------
        InvalidInput
            If no criteria are given.
        """
        return self._query_json("query", body=_check_criteria(criteria), parse=_neurons, **_show(provenance))

    def query_bodies(self, *criteria: Mapping[str, Any]) -> list[int]:
        """Return the labels of the bodies that `query` returns, sorted."""
        return self._query_json("query", body=_check_criteria(criteria), onlyid="true", parse=_numbers)

    def all(self, *, provenance: bool = False) -> list[Neuron]:
        """Return the properties of all bodies, sorted by label."""
        return self._get_json("all", parse=_neurons, **_show(provenance))

    def table(self) -> pa.Table:
        """Return all bodies as a table: ``bodyid`` (uint64) first, then the properties by name, null where missing.

        A property whose values have several types, or are lists or objects, is converted to JSON text.
        """
        neurons = self.all()
        names = sorted({name for neuron in neurons for name in neuron} - {_BODY})
        columns = {_BODY: pa.array([neuron[_BODY] for neuron in neurons], pa.uint64())}
        return pa.table(columns | {name: _column([neuron.get(name) for neuron in neurons]) for name in names})

    def put(self, body: int, properties: Mapping[str, Any]) -> None:
        """Set properties of a body; its other properties are kept.

        Raises
        ------
        InvalidInput
            If ``bodyid`` is among them with another value, or no user is given: DVID records who set a property.
        """
        label = int(as_labels([body])[0])
        if properties.get(_BODY, label) != label:
            raise InvalidInput(f"cannot set properties of body {properties[_BODY]} for body {label}")
        self._post("key", label, json={**properties, _BODY: label}, idempotent=True)

    def delete(self, body: int) -> None:
        """Delete all properties of a body.

        Raises
        ------
        NotFound
            If the body has none.
        """
        self.get(body)
        self.node.delete(self.name, "key", *map(str, as_labels([body])))


def _neurons(reply: Any) -> list[Neuron]:
    return sorted(map(dict, reply or []), key=lambda neuron: int(neuron[_BODY]))


def _numbers(reply: Any) -> list[int]:
    return sorted(map(int, reply or []))


def _check_criteria(criteria: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if not criteria or not all(criteria):
        raise InvalidInput("no criteria; use query({'type': 'T4a'}), or all() for all bodies")
    return [dict(mapping) for mapping in criteria]


def _show(provenance: bool) -> dict[str, str]:
    return {"show": "all"} if provenance else {}


def _column(values: list[Any]) -> pa.Array:
    types = {type(value) for value in values if value is not None}
    if len(types) > 1 or types & {list, dict}:
        return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise CorruptData(f"cannot make a column of the values of a property: {error}") from error
