"""Key-value instances: a mapping from strings to bytes, with ranges and bulk requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.instance import WORKERS, Instance, batches, is_absent
from voxome.remotes.dvid.messages import encode_key_values, encode_keys, parse_message
from voxome.remotes.dvid.parsing import parse_strings
from voxome.remotes.http import fan_out

BATCH = 200
"""Number of keys per request."""


class AbsentKey(NotFound, KeyError):
    """The key does not exist."""


class KeyValue(Instance, MutableMapping[str, bytes]):
    """Key-value instance as a mapping.

    DVID lists a key whose value is empty, but responds "not found" to a request for it. Here such a key has the value
    ``b""``, at the cost of a second request whenever the first finds nothing.

    Examples
    --------
    >>> names = KeyValue(node, "names")       # doctest: +SKIP
    >>> names["1004"] = b"left"               # doctest: +SKIP
    >>> names.between("1000", "1999")         # doctest: +SKIP
    {'1004': b'left'}
    """

    def __getitem__(self, key: str) -> bytes:
        try:
            return self._get("key", _check_key(key))
        except NotFound as error:
            if not is_absent(error):
                raise
            if key in self:
                return b""
            raise AbsentKey(f"no key {key!r} in {self.name}") from None

    def __setitem__(self, key: str, value: bytes) -> None:
        self._post("key", _check_key(key), content=bytes(value), idempotent=True)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise AbsentKey(f"no key {key!r} in {self.name}")
        self.node.delete(self.name, "key", key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self.keys_between(key, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._get_json("keys", parse=parse_strings))

    def __len__(self) -> int:
        return len(self._get_json("keys", parse=parse_strings))

    def get_json(self, key: str) -> Any:
        """Return a value parsed as JSON.

        Raises
        ------
        NotFound
            If the key does not exist.
        CorruptData
            If the value is not JSON.
        """
        value = self[key]
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise CorruptData(f"{self.name}, key {key!r}: not JSON: {error}") from error

    def put_json(self, key: str, value: Any) -> None:
        """Store a value as JSON."""
        self[key] = json.dumps(value).encode()

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to `stop` of a value; fewer if the value ends before `stop`.

        Raises
        ------
        NotFound
            If the key does not exist.
        InvalidInput
            If `start` is at or past the end of the value, or not before `stop`.
        """
        if not 0 <= start < stop:
            raise InvalidInput(f"cannot read bytes {start} to {stop}; expected 0 <= start < stop")
        path = self.node.path(self.name, "key", _check_key(key))
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        response = self.node.api.send("GET", path, headers=headers, ok=(200, 206), errors={416: InvalidInput})
        if response.status_code == 200:
            return response.content[start:stop]
        content_range = re.match(rf"bytes {start}-(\d+)/", response.headers.get("content-range", ""))
        if content_range is None or int(content_range[1]) - start + 1 != len(response.content):
            header, size = response.headers.get("content-range"), len(response.content)
            raise CorruptData(f"{self.name}, key {key!r}: the server sent {size} bytes as {header!r}")
        return response.content

    def keys_between(self, first: str, last: str) -> list[str]:
        """Return the keys from `first` to `last`, inclusive, sorted."""
        return self._get_json("keyrange", _check_key(first), _check_key(last), parse=parse_strings)

    def between(self, first: str, last: str) -> dict[str, bytes]:
        """Return the keys from `first` to `last`, inclusive, with their values."""
        return self.get_many(self.keys_between(first, last))

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return several values with few requests, in the order of `keys`.

        Raises
        ------
        NotFound
            If keys do not exist; all of them are named.
        """
        unique = list(dict.fromkeys(keys))
        found: dict[str, bytes] = {}
        for batch in fan_out(self._get_batch, batches(unique, BATCH), workers=WORKERS):
            found.update(batch)
        # An absent key and an empty value look the same in the response.
        unclear = [key for key in unique if not found.get(key)]
        absent = [key for key in unclear if key not in self]
        if absent:
            raise AbsentKey(f"no keys {', '.join(map(repr, absent))} in {self.name}")
        found |= {key: self[key] for key in unclear}
        return {key: found[key] for key in unique}

    def put_many(self, values: Mapping[str, bytes]) -> None:
        """Store several values with few requests."""
        parts = [dict(part) for part in batches(list(values.items()), BATCH)]
        fan_out(
            lambda part: self._post("keyvalues", content=encode_key_values(part), idempotent=True),
            parts,
            workers=WORKERS,
        )

    def _get_batch(self, keys: Sequence[str]) -> dict[str, bytes]:
        path = self.node.path(self.name, "keyvalues")
        response = self.node.api.send("GET", path, content=encode_keys(keys))
        return {
            item.key: item.value for item in parse_message("KeyValues", response.content, f"{self.name}: values").kvs
        }


def _check_key(key: str) -> str:
    """Return the key unchanged.

    Raises
    ------
    InvalidInput
        If it cannot be part of a path, as DVID requires.
    """
    if not key or key in (".", "..") or "/" in key:
        raise InvalidInput(f"{key!r} cannot be a key; it must not be empty, '.' or '..', nor contain '/'")
    return key
