"""What editors do in processes that are killed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import sqlalchemy as sa

import voxome
from voxome.errors import EditConflict, InvalidInput, NotFound
from voxome.services.proofreading.chunk_edits import ChunkEdit
from voxome.services.proofreading.editor import Editor
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.state import State

LABELS = np.repeat(np.arange(1, 7, dtype=np.uint64), 12).reshape(1, 1, 72)
"""Six supervoxels in a row, in two chunks of the index and three of the voxels."""
EDITS: dict[str, Callable[[Session], object]] = {
    "merge": lambda session: session.merge([3, 4, 5]),
    "cleave": lambda session: session.cleave(1, [2]),
    "split": lambda session: session.split(6, [[0, 0, 60]], [[0, 0, 71]]),
    "undo": lambda session: session.undo(1),
    "redo": lambda session: session.redo(2),
}
POINTS = ("begun", "numbered", "written", "before the commit", "after the commit")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def edit_and_die(store: str, edit: str, point: str) -> None:
    """Make an edit, and be killed at a point of it."""
    session = voxome.proofread(LABELS, store, author="killed")
    engine = session.store.database.engine
    insert, write = Editor._insert, ChunkEdit.write
    if point == "begun":
        Editor._insert = lambda *arguments: die()
    elif point == "numbered":
        Editor._insert = lambda *arguments: (insert(*arguments), die())
    elif point == "written":
        ChunkEdit.write = lambda *arguments: (write(*arguments), die())
    elif point == "before the commit":
        sa.event.listen(engine, "commit", lambda connection: die())
    else:
        State.append = lambda *arguments: die()
    EDITS[edit](session)
    if point == "written":  # an edit without voxels has no such point
        die()


def lock_and_die(store: str) -> None:
    """Lock a segment, and be killed."""
    session = voxome.proofread(LABELS, store, author="killed")
    with session.lock(3, seconds=300):
        die()


def edit_at_random(store: str, name: str, seed: int, count: int) -> None:
    """Make random edits, undos and redos."""
    session, choose = voxome.proofread(LABELS, store, author=name), random.Random(seed)
    done = 0
    while done < count:
        session.refresh()
        segments = np.unique(session.mapping()["segment"]).tolist()
        try:
            action = choose.choice(["merge", "merge", "cleave", "split", "undo", "redo"])
            if action == "merge" and len(segments) > 1:
                session.merge(choose.sample(segments, 2))
            elif action in ("merge", "cleave"):
                segment = choose.choice(segments)
                session.cleave(segment, session.supervoxels(segment)[:1])
            elif action == "split":
                points = choose.sample(range(72), 2)
                segment = int(session.volume[0, 0, points[0]])
                session.split(segment, [[0, 0, points[0]]], [[0, 0, points[1]]])
            else:
                number = choose.randint(1, max(1, len(session.history())))
                (session.undo if action == "undo" else session.redo)(number)
            done += 1
        except (EditConflict, InvalidInput, NotFound):
            continue


def read_all(store: str, found: Any) -> None:
    """Send the voxels that are seen, with the versions before and after, until a process ends this one."""
    reader = voxome.proofread(LABELS, store, author="reader")
    volume = reader.volume
    while True:
        before = len(reader.history())
        voxels = volume[...]
        found.send((before, len(reader.history()), voxels))
