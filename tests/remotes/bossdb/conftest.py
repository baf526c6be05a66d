"""A BossDB server, and a peer that talks to it without the remote under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from numcodecs import blosc
from numpy.typing import NDArray
from standins.boss import Boss, serving

from voxome.contracts.spec import VolumeSpec


class Peer:
    """Plain requests of an independent client."""

    def __init__(self, boss: Boss) -> None:
        self.url = boss.url
        self.http = httpx.Client(base_url=f"{boss.url}/v1", headers=boss.headers(), timeout=30)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self.http.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def make(
        self,
        names: tuple[str, str, str],
        spec: VolumeSpec,
        *,
        levels: int = 1,
        method: str = "anisotropic",
        sources: list[str] | None = None,
    ) -> None:
        """Create a channel for `spec`, and the resources above it."""
        collection, experiment, channel = names
        voxel = spec.voxel_size_nm or (1, 1, 1)
        frame: dict[str, Any] = {"name": uuid4().hex, "description": "", "voxel_unit": "nanometers"}
        for axis, a, b, size in zip("zyx", spec.frame.start, spec.frame.stop, voxel, strict=True):
            frame |= {f"{axis}_start": a, f"{axis}_stop": b, f"{axis}_voxel_size": size}
        times = spec.domain.shape[0] if spec.domain.ndim == 4 else 1
        shape = {"num_hierarchy_levels": levels, "hierarchy_method": method, "num_time_samples": times}
        kind = {"type": "annotation" if spec.kind == "labels" else "image", "datatype": spec.dtype.name}
        if self.http.get(f"/collection/{collection}/").status_code == 404:
            self.request("POST", f"/collection/{collection}/", json={"name": collection})
        parent = f"/collection/{collection}/experiment/{experiment}/"
        if self.http.get(parent).status_code == 404:
            self.request("POST", f"/coord/{frame['name']}/", json=frame)
            self.request("POST", parent, json={"coord_frame": frame["name"], **shape})
        self.request("POST", f"{parent}channel/{channel}/", json={**kind, "sources": sources or []})

    def put(self, names: tuple[str, str, str], start: tuple[int, ...], data: NDArray[Any], resolution: int = 0) -> None:
        """Write voxels from `start` on; zeros do not overwrite."""
        body = blosc.compress(np.ascontiguousarray(data), b"zstd", 1, 1)
        path = self._path(names, start, data.shape, resolution)
        self.request("POST", f"/cutout/{path}", content=body, headers={"Content-Type": "application/blosc"})

    def get(
        self,
        names: tuple[str, str, str],
        start: tuple[int, ...],
        shape: tuple[int, ...],
        dtype: Any,
        resolution: int = 0,
    ) -> NDArray[Any]:
        """Read voxels."""
        path = self._path(names, start, shape, resolution)
        body = self.request("GET", f"/cutout/{path}", headers={"Accept": "application/blosc"}).content
        return np.frombuffer(blosc.decompress(body), dtype).reshape(shape)

    def _path(self, names: tuple[str, ...], start: tuple[int, ...], shape: tuple[int, ...], resolution: int) -> str:
        *time, z, y, x = (f"{a}:{a + n}" for a, n in zip(start, shape, strict=True))
        return "/".join([*names, str(resolution), x, y, z, *time]) + "/"


@pytest.fixture(scope="module")
def boss() -> Iterator[Boss]:
    """An empty server."""
    with serving() as one:
        yield one


@pytest.fixture(scope="module")
def peer(boss: Boss) -> Iterator[Peer]:
    """A client that inspects the server."""
    one = Peer(boss)
    yield one
    one.http.close()


@pytest.fixture(autouse=True)
def configured(boss: Boss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Configure the server and its token in the environment, and nothing elsewhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    for name in ("INTERN_HOST", "INTERN_TOKEN", "INTERN_PROTOCOL", "VOXOME_PROFILE", "VOXOME_KEYRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOXOME_BOSSDB_HOST", boss.url)
    monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", boss.token)
