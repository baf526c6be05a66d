"""Neuronjson instances: properties of bodies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.instance import WORKERS, Instance, as_labels, batches, is_absent
from voxome.remotes.dvid.parsing import texts
from voxome.remotes.http import fan_out

BATCH = 1000
"""Bodies asked for at once."""
_BODY = "bodyid"

Neuron = dict[str, Any]
"""Properties of one body, ``bodyid`` among them."""


class Neurons(Instance):
    """Properties of bodies. They do not follow edits: a merged body's properties stay under its own label."""

    def get(self, body: int, *, who: bool = False) -> Neuron:
        """The properties of a body.

        Parameters
        ----------
        body : int
            Its label.
        who : bool
            With ``…_user`` and ``…_time`` for each property: who set it and when.

        Raises
        ------
        NotFound
            If it has none.
        """
        try:
            return self._json("key", *as_labels([body]), read=dict, **_show(who))
        except NotFound as error:
            if not is_absent(error):
                raise
            raise NotFound(f"body {body} has no properties in {self.name}") from None

    def many(self, bodies: Iterable[int]) -> dict[int, Neuron]:
        """The properties of several bodies; those without any are left out."""

        def ask(part: list[int]) -> dict[int, Neuron]:
            keys = [str(body) for body in part]
            return self._asked(
                "keyvalues", body=keys, json="true", read=lambda said: {int(key): dict(said[key]) for key in said}
            )

        parts = fan_out(ask, batches(as_labels(bodies).tolist(), BATCH), workers=WORKERS)
        return {body: found for part in parts for body, found in part.items() if found}

    def bodies(self) -> list[int]:
        """All bodies with properties, sorted."""
        return self._json("keys", read=lambda said: sorted(map(int, texts(said))))

    def fields(self) -> list[str]:
        """Names of all properties, sorted, without those that say who and when."""
        return sorted(name for name in self._json("fields", read=texts) if not name.endswith(("_user", "_time")))

    def query(self, *wanted: Mapping[str, Any], who: bool = False) -> list[Neuron]:
        """The bodies whose properties match, by label.

        Parameters
        ----------
        *wanted : mapping
            Properties with a value, a list of values, or ``"re/PATTERN"``, ``"exists/0"``, ``"exists/1"``. A body
            matches if it has all of one mapping.
        who : bool
            As of `get`.

        Raises
        ------
        InvalidInput
            If nothing is wanted.
        """
        return self._asked("query", body=_wanted(wanted), read=_neurons, **_show(who))

    def query_bodies(self, *wanted: Mapping[str, Any]) -> list[int]:
        """The labels of the bodies that `query` gives, sorted."""
        return self._asked("query", body=_wanted(wanted), onlyid="true", read=_numbers)

    def all(self, *, who: bool = False) -> list[Neuron]:
        """The properties of all bodies, by label."""
        return self._json("all", read=_neurons, **_show(who))

    def table(self) -> pa.Table:
        """All bodies as a table: ``bodyid`` (uint64) first, then the properties by name, null where there is none.

        A property whose values have more than one type, or are lists or objects, is given as JSON text.
        """
        neurons = self.all()
        names = sorted({name for neuron in neurons for name in neuron} - {_BODY})
        columns = {_BODY: pa.array([neuron[_BODY] for neuron in neurons], pa.uint64())}
        return pa.table(columns | {name: _column([neuron.get(name) for neuron in neurons]) for name in names})

    def put(self, body: int, properties: Mapping[str, Any]) -> None:
        """Set properties of a body; others that it has are kept.

        Raises
        ------
        InvalidInput
            If ``bodyid`` is among them and is another body, or the node has no user: DVID keeps who set a property.
        """
        label = int(as_labels([body])[0])
        if properties.get(_BODY, label) != label:
            raise InvalidInput(f"properties of body {properties[_BODY]} cannot be set under body {label}")
        self._post("key", label, json={**properties, _BODY: label}, idempotent=True)

    def delete(self, body: int) -> None:
        """Remove all properties of a body.

        Raises
        ------
        NotFound
            If it has none.
        """
        self.get(body)
        self.node.delete(self.name, "key", *map(str, as_labels([body])))


def _neurons(said: Any) -> list[Neuron]:
    return sorted(map(dict, said or []), key=lambda neuron: int(neuron[_BODY]))


def _numbers(said: Any) -> list[int]:
    return sorted(map(int, said or []))


def _wanted(wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if not wanted or not all(wanted):
        raise InvalidInput("say which properties are wanted, as query({'type': 'T4a'}); all() gives all bodies")
    return [dict(one) for one in wanted]


def _show(who: bool) -> dict[str, str]:
    return {"show": "all"} if who else {}


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 or kinds & {list, dict}:
        return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise CorruptData(f"values of a property make no column: {error}") from error
