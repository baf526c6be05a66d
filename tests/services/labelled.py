"""One label volume in every store, for tests of services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from standins import boss, dvid

import voxome
from voxome.remotes.dvid.repos import Dvid

STORES = ("memory", "zarr", "n5", "precomputed", "hdf5", "bossdb", "dvid")
SHAPE = (64, 64, 64)
SIZE = (40.0, 16.0, 8.0)
EDGES, NEURITE, BALL, VOXEL = 7, 2**53 + 1, 2**53 + 2, 2**62 + 5
"""Ids of an object that touches every border, of one with branches, of a ball, and of a single voxel."""


def labels() -> NDArray[np.uint64]:
    """Return a volume (z, y, x) with four objects."""
    z, y, x = np.ogrid[tuple(slice(n) for n in SHAPE)]
    data = np.zeros(SHAPE, np.uint64)
    data[(z - 40) ** 2 + (y - 20) ** 2 + (x - 40) ** 2 < 9**2] = BALL
    for start, stop in (((10, 10, 4), (14, 14, 60)), ((10, 14, 28), (14, 50, 32)), ((14, 46, 28), (60, 50, 32))):
        data[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = NEURITE
    data[:2, :, :], data[:, :2, :], data[:, :, :2] = (EDGES,) * 3
    data[-2:, :, :], data[:, -2:, :], data[:, :, -2:] = (EDGES,) * 3
    data[31, 55, 55] = VOXEL
    return data


@contextmanager
def stored(store: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URI of `labels` in a store."""
    if store == "bossdb":
        with boss.serving() as server:
            monkeypatch.setenv("VOXOME_BOSSDB_HOST", server.url)
            monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", server.token)
            voxome.create("bossdb://collection/experiment/em", voxome.VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=SIZE))
            yield _put("bossdb://collection/experiment/labels")
    elif store == "dvid":
        with dvid.serving("secret") as url:
            monkeypatch.setenv("VOXOME_DVID_HOST", url)
            monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", "secret")
            server = voxome.connect(url.replace("http", "dvid"))
            assert isinstance(server, Dvid)
            yield _put(f"{url.replace('http', 'dvid')}/{server.create_repo('labels').uuid}/labels")
    else:
        ends = {"memory": folder.name, "hdf5": f"{folder}/labels.h5/labels"}
        yield _put(f"{store}://{ends.get(store, f'{folder}/labels')}")


def _put(uri: str) -> str:
    voxome.put(labels(), uri, voxel_size_nm=SIZE)
    return uri
