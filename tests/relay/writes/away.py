"""A relay that writes back to a store behind a proxy which fails on demand."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from standins.boss import Boss, serving
from standins.faulty_proxy import Fault, FaultyProxy

import voxome
from voxome.contracts.spec import VolumeKind
from voxome.relay.config_file import parse_config
from voxome.relay.opening import opened, prepared
from voxome.relay.serve import in_thread
from voxome.relay.writes import flusher
from voxome.testing.strategies import noise

SHAPE = (32, 64, 64)
DATA = noise(SHAPE, "uint8")
ADMIN = {"Authorization": "Bearer the-admins-token"}
BOX, URL = "0:8,0:16,0:16", "/raw/lab/exp/em/cutout?box="
PATHS = {
    "raw": f"{URL}{BOX}",
    "zarr": "/zarr/lab/exp/em/0/0/0/0",
    "zarr3": "/zarr3/lab/exp/em/0/c/0/0/0",
    "precomputed": "/precomputed/lab/exp/em/0/0-64_0-64_0-16",
    "s3": "/s3/zarr3/lab/exp/em/0/c/0/0/0",
}


def encode(voxels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, voxels)
    return stream.getvalue()


def decode(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content))


def answers(client: httpx.Client, method: str = "GET") -> dict[str, httpx.Response]:
    """Return the answers of all dialects; a token is nothing that S3 knows."""
    return {
        dialect: client.request(method, path, headers={} if dialect != "s3" else {"Authorization": ""})
        for dialect, path in PATHS.items()
    }


class Setting:
    """A store, the proxy in front of it, and how to start a relay of it."""

    def __init__(self, folder: Path, boss: Boss, proxy: FaultyProxy) -> None:
        self.folder, self.boss, self.proxy = folder, boss, proxy
        self.uri = "bossdb://lab/exp/em"

    def fail(self, fault: Fault, target: str = "") -> None:
        self.proxy.reset()
        self.proxy.chance(1.0, fault, seed=0, target=target)

    def heal(self) -> None:
        self.proxy.reset()

    def stored(self) -> np.ndarray:
        return voxome.open(self.uri, expect=voxome.Volume)[...]

    @contextmanager
    def relay(self, also: Sequence[str] = (), **source: Any) -> Iterator[httpx.Client]:
        """Yield a client, with the admin's token, of a relay of the store; names in `also` are read-only."""
        values = {
            "cache": {"folder": str(self.folder / "cache"), "write_mib": 1},
            "admin_token_env": "RELAY_ADMIN",
            "sources": {"lab/exp/em": {"uri": self.uri, "writers": ["lab"], "write": "back", **source}}
            | {name: {"uri": self.uri} for name in also},
        }
        config = parse_config(values, "test")
        with (
            prepared(config) as shared,
            opened(shared) as app,
            in_thread(app) as url,
            httpx.Client(base_url=url, headers=ADMIN, timeout=30) as client,
        ):
            yield client


@contextmanager
def in_front_of_boss(folder: Path, monkeypatch: pytest.MonkeyPatch, voxels: np.ndarray = DATA) -> Iterator[Setting]:
    """Yield a store with the channel ``lab/exp/em``, labels if they have 64 bits; nobody is patient."""
    monkeypatch.setattr(flusher, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(flusher, "_LOOK_S", 0.02)
    monkeypatch.setenv("RELAY_ADMIN", "the-admins-token")
    voxome.configure(retries=0, stall_s=2)
    try:
        with serving() as boss, FaultyProxy(boss.url) as proxy:
            monkeypatch.setenv("VOXOME_BOSSDB_HOST", proxy.url)
            monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", boss.token)
            kind: VolumeKind = "labels" if voxels.dtype.itemsize == 8 else "image"
            spec = voxome.VolumeSpec.of(voxels.shape, voxels.dtype, voxel_size_nm=(40, 4, 4), kind=kind)
            if kind == "labels":
                voxome.create("bossdb://lab/exp/segmented", spec.replace(dtype=np.dtype("uint8"), kind="image"))
            voxome.create("bossdb://lab/exp/em", spec)[...] = voxels
            yield Setting(folder, boss, proxy)
    finally:
        voxome.configure(retries=None, stall_s=None)


def waiting_in(client: httpx.Client) -> int:
    lines = client.get("/metrics").text.splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("voxome_relay_writes_waiting{"))


def put(client: httpx.Client, value: int = 7, box: str = BOX, shape: tuple[int, ...] = (8, 16, 16)) -> httpx.Response:
    return client.put(URL + box, content=encode(np.full(shape, value, "uint8")))
