"""Client of a service without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from numpy.typing import NDArray
from standins.dvid import Service
from standins.dvid.calls import Call
from starlette.responses import Response

TOKEN = "secret"
ROOT = "a" * 32


class Client:
    """Client of a new service with one repository."""

    def __init__(self) -> None:
        self.service = Service(TOKEN)
        self.ok("POST", "repos", {"root": ROOT}, admintoken=TOKEN)

    def request(self, method: str, path: str, body: Any = b"", **query: Any) -> Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items()}
        full = f"/api/{path}?{urlencode(texts)}"
        return self.service.handle(Call(method, full, tuple(path.split("/")), texts, {}, content, "http://dvid"))

    def ok(self, method: str, path: str, body: Any = b"", **query: Any) -> bytes:
        handle = self.request(method, path, body, **query)
        assert handle.status_code == 200, bytes(handle.body)
        return bytes(handle.body)

    def json(self, method: str, path: str, body: Any = b"", **query: Any) -> Any:
        return json.loads(self.ok(method, path, body, **query))

    def add(self, typename: str, name: str, **options: str) -> None:
        self.ok("POST", f"repo/{ROOT}/instance", {"typename": typename, "dataname": name, **options})

    def commit(self, version: str) -> None:
        self.ok("POST", f"node/{version}/commit", {})

    def child(self, parent: str, branch: str | None = None) -> str:
        payload = {"branch": branch} if branch else {}
        return str(self.json("POST", f"node/{parent}/{'branch' if branch else 'newversion'}", payload)["child"])

    def read(self, version: str, name: str, shape: tuple[int, int, int], dtype: str, **query: Any) -> NDArray[Any]:
        z, y, x = shape
        raw = self.ok("GET", f"node/{version}/{name}/raw/0_1_2/{x}_{y}_{z}/0_0_0", **query)
        return np.frombuffer(raw, dtype).reshape(shape)

    def write(self, version: str, name: str, array: NDArray[Any], offset: str = "0_0_0", **query: Any) -> Response:
        z, y, x = array.shape
        return self.request("POST", f"node/{version}/{name}/raw/0_1_2/{x}_{y}_{z}/{offset}", array.tobytes(), **query)


@pytest.fixture
def new_client() -> Callable[[], Client]:
    return Client


@pytest.fixture
def client() -> Client:
    return Client()
