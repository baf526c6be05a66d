"""A client of BossDB that checks statuses and error codes."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

FRAME = {
    "x_start": 0, "x_stop": 130, "y_start": 0, "y_stop": 70, "z_start": 0, "z_stop": 21,
    "x_voxel_size": 4, "y_voxel_size": 5, "z_voxel_size": 40, "voxel_unit": "nanometers",
}  # fmt: skip
"""Coordinate frame of the project that `Client.project` creates."""
CHANNEL = "/v1/collection/col/experiment/exp/channel"


class Client:
    """Requests of one caller."""

    def __init__(self, url: str, token: str | None) -> None:
        self.http = httpx.Client(
            base_url=url, verify=False, headers={"Authorization": f"Token {token}"} if token else {}
        )

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def request(
        self, method: str, path: str, *, status: int = 200, code: int | None = None, **rest: Any
    ) -> httpx.Response:
        """Send a request; check its status, and the code of a refusal."""
        answer = self.http.request(method, path, **rest)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        if code is not None:
            found = answer.json()
            assert set(found) == {"status", "code", "message"}
            assert (found["status"], found["code"]) == (status, code), found
        return answer

    def get(self, path: str, **rest: Any) -> Any:
        """Return the JSON of ``GET``."""
        return self.request("GET", path, **rest).json()

    def project(self, frame: dict[str, Any] = FRAME, **experiment: Any) -> None:
        """Create the collection col, the frame cf and the experiment exp."""
        self.request("POST", "/v1/collection/col", json={"description": "c"}, status=201)
        self.request("POST", "/v1/coord/cf", json=frame, status=201)
        body = {"coord_frame": "cf", "num_hierarchy_levels": 3, "time_step_unit": "seconds", **experiment}
        self.request("POST", "/v1/collection/col/experiment/exp", json=body, status=201)

    def channel(self, name: str, datatype: str = "uint8", **rest: Any) -> None:
        """Create a channel in exp: an annotation if it has sources."""
        channel_type = "annotation" if "sources" in rest else "image"
        self.request("POST", f"{CHANNEL}/{name}", json={"type": channel_type, "datatype": datatype, **rest}, status=201)

    def write(self, path: str, data: NDArray[Any], *, status: int = 201, **rest: Any) -> None:
        """``POST cutout``; `path` is channel/resolution/x/y/z in the experiment exp."""
        self.write_at(f"col/exp/{path}", data, status=status, **rest)

    def write_at(self, path: str, data: NDArray[Any], *, status: int = 201, **rest: Any) -> None:
        """``POST cutout``; `path` is collection/experiment/channel/resolution/x/y/z."""
        body, headers = blosc.compress(data, b"lz4", 1, blosc.SHUFFLE), {"Content-Type": "application/blosc"}
        self.request("POST", f"/v1/cutout/{path}/", content=body, headers=headers, status=status, **rest)

    def read(self, path: str, dtype: str, shape: tuple[int, ...], query: str = "") -> NDArray[Any]:
        """``GET cutout``; `path` is channel/resolution/x/y/z in the experiment exp."""
        return self.read_at(f"col/exp/{path}", dtype, shape, query)

    def read_at(self, path: str, dtype: str, shape: tuple[int, ...], query: str = "") -> NDArray[Any]:
        """``GET cutout``; `path` is collection/experiment/channel/resolution/x/y/z."""
        answer = self.request("GET", f"/v1/cutout/{path}/{query}")
        assert answer.headers["content-type"] == "application/blosc"
        return np.frombuffer(blosc.decompress(answer.content), dtype).reshape(shape)
