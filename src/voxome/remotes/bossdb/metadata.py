"""Metadata of collections, experiments and channels: names and values."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from typing import Any

from voxome.errors import AlreadyExists, InvalidInput, NotFound
from voxome.remotes.bossdb.service import parsing, path
from voxome.remotes.http import Api


class Metadata(MutableMapping[str, Any]):
    """A live view: reading sends a request, setting creates or updates.

    The server stores text: other values are stored as their JSON, and read as that text.

    Parameters
    ----------
    api : Api
        The server.
    *names : str
        Names from the collection down.
    """

    def __init__(self, api: Api, *names: str) -> None:
        self._api, self._names, self._path = api, names, path("meta", *names)

    def __repr__(self) -> str:
        return f"<Metadata of {'/'.join(self._names)}>"

    def __getitem__(self, key: str) -> str:
        try:
            response = self._api.json("GET", self._path, params={"key": key})
        except (NotFound, InvalidInput):
            if key in list(self):
                raise
            raise KeyError(key) from None
        with parsing(f"the metadata of {'/'.join(self._names)}"):
            return str(response["value"])

    def __setitem__(self, key: str, value: Any) -> None:
        params = {"key": key, "value": value if isinstance(value, str) else json.dumps(value)}
        try:
            self._api.send("POST", self._path, params=params, idempotent=True)
        except (InvalidInput, AlreadyExists):
            self._api.send("PUT", self._path, params=params)

    def __delitem__(self, key: str) -> None:
        try:
            self._api.send("DELETE", self._path, params={"key": key})
        except (NotFound, InvalidInput):
            if key in list(self):
                raise
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        response = self._api.json("GET", self._path)
        with parsing(f"the metadata of {'/'.join(self._names)}"):
            return iter([str(key) for key in response["keys"]])

    def __len__(self) -> int:
        return len(list(iter(self)))
