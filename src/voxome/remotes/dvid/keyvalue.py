"""Key-value instances: a mapping of text to bytes, with ranges and bulk requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.instance import WORKERS, Instance, batches, is_absent
from voxome.remotes.dvid.messages import encode_key_values, encode_keys, parsed
from voxome.remotes.dvid.parsing import texts
from voxome.remotes.http import fan_out

BATCH = 200
"""Keys asked for at once."""


class AbsentKey(NotFound, KeyError):
    """No value is stored under that key."""


class KeyValue(Instance, MutableMapping[str, bytes]):
    """A key-value instance, as a mapping.

    DVID answers "not found" for a key whose value is empty, though it lists the key; here such a key has the value
    ``b""``, at the cost of a second request wherever the first finds nothing.

    Examples
    --------
    >>> names = KeyValue(node, "names")       # doctest: +SKIP
    >>> names["1004"] = b"left"               # doctest: +SKIP
    >>> names.between("1000", "1999")         # doctest: +SKIP
    {'1004': b'left'}
    """

    def __getitem__(self, key: str) -> bytes:
        try:
            return self._get("key", _checked(key))
        except NotFound as error:
            if not is_absent(error):
                raise
            if key in self:
                return b""
            raise AbsentKey(f"there is no key {key!r} in {self.name}") from None

    def __setitem__(self, key: str, value: bytes) -> None:
        self._post("key", _checked(key), content=bytes(value), idempotent=True)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise AbsentKey(f"there is no key {key!r} in {self.name}")
        self.node.delete(self.name, "key", key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self.keys_between(key, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._json("keys", read=texts))

    def __len__(self) -> int:
        return len(self._json("keys", read=texts))

    def get_json(self, key: str) -> Any:
        """The value as JSON.

        Raises
        ------
        NotFound
            If there is none.
        CorruptData
            If it is no JSON.
        """
        value = self[key]
        try:
            return json.loads(value)
        except ValueError as error:
            raise CorruptData(f"{self.name}, key {key!r}: no JSON: {error}") from error

    def put_json(self, key: str, value: Any) -> None:
        """Store a value as JSON."""
        self[key] = json.dumps(value).encode()

    def part(self, key: str, start: int, stop: int) -> bytes:
        """Bytes `start` up to `stop` of a value, without the rest; fewer where the value ends before.

        Raises
        ------
        NotFound
            If there is no such key.
        InvalidInput
            If `start` is at or past the end of the value, or not before `stop`.
        """
        if not 0 <= start < stop:
            raise InvalidInput(f"bytes {start} up to {stop}: 0 <= start < stop was expected")
        path = self.node.path(self.name, "key", _checked(key))
        wanted = {"Range": f"bytes={start}-{stop - 1}"}
        answer = self.node.api.send("GET", path, headers=wanted, ok=(200, 206), errors={416: InvalidInput})
        if answer.status_code == 200:
            return answer.content[start:stop]
        begins = re.match(rf"bytes {start}-(\d+)/", answer.headers.get("content-range", ""))
        if begins is None or int(begins[1]) - start + 1 != len(answer.content):
            told = answer.headers.get("content-range")
            raise CorruptData(f"{self.name}, key {key!r}: {len(answer.content)} bytes came as {told!r}")
        return answer.content

    def keys_between(self, first: str, last: str) -> list[str]:
        """Keys from `first` to `last`, both included, sorted."""
        return self._json("keyrange", _checked(first), _checked(last), read=texts)

    def between(self, first: str, last: str) -> dict[str, bytes]:
        """Keys from `first` to `last`, both included, and their values."""
        return self.many(self.keys_between(first, last))

    def many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Several values in few requests, in the order asked for.

        Raises
        ------
        NotFound
            Naming the keys that are not there.
        """
        wanted = list(dict.fromkeys(keys))
        found: dict[str, bytes] = {}
        for part in fan_out(self._batch, batches(wanted, BATCH), workers=WORKERS):
            found.update(part)
        # An absent key and an empty value look the same in such an answer.
        unclear = [key for key in wanted if not found.get(key)]
        absent = [key for key in unclear if key not in self]
        if absent:
            raise AbsentKey(f"there are no keys {', '.join(map(repr, absent))} in {self.name}")
        found |= {key: self[key] for key in unclear}
        return {key: found[key] for key in wanted}

    def put_many(self, values: Mapping[str, bytes]) -> None:
        """Store several values in few requests."""
        parts = [dict(part) for part in batches(list(values.items()), BATCH)]
        fan_out(
            lambda part: self._post("keyvalues", content=encode_key_values(part), idempotent=True),
            parts,
            workers=WORKERS,
        )

    def _batch(self, keys: Sequence[str]) -> dict[str, bytes]:
        path = self.node.path(self.name, "keyvalues")
        answer = self.node.api.send("GET", path, content=encode_keys(keys))
        return {item.key: item.value for item in parsed("KeyValues", answer.content, f"{self.name}: values").kvs}


def _checked(key: str) -> str:
    """The same key.

    Raises
    ------
    InvalidInput
        If it cannot be part of a path, as DVID's keys are.
    """
    if not key or key in (".", "..") or "/" in key:
        raise InvalidInput(f"{key!r} cannot be a key: it is part of a path, so it is not empty and holds no /")
    return key
