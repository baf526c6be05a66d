"""The journal on its disk: whole or refused, whatever the disk and the clock do."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.cache.caches import ONE, SHAPE, WHOLE
from relay.writes.journals import Upstream, flushing, journal_of, journaled, wait_until, waiting

from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay.source_errors import SourceUnavailable, StorageFull
from voxome.relay.writes import flusher
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.frame import Voxels
from voxome.relay.writes.index import WriteIndex
from voxome.relay.writes.journal import DamagedWrite, Journal, JournalFull, TooLargeForJournal, UnreadableWrite, recover
from voxome.testing.strategies import noise

BUDGET = 2**20
ENTRY = WriteEntry(0, "source", "em", 0, ONE, "layout", "|u1", False, 0, 0, 1e9, ("a" * 8,))
DATA = noise(ONE.shape, "uint8")


def append(journal: Journal, value: int, masked: bool = False) -> WriteEntry:
    where = DATA % 2 == 0 if masked else None
    return journal.append(replace(ENTRY, masked=masked), Voxels(np.full(ONE.shape, value, "uint8"), where))


def files_of(folder: Path) -> list[Path]:
    return sorted((folder / "entries").iterdir())


@pytest.mark.parametrize("masked", [False, True])
def test_a_write_is_what_it_was_after_a_restart(tmp_path: Path, masked: bool) -> None:
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        append(journal, 1, masked)
    recover(tmp_path)
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        (queued,) = journal.index.queue()
        voxels = journal.load(queued.entry)
        assert (voxels.data == 1).all()
        assert voxels.where is None if not masked else np.array_equal(voxels.where, DATA % 2 == 0)
        assert queued.entry.hops == ENTRY.hops


@pytest.mark.parametrize("lost", ["removed", "zeros", "short", "text", "flipped"])
@pytest.mark.slow
def test_an_index_that_is_lost_is_made_again_from_the_files(tmp_path: Path, lost: str) -> None:
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        entries = [append(journal, value) for value in range(1, 40)]
        journal.remove(entries[:1])
    index = tmp_path / "index.sqlite"
    content = index.read_bytes()
    damaged = {
        "zeros": bytes(len(content)), "short": content[: len(content) // 2], "text": b"not a database" * 100,
        "flipped": content[:100] + bytes(255 - byte for byte in content[100:]),
    }  # fmt: skip
    if lost == "removed":
        index.unlink()
    else:
        index.write_bytes(damaged[lost])
    recover(tmp_path)
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        assert [one.entry for one in journal.index.queue()] == entries[1:]
        assert [int(journal.load(entry).data[0, 0, 0]) for entry in entries[1:]] == list(range(2, 40))
        assert journal.index.nbytes == sum(path.stat().st_size for path in files_of(tmp_path))
        assert append(journal, 99).number > entries[-1].number


def test_a_damaged_file_is_kept_aside_when_the_index_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        append(journal, 1), append(journal, 2)
    first = files_of(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:-1])
    (tmp_path / "index.sqlite").unlink()
    recover(tmp_path)
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        assert [one.entry.number for one in journal.index.queue()] == [2]
    assert (tmp_path / "damaged" / first.name).exists()
    assert first.name in caplog.text


@pytest.mark.parametrize("index", ["kept", "lost"])
def test_files_that_are_none_of_the_journal_are_left_alone(
    tmp_path: Path, index: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        append(journal, 1)
    strays = [
        tmp_path / "entries" / name
        for name in ("0000000000000001 (copy).write", "notes.write", "-000000000000001.write", "1.write")
    ]
    for stray in strays:
        stray.write_bytes(b"a stray")
    if index == "lost":
        (tmp_path / "index.sqlite").unlink()
    recover(tmp_path)
    assert all(stray.read_bytes() == b"a stray" for stray in strays)
    assert strays[0].name in caplog.text
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        assert [one.entry.number for one in journal.index.queue()] == [1]


@pytest.mark.parametrize(
    "damage", ["zeros", "short", "flipped header", "flipped voxel", "long", "missing", "another", "a folder"]
)
def test_a_damaged_write_is_never_read_nor_replayed(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "_FIRST_WAIT_S", 0.02)
    store = Upstream(noise(SHAPE, "uint8"))
    away = Box((20, 0, 0), (25, 6, 7))
    with journaled(tmp_path, store, flush=False) as sources:
        sources.write("em", ONE, np.full(ONE.shape, 7, "uint8"))
        sources.write("em", away, np.full(away.shape, 8, "uint8"))
        file, other = files_of(tmp_path / "writes")
        content = bytearray(file.read_bytes())
        if damage in ("missing", "a folder"):
            file.unlink()
            if damage == "a folder":
                file.mkdir()  # which the disk does not read
        else:
            flipped = {"flipped header": 30, "flipped voxel": len(content) - 5}.get(damage)
            if flipped is not None:
                content[flipped] ^= 1
            changed = {"zeros": bytes(len(content)), "short": content[:-1], "long": content + b"0"}
            file.write_bytes(other.read_bytes() if damage == "another" else changed.get(damage, content))
        journal = journal_of(sources)
        with pytest.raises(UnreadableWrite if damage == "a folder" else DamagedWrite, match="write 1"):
            journal.load(journal.index.queue()[0].entry)
        with pytest.raises(SourceUnavailable):
            sources.read("em", WHOLE)
        with flushing(tmp_path, sources):
            wait_until(lambda: waiting(sources) == 1 and bool(journal.index.queue()[0].problem))
        assert (sources.read("em", away) == 8).all()
    expected = noise(SHAPE, "uint8")
    expected[away.within(WHOLE)] = 8
    assert_array_equal(store.voxels, expected)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "execute"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_write_that_cannot_be_made_durable_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    store = Upstream(noise(SHAPE, "uint8"))
    with journaled(tmp_path, store, flush=False) as sources:
        sources.write("em", ONE, np.full(ONE.shape, 1, "uint8"))
        journal, entries = journal_of(sources), str(tmp_path / "writes" / "entries")

        def fail(*arguments: Any, **options: Any) -> Any:
            if call != "open" or str(arguments[0]).startswith(entries):
                raise OSError(code, os.strerror(code))
            return opens(*arguments, **options)

        opens = os.open
        with monkeypatch.context() as patch:
            if call == "execute":
                patch.setattr(WriteIndex, "add", lambda *_: raise_full())
            else:
                patch.setattr(os, call, fail)
            with pytest.raises(StorageFull):
                sources.write("em", ONE, np.full(ONE.shape, 2, "uint8"))
            assert (sources.read("em", ONE) == 1).all()
        if call != "execute":
            assert len(files_of(tmp_path / "writes")) == 1
            assert journal.index.nbytes == files_of(tmp_path / "writes")[0].stat().st_size
        sources.write("em", ONE, np.full(ONE.shape, 3, "uint8"))
        assert (sources.read("em", ONE) == 3).all()
    recover(tmp_path / "writes")
    assert len(files_of(tmp_path / "writes")) == 2


def raise_full() -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_what_a_killed_process_has_not_confirmed_is_removed_and_its_bytes_freed(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, BUDGET, 3)) as journal:
        append(journal, 1)
        used = journal.index.nbytes
        number = journal.index.reserve(1000, 3, BUDGET)
        assert number is not None
        journal._path(number).write_bytes(b"half of a wri")
    with closing(Journal(tmp_path, BUDGET, 2)) as other:
        assert other.index.nbytes == used + 1000
    with closing(Journal(tmp_path, BUDGET, 3)) as journal:
        assert journal.index.nbytes == used
        assert len(files_of(tmp_path)) == 1
        journal._path(77).write_bytes(b"of a process that is not started again")
        journal.index.reserve(1000, 5, BUDGET)
    recover(tmp_path)
    with closing(Journal(tmp_path, BUDGET, 0)) as journal:
        assert journal.index.nbytes == used
        assert len(files_of(tmp_path)) == 1


def test_a_journal_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="journal of writes"):
        Journal(tmp_path / "file" / "writes", BUDGET, 0)


def test_who_only_looks_at_a_journal_removes_nothing_and_appends_nothing(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, BUDGET, 0)) as journal, closing(Journal(tmp_path, BUDGET)) as looking:
        journal.index.reserve(10, 0, BUDGET)
        with pytest.raises(StoreError, match="to look"):
            append(looking, 1)
        assert looking.index.nbytes == 10


@pytest.mark.parametrize("days", [-1, 1])
def test_the_wall_clock_decides_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    store, real = Upstream(), time.time
    with journaled(tmp_path, store, flush=False) as sources:
        sources.write("em", ONE, np.full(ONE.shape, 1, "uint8"))
        monkeypatch.setattr(time, "time", lambda: real() + 86400 * days)
        sources.write("em", ONE, np.full(ONE.shape, 2, "uint8"))
        assert (sources.read("em", ONE) == 2).all()
        with flushing(tmp_path, sources):
            wait_until(lambda: not waiting(sources))
    assert (store.voxels[ONE.within(WHOLE)] == 2).all()


def test_a_source_fails_while_its_journal_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would show voxels from before a write that was confirmed."""
    with journaled(tmp_path, Upstream(), flush=False) as sources:
        sources.add("other", Upstream())
        sources.write("em", ONE, np.full(ONE.shape, 1, "uint8"))
        monkeypatch.setattr(WriteIndex, "fetch", lambda *_: raise_full())
        with pytest.raises(SourceUnavailable):
            sources.read("em", ONE)
        assert not sources.read("other", ONE).any()


