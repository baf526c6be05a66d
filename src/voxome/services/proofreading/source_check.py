"""Whether the supervoxels are still those of which a store was made."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from voxome.contracts.abilities import most_detailed_version
from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.services.proofreading.database import Database
from voxome.services.proofreading.scan import CHUNK, chunk_box, digest_chunk, read_chunks
from voxome.services.proofreading.tables import INDEX, STORE

_LOG = logging.getLogger(__name__)
_COMPARED = 16
"""Chunks that are compared where the store cannot tell whether voxels have changed."""


def source_state(source: VolumeSource) -> dict[str, Any]:
    """Return the state of supervoxels as their store reports it, as JSON values; see `most_detailed_version`."""
    version = most_detailed_version(source)
    return {"token": version.token, "covers_voxels": version.pinned or version.covers_voxels}


def require_unchanged(database: Database, source: VolumeSource, recorded: Mapping[str, Any], name: str) -> None:
    """Compare supervoxels with those at the start, where they may have changed.

    Nothing is read if their store tells that no voxel has changed. Otherwise some chunks are compared, chosen by
    chance: all of a small volume.

    Parameters
    ----------
    database : Database
        Database of the store.
    source : VolumeSource
        The supervoxels.
    recorded : mapping
        Their state at the start, or at the last `record_state`.
    name : str
        The supervoxels, for messages.

    Raises
    ------
    InvalidInput
        If a chunk differs.
    """
    state = source_state(source)
    if state == recorded and state["covers_voxels"]:
        return
    with database.reading() as connection:
        count: int = connection.execute(sa.select(sa.func.count()).select_from(INDEX)).scalar_one()
        positions = sorted(random.sample(range(count), min(count, _COMPARED)))
        query = sa.select(INDEX.c.chunk, INDEX.c.digest).order_by(INDEX.c.chunk).limit(1)
        rows = [connection.execute(query.offset(at)).one() for at in positions]
    for number, digest in rows:
        box = chunk_box(number, source.spec.domain, CHUNK)
        if digest_chunk(source.read(box)) != digest:
            raise changed_error(database, name, box)
    if recorded["covers_voxels"] and count > len(rows):
        _LOG.warning(
            "the files of %s have changed since %s was made; %d of its %d chunks were compared, and are the same: "
            "`voxome proofread compare %s` compares all",
            name,
            database.name,
            len(rows),
            count,
            database.name,
        )


def changed_error(database: Database, name: str, box: Box, difference: str = "has other voxels") -> InvalidInput:
    """Return the error for supervoxels that are no longer those of a store."""
    return InvalidInput(
        f"{name} {difference} in {box}: its voxels have changed since the store {database.name} was made, and edits no "
        "longer fit them; restore the voxels, or make a new store (`voxome proofread compare` lists what differs)"
    )


def changed_boxes(database: Database, source: VolumeSource) -> Iterator[Box]:
    """Yield the chunks that differ from those at the start; all voxels are read, once."""
    with database.reading() as connection:
        digests = {row.chunk: row.digest for row in connection.execute(sa.select(INDEX.c.chunk, INDEX.c.digest))}
    domain = source.spec.domain
    for number, box, voxels in read_chunks(source):
        digest = digests.get(number)
        if voxels.any() if digest is None else digest_chunk(voxels) != digest:
            yield box & domain


def record_state(connection: sa.Connection, state: Mapping[str, Any]) -> None:
    """Record the state of supervoxels that were compared as a whole and are those at the start."""
    description = connection.execute(sa.select(STORE.c.description)).scalar_one()
    connection.execute(STORE.update().values(description={**description, "source_state": dict(state)}))
