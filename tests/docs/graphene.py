"""A stand-in for a graphene server: the root of a supervoxel has the same number, on the top layer."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

LAYERS = 4
_LAYER_BITS = 8


class Graphene(BaseHTTPRequestHandler):
    """One table over one volume of supervoxels; a request without the token is refused."""

    TOKEN: ClassVar[str] = "abcdef0123"
    info: ClassVar[dict[str, Any]]

    @classmethod
    def over(cls, watershed: Any) -> type[Graphene]:
        """Return the handler for a cloud-volume layer with `supervoxels`."""
        graph = {
            "chunk_size": [32, 32, 32],
            "n_layers": LAYERS,
            "cv_mip": 0,
            "n_bits_for_layer_id": _LAYER_BITS,
            "spatial_bit_masks": {str(layer): 4 for layer in range(1, LAYERS + 1)},
        }
        served = {"data_dir": watershed.cloudpath, "app": {"supported_api_versions": [0, 1]}, "graph": graph}
        return type("OneGraph", (cls,), {"info": {**watershed.info, **served}})

    @staticmethod
    def supervoxels(labels: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return `labels` as ids of the lowest layer; 0 stays 0."""
        return np.where(labels > 0, labels + _first(1), 0).astype(np.uint64)

    def do_GET(self) -> None:
        self._answer(json.dumps(self.info).encode(), self.path.endswith("/info"))

    def do_POST(self) -> None:
        ids = np.frombuffer(self.rfile.read(int(self.headers["Content-Length"])), np.uint64)
        self._answer((ids - _first(1) + _first(LAYERS)).tobytes(), "/roots_binary" in self.path)

    def _answer(self, body: bytes, known: bool) -> None:
        allowed = self.headers.get("Authorization") == f"Bearer {self.TOKEN}"
        self.send_response(200 if allowed and known else 404 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _first(layer: int) -> np.uint64:
    """Return the id before the first one of a layer."""
    return np.uint64(layer << 64 - _LAYER_BITS)