def test_a_source_whose_store_is_away_leaves_others_their_shares(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, 40_000, 0)) as journal:
        for source in ("away", "other", "third"):
            journal.shares.add(source)

        def fill(source: str) -> int:
            """Return how many bytes of the source are in the journal when no more are taken."""
            voxels = Voxels(np.zeros(ONE.shape, "uint8"), None)
            with suppress(JournalFull):
                while True:
                    journal.append(replace(ENTRY, source=source), voxels)
            return next(one.nbytes for one in journal.index.backlogs() if one.source == source)

        size = append(journal, 1) and files_of(tmp_path)[0].stat().st_size
        journal.remove([one.entry for one in journal.index.queue()])
        share = 40_000 // 6
        assert share - size <= fill("other") - 20_000 <= share + size
        for source in ("away", "third"):
            assert share - size <= fill(source) <= share + size
        journal.remove([one.entry for one in journal.index.queue("other")])
        assert 20_000 <= fill("third") <= 20_000 + share + size
        assert share - size <= fill("other") <= share + size
        assert journal.index.nbytes <= 40_000
        assert journal.index.fetch("SELECT source FROM totals ORDER BY source") == [("away",), ("other",), ("third",)]


def test_a_write_that_no_source_may_ever_have_is_refused_for_good(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, 1000, 0)) as journal:
        append(journal, 1)
        for source in ("source", "other", "third"):
            journal.shares.add(source)
        with pytest.raises(TooLargeForJournal, match="more than the 668 that its source"):
            journal.append(
                replace(ENTRY, box=Box((0, 0, 0), (10, 10, 7))), Voxels(np.zeros((10, 10, 7), "uint8"), None)
            )
