"""Look-ups in the journal of writes of a relay while many writes wait for their store.

``python benchmarks/journal.py [--writes 20000]``. The writes are to boxes of 16³ voxels side by side. The script
prints the median times, in ms, of the two look-ups of each read of the source: which writes are to its box, and which
sources have writes, right after a change; and for comparison that of the first by a loop over all rows.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from voxome.geometry import Box
from voxome.relay.writes.entry import WriteEntry
from voxome.relay.writes.index import WriteIndex

EDGE, ROW = 16, 64
BOX = Box((0, 64, 64), (16, 80, 80))


def fill(index: WriteIndex, count: int) -> None:
    """Enter writes."""
    places = itertools.product(range(-(-count // ROW**2)), range(ROW), range(ROW))
    for number, place in enumerate(itertools.islice(places, count), 1):
        box = Box.of_shape((EDGE,) * 3).shift([EDGE * one for one in place])
        index.add(WriteEntry(number, "em", "em", 0, box, "layout", "|u1", False, EDGE**3, 0, 0.0, ()), EDGE**3)


def measure(action: Callable[[], object], times: int) -> float:
    """Return the median time of an action in ms."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begin)
    return 1000 * median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=20_000)
    count = parser.parse_args().writes
    with tempfile.TemporaryDirectory() as folder, closing(WriteIndex(Path(folder) / "index.sqlite")) as index:
        index.fetch("PRAGMA synchronous = OFF")  # only to fill it
        fill(index, count)

        def loop() -> list[WriteEntry]:
            return [one.entry for one in index.queue("em") if not (one.entry.box & BOX).empty]

        def sources() -> frozenset[str]:
            index.remove([])
            return index.sources()

        assert len(index.overlapping("em", 0, BOX)) == len(loop()) == 1
        print(f"{count} writes: those to a box {measure(lambda: index.overlapping('em', 0, BOX), 50):.2f} ms", end=", ")
        print(f"by a loop {measure(loop, 3):.0f} ms, sources after a change {measure(sources, 50):.2f} ms")


if __name__ == "__main__":
    main()
