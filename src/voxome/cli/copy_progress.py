"""How far a copy is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

from voxome.cli.console import say, size_text

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_EVERY_S = 10.0
_QUIET_S = 2.0
_Told = Callable[[int, int], None]


@contextmanager
def block_progress(name: str, size: int | None = None, unit: str = "blocks") -> Iterator[_Told]:
    """A function to call with how much is done and how much there is; quick work is not told of.

    Parameters
    ----------
    name : str
        What is written or read.
    size : int, optional
        Bytes of all of it; then the rate is in bytes.
    unit : str
        What is counted.
    """
    began = time.monotonic()

    def rate(done: int, total: int) -> str:
        elapsed = time.monotonic() - began
        return f"{done / elapsed:.3g} {unit}/s" if size is None else f"{size_text(size * done / total / elapsed)}/s"

    if not sys.stderr.isatty():
        yield _lines(name, unit, rate)
        return
    with new_bar() as bar:
        task = bar.add_task(name, total=None, amount="", rate="", visible=False)
        later = Timer(_QUIET_S, lambda: bar.update(task, visible=True))
        later.daemon = True
        later.start()

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, amount=f"{done:,}/{total:,} {unit}", rate=rate(done, total))

        try:
            yield told
        finally:
            later.cancel()


def new_bar() -> Progress:
    """A bar on standard error that is gone at the end; its tasks have the fields ``amount`` and ``rate``."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[amount]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, markup=False, highlight=False)
    return Progress(*columns, console=console, transient=True, expand=True)


def _lines(name: str, unit: str, rate: Callable[[int, int], str]) -> _Told:
    began = last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > LINE_EVERY_S and 0 < done < total:
            last = now
            left = (total - done) * (now - began) / done
            say(f"{name}: {done:,} of {total:,} {unit}, {rate(done, total)}, {left:.0f} s left")

    return told
