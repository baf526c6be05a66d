"""Proofreading by concurrent editors that are killed: is every edit whole, the history one, and how long do edits take?

``python benchmarks/proofreading.py DIR [--edits 1000] [--editors 4] [--kills 10] [--store URL]``. Editors, each a
process of its own, make random merges of neighbours, cleaves, splits through voxels, undos and redos on a zarr of
100,000 supervoxels; some are killed (SIGKILL) at any time and started again. A reader reads random boxes meanwhile.
Then the script compares what it has read with the versions that existed, checks the history, undoes everything, and
compares mapping and voxels with the start. Times are wall times of one call, which includes waiting for the other
editors; the overhead of reading is a ratio of alternating reads of the same boxes from the zarr and ``proofread://``.
At last one supervoxel that fills 128³ voxels, with two coarser levels, is split through its middle.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import voxome
from voxome.errors import EditConflict, InvalidInput, NotFound
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.source import SegmentsSource

EDGE, ACROSS = 6, 47
CHUNK = 64
LARGE = 128
ERRORS = (EditConflict, InvalidInput, NotFound)


def make_labels(path: Path) -> str:
    """Write a zarr of 47³ supervoxels, of 6³ voxels each."""
    uri = f"zarr://{path}"
    if not path.exists():
        cells = np.arange(ACROSS * EDGE) // EDGE
        labels = (cells[:, None, None] * ACROSS + cells[:, None]) * ACROSS + cells + 1
        spec = voxome.VolumeSpec.of(labels.shape, "uint64", kind="labels", chunk=(CHUNK,) * 3, voxel_size_nm=(8, 8, 8))
        voxome.create(uri, spec)[...] = labels.astype(np.uint64)
    return uri


def supervoxel(cell: list[int]) -> int:
    return (cell[0] * ACROSS + cell[1]) * ACROSS + cell[2] + 1


def random_edit(session: Session, choose: random.Random) -> tuple[str, float, float]:
    """Make an edit; return its action, and the seconds and the seconds of CPU time that the call took."""
    cell = [choose.randrange(ACROSS - 1) for _ in range(3)]
    one = int(session.segment_of([supervoxel(cell)])[0])
    action = choose.choices(["merge", "cleave", "split", "undo", "redo"], [50, 20, 15, 10, 5])[0]
    if action in ("undo", "redo"):
        number = choose.randint(1, max(1, session.version))
        call: Any = lambda: getattr(session, action)(number)  # noqa: E731
    elif action == "split" and one:
        at = [edge * EDGE + 1 for edge in cell]
        other = [at[0] + EDGE - 3, at[1], at[2]]
        call = lambda: session.split(one, [at], [other])  # noqa: E731
    elif action == "cleave" and session.version:
        merged = choose.choice(session.history()).details["segments"][0]
        cut = session.supervoxels(merged)[:1]
        call = lambda: session.cleave(merged, cut)  # noqa: E731
    else:
        action, axis = "merge", choose.randrange(3)
        cell[axis] += 1
        other_segment = int(session.segment_of([supervoxel(cell)])[0])
        call = lambda: session.merge([one, other_segment])  # noqa: E731
    began, used = time.perf_counter(), time.process_time()
    call()
    return action, time.perf_counter() - began, time.process_time() - used


def edit(store: str, name: str, seed: int, count: int, log: Path) -> None:
    """Make random edits until the history has `count`; log each that was made."""
    session, choose = voxome.proofread(f"proofread://{store}", author=name), random.Random(seed)
    with log.open("a") as file:
        while session.refresh() < count:
            try:
                action, seconds, used = random_edit(session, choose)
            except ERRORS:
                continue
            number = session.history()[-1].number
            file.write(json.dumps([action, seconds, used, number]) + "\n")
            file.flush()


def start_editor(arguments: argparse.Namespace, name: str, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, str(arguments.folder), "--editor", name, "--seed", str(seed)]
    return subprocess.Popen([*command, "--store", arguments.store, "--edits", str(arguments.edits)])


def random_box(choose: random.Random) -> voxome.Box:
    corner = tuple(choose.randrange(ACROSS * EDGE - 40) for _ in range(3))
    return voxome.Box.of_shape((40, 40, 40), corner)


def run_editors(arguments: argparse.Namespace, session: Session) -> list[tuple[int, int, voxome.Box, Any]]:
    """Run and kill editors until the history is long enough; return what was read meanwhile."""
    choose, seen = random.Random(arguments.seed), []
    editors = [start_editor(arguments, f"editor{at}", at) for at in range(arguments.editors)]
    volume, kills = session.volume, 0
    while any(editor.poll() is None for editor in editors):
        before, box = session.refresh(), random_box(choose)
        voxels = volume.cutout(box)
        seen.append((before, session.refresh(), box, voxels))
        if kills < arguments.kills and before > (kills + 1) * arguments.edits / (arguments.kills + 2):
            at = choose.randrange(len(editors))
            editors[at].kill()
            editors[at].wait()
            kills += 1
            editors[at] = start_editor(arguments, f"editor{at}", 100 + kills)
        time.sleep(0.1)
    print(f"killed {kills} editors; exit states of the last ones: {[editor.returncode for editor in editors]}")
    return seen


def check(session: Session, seen: list[tuple[int, int, voxome.Box, Any]], logged: list[int]) -> None:
    history = session.history()
    assert [one.number for one in history] == list(range(1, len(history) + 1)), "the history has gaps"
    assert set(logged) <= {one.number for one in history}, "an edit that was made is not in the history"
    assert [one.time_s for one in history] == sorted(one.time_s for one in history), "the times are not in order"
    print(f"{len(history)} operations by {len({one.session for one in history})} sessions, without a gap")
    for before, after, box, voxels in seen[:: max(1, len(seen) // 50)]:
        versions = range(before, after + 1)
        same = (np.array_equal(SegmentsSource(session.store, "main", one).read(box), voxels) for one in versions)
        assert any(same), f"what was read between {before} and {after} never existed"
    print(f"{len(seen[:: max(1, len(seen) // 50)])} reads of {len(seen)} compared: each is a state that existed")


def undo_all(session: Session, labels: Any) -> None:
    began, count = time.perf_counter(), 0
    for one in reversed(session.history()):
        take_back = session.redo if one.action == "undo" else session.undo
        take_back(one.target or one.number)
        count += 1
    assert np.array_equal(session.mapping()["segment"], session.mapping(0)["segment"])
    assert np.array_equal(session.volume[...], labels[...]), "the voxels differ from those at the start"
    print(f"{count} operations taken back in {time.perf_counter() - began:.1f} s: the start is back")


def overhead(labels: Any, segments: Any, edge: int, extent: int = ACROSS * EDGE, repeats: int = 15) -> float:
    """Return the median ratio of the times of alternating reads."""
    choose, ratios = random.Random(0), []
    for _ in range(repeats):
        corner = [choose.randrange(extent - edge + 1) for _ in range(3)]
        box = voxome.Box.of_shape((edge,) * 3, corner)
        times = []
        for volume in (labels, segments):
            began = time.process_time()
            volume.cutout(box)
            times.append(time.process_time() - began)
        ratios.append(times[1] / times[0])
    return statistics.median(ratios)


def divide_large(folder: Path) -> None:
    """Split a large supervoxel at all levels, and read what is written."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        uri = f"zarr://{made}/large.zarr"
        voxome.transfer(np.ones((LARGE,) * 3, np.uint64), uri, levels=3, voxel_size_nm=(8, 8, 8))
        session = voxome.proofread(uri, f"{made}/edits.sqlite", author="benchmark")
        used = time.process_time()
        session.split(1, [[LARGE // 2, LARGE // 2, 3]], [[LARGE // 2, LARGE // 2, LARGE - 4]])
        print(f"a split of a supervoxel of {LARGE}³ voxels takes {time.process_time() - used:.1f} s of CPU time")
        labels = voxome.open(uri, expect=voxome.Volume)
        for edge in (LARGE // 2, LARGE):
            ratio = overhead(labels, session.volume, edge, LARGE)
            print(f"reading {edge}³ voxels of it takes {ratio:.2f} of the CPU time of the zarr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="Folder for the volume, the store and the logs.")
    parser.add_argument("--edits", type=int, default=1000)
    parser.add_argument("--editors", type=int, default=4)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--store", default="", help="Address of a database; by default a file in the folder.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--editor", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.store = given.store or str(given.folder / "edits.sqlite")
    if given.editor:
        edit(given.store, given.editor, given.seed, given.edits, given.folder / f"{given.editor}.log")
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    uri = make_labels(given.folder / "labels.zarr")
    began = time.perf_counter()
    session = voxome.proofread(uri, given.store, author="benchmark")
    print(f"store of {len(session.store.start.ids):,} supervoxels made in {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    seen = run_editors(given, session)
    print(f"edited for {time.perf_counter() - began:.1f} s")
    rows = [json.loads(line) for path in given.folder.glob("*.log") for line in path.read_text().splitlines()]
    for action in ("merge", "cleave", "split", "undo", "redo"):
        times = sorted(1e3 * seconds for one, seconds, _, _ in rows if one == action)
        if times:
            p95 = times[int(0.95 * (len(times) - 1))]
            used = statistics.median(1e3 * cpu for one, _, cpu, _ in rows if one == action)
            wall = f"median {statistics.median(times):6.1f} ms, 95 % {p95:6.1f} ms"
            print(f"{action:8}{len(times):5} calls: {wall}, CPU time {used:6.1f} ms")
    check(session, seen, [number for _, _, _, number in rows])
    labels = voxome.open(uri, expect=voxome.Volume)
    for edge in (64, 128, ACROSS * EDGE):
        print(f"reading {edge}³ voxels takes {overhead(labels, session.volume, edge):.2f} of the CPU time of the zarr")
    undo_all(session, labels)
    divide_large(given.folder)


if __name__ == "__main__":
    main()
