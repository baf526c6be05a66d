"""From BossDB through proofreading, in a store and on a DVID server, and back to BossDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from standins import boss, dvid

import voxome

pytestmark = pytest.mark.slow

ADMIN = "test-admin"
LABELS = np.repeat(np.arange(2**60, 2**60 + 16, dtype=np.uint64), 2048).reshape(32, 32, 32)
"""Sixteen supervoxels, of two planes each, with ids that no float64 has."""
FIRST = int(LABELS[0, 0, 0])


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a channel with `LABELS`, in a BossDB stand-in."""
    with boss.serving() as server:
        monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", server.url)
        monkeypatch.setenv("VOXOME_BOSSDB_TOKEN", server.token)
        voxome.transfer(np.ones(LABELS.shape, np.uint8), "bossdb://lab/one/em", voxel_size_nm=(40, 4, 4))
        uri = "bossdb://lab/one/segmentation"
        voxome.transfer(LABELS, uri, voxel_size_nm=(40, 4, 4))
        yield uri


def expected(new: int) -> NDArray[np.uint64]:
    """Return `LABELS` after the edits: the first three merged, the second cleaved off."""
    return np.select([LABELS == FIRST + 1, LABELS == FIRST + 2], [np.uint64(new), np.uint64(FIRST)], LABELS)


def test_bossdb_to_a_store_and_back(channel: str, tmp_path: Path) -> None:
    session = voxome.proofread(channel, tmp_path / "edits.sqlite", author="ann")
    session.merge([FIRST, FIRST + 1, FIRST + 2])
    new = session.cleave(FIRST, [FIRST + 1]).segments[1]
    session.export("bossdb://lab/one/proofread")
    assert np.array_equal(voxome.open("bossdb://lab/one/proofread")[...], expected(new))
    split = session.split(FIRST, [[0, 0, 0]], [[1, 31, 31]]).segments[1]
    assert session.export("bossdb://lab/one/proofread", since=2) > 0
    result = voxome.open("bossdb://lab/one/proofread")[...]
    assert np.array_equal(result, session.volume[...])
    assert {int(result[0, 0, 0]), int(result[1, 31, 31])} == {FIRST, split}
    assert np.array_equal(voxome.open(channel)[...], LABELS)


def test_bossdb_to_dvid_and_back(channel: str) -> None:
    with dvid.serving(ADMIN) as url:
        root = httpx.post(f"{url}/api/repos", params={"admintoken": ADMIN}, json={"alias": "test"}).json()["root"]
        uri = f"dvid://{url.partition('://')[2]}/{root}/segmentation"
        voxome.transfer(channel, uri)
        session = voxome.proofread(uri, author="ann")
        session.merge([FIRST, FIRST + 1, FIRST + 2])
        new = session.cleave(FIRST, [FIRST + 1]).segments[1]
        session.export("bossdb://lab/one/from-dvid")
        assert np.array_equal(voxome.open("bossdb://lab/one/from-dvid")[...], expected(new))
