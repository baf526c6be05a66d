"""Stores and volumes to proofread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.services.proofreading.session import Session

LABELS = np.repeat(np.arange(1, 33, dtype=np.uint64), 16).reshape(8, 8, 8)
"""Thirty-two supervoxels, of 16 voxels each."""


def renumbered(segments: dict[int, int]) -> NDArray[np.uint64]:
    """Return `LABELS` with some values replaced."""
    table = np.arange(LABELS.max() + 1)
    table[list(segments)] = list(segments.values())
    return table[LABELS.astype(int)].astype(np.uint64)


@pytest.fixture
def labels_uri(tmp_path: Path) -> str:
    """Address of a zarr with `LABELS`."""
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(LABELS.shape, "uint64", kind="labels", chunk=(4, 8, 8)))[...] = LABELS
    return uri


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a store that does not exist: in SQLite, and then in PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "edits.sqlite")
    return str(request.getfixturevalue("postgresql").database(f"p{uuid4().hex}"))


@pytest.fixture
def open_session(labels_uri: str, tmp_path: Path) -> Callable[..., Session]:
    """Function that opens a session, by author, in a store of SQLite unless one is given."""

    def open(author: str = "ann", store: str = "", **options: object) -> Session:
        session = voxome.proofread(labels_uri, store or tmp_path / "edits.sqlite", author=author, **options)
        assert isinstance(session, Session)
        return session

    return open
