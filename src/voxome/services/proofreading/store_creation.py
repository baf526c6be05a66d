"""Creation of the tables of a proofreading store."""

from __future__ import annotations

import uuid
from collections.abc import Mapping as JsonObject
from itertools import islice
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from voxome.contracts.formats import PROOFREADING
from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.services.proofreading.branches import MAIN
from voxome.services.proofreading.database import Database
from voxome.services.proofreading.graph_cut import Edges
from voxome.services.proofreading.scan import Scan
from voxome.services.proofreading.tables import BRANCHES, EDGES, INDEX, STORE, SUPERVOXELS, pack

_PAGE = 1 << 17
_ROWS = 256
"""Chunks that are inserted at once."""


def create_store(
    database: Database,
    uri: str,
    domain: Box,
    scan: Scan,
    state: JsonObject[str, Any],
    author: str,
    mapping: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None,
    edges: Edges | None = None,
) -> bool:
    """Create the tables of a store, unless another process was faster.

    Parameters
    ----------
    database : Database
        Database without a store.
    uri : str
        Address of the supervoxels; empty for an array.
    domain : Box
        Their extent.
    scan : Scan
        The supervoxels.
    state : mapping
        Their `source_state` before they were read.
    author : str
        Who begins.
    mapping : (n,) and (n,) array of uint64, optional
        Supervoxels and their segments at the start; a supervoxel that is not among them is a segment of its own.
    edges : Edges, optional
        Edges between supervoxels.

    Returns
    -------
    bool
        Whether it was created; False if another process was faster, whose store stays as it is.
    """
    ids = scan.ids
    if edges is not None:
        _require_edges(edges, ids)
    segments = None if mapping is None else _segments(ids, *mapping)
    largest = max(int(ids[-1]) if len(ids) else 0, 0 if segments is None or not len(ids) else int(segments.max()))

    def fill(connection: sa.Connection) -> None:
        now = database.now_s(connection)
        extent = {"shape": list(domain.shape), "start": list(domain.start)}
        description = {"uri": uri, "source_state": dict(state), "token": uuid.uuid4().hex, **extent}
        row = {"id": 1, "format_version": PROOFREADING.version, "description": description}
        connection.execute(STORE.insert(), {**row, "last_id": largest, "last_operation": 0})
        connection.execute(
            BRANCHES.insert(), {"name": MAIN, "parent": None, "fork": 0, "author": author, "time_s": now}
        )
        pages = [
            {
                "page": page,
                "ids": pack(ids[at : at + _PAGE]),
                "segments": None if segments is None else pack(segments[at : at + _PAGE]),
            }
            for page, at in enumerate(range(0, len(ids), _PAGE))
        ]
        chunks = ({"chunk": one.number, "ids": pack(one.ids), "digest": one.digest} for one in scan.chunks())
        while rows := list(islice(chunks, _ROWS)):
            connection.execute(INDEX.insert(), rows)
        graph = [] if edges is None else _edge_pages(edges)
        for table, content in ((SUPERVOXELS, pages), (EDGES, graph)):
            if content:
                connection.execute(table.insert(), content)

    return database.create(fill)


def _segments(
    ids: NDArray[np.uint64], supervoxels: NDArray[np.uint64], segments: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Return the segment of each of `ids`."""
    if supervoxels.shape != segments.shape or supervoxels.ndim != 1:
        raise InvalidInput(
            f"the mapping has supervoxels of shape {supervoxels.shape} and segments of shape {segments.shape}; "
            "expected two arrays of one length"
        )
    keys, first = np.unique(supervoxels, return_index=True)
    if len(keys) != len(supervoxels):
        raise InvalidInput("the mapping has a supervoxel twice; give each supervoxel one segment")
    unknown = keys[~np.isin(keys, ids)]
    if len(unknown):
        raise NotFound(f"the mapping has {len(unknown)} supervoxels that the volume lacks, such as {int(unknown[0])}")
    if (segments == 0).any():
        raise InvalidInput("the mapping has the segment 0, which is the background; number segments from 1")
    result = ids.copy()
    result[np.searchsorted(ids, keys)] = segments[first]
    return result


def _require_edges(edges: Edges, ids: NDArray[np.uint64]) -> None:
    if edges.ends.ndim != 2 or edges.ends.shape[1] != 2 or edges.affinities.shape != (len(edges.ends),):
        raise InvalidInput(
            f"the edges have ends of shape {edges.ends.shape} and affinities of shape {edges.affinities.shape}; "
            "expected two supervoxels and one affinity for each"
        )
    unknown = edges.ends[~np.isin(edges.ends, ids)]
    if len(unknown):
        raise NotFound(f"the edges have {len(unknown)} supervoxels that the volume lacks, such as {int(unknown[0])}")
    if (
        not (np.isfinite(edges.affinities) & (edges.affinities > 0)).all()
        or (edges.ends[:, 0] == edges.ends[:, 1]).any()
    ):
        raise InvalidInput("an edge joins a supervoxel to itself, or its affinity is not a number above 0")


def _edge_pages(edges: Edges) -> list[dict[str, object]]:
    rows = np.column_stack([edges.ends, edges.affinities.astype(np.float64).view(np.uint64)])
    return [{"page": page, "rows": pack(rows[at : at + _PAGE])} for page, at in enumerate(range(0, len(rows), _PAGE))]
