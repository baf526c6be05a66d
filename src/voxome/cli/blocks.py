"""How far a copy is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from voxome.cli.console import say

_LINE_EVERY_S = 10.0
_QUIET_S = 2.0


@contextmanager
def block_progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with the blocks that are done and how many there are; quick work is not told of."""
    if not sys.stderr.isatty():
        yield _lines(name)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*Progress.get_default_columns(), console=Console(stderr=True), transient=True) as bar:
        task, began = bar.add_task(name, total=None, visible=False), time.monotonic()

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=time.monotonic() - began > _QUIET_S)

        yield told


def _lines(name: str) -> Callable[[int, int], None]:
    began = last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _LINE_EVERY_S and done < total:
            last = now
            left = (total - done) * (now - began) / done
            say(f"{name}: {done:,} of {total:,} blocks, {left:.0f} s left")

    return told
