"""Progress of a copy: a bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

from voxome.cli.console import print_stderr, size_text
from voxome.redaction import redact

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_EVERY_S = 10.0
"""Seconds between progress lines."""
_QUIET_S = 2.0
"""Seconds before a bar is shown."""
_Callback = Callable[[int, int], None]


@contextmanager
def block_progress(name: str, size: int | None = None, unit: str = "blocks") -> Iterator[_Callback]:
    """Yield a function to call with the number of units done and the total; quick work shows no progress.

    Parameters
    ----------
    name : str
        Label of the progress bar.
    size : int, optional
        Total size in bytes; if given, the rate is in bytes.
    unit : str
        Unit of progress.
    """
    name, began = redact(name), time.monotonic()

    def rate(done: int, total: int) -> str:
        elapsed = time.monotonic() - began
        return f"{done / elapsed:.3g} {unit}/s" if size is None else f"{size_text(size * done / total / elapsed)}/s"

    if not sys.stderr.isatty():
        yield _lines(name, unit, rate)
        return
    with new_bar() as bar:
        task = bar.add_task(name, total=None, amount="", rate="", visible=False)
        show_later = Timer(_QUIET_S, lambda: bar.update(task, visible=True))
        show_later.daemon = True
        show_later.start()

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, amount=f"{done:,}/{total:,} {unit}", rate=rate(done, total))

        try:
            yield update
        finally:
            show_later.cancel()


def new_bar() -> Progress:
    """Return a transient bar on standard error; its tasks have the fields ``amount`` and ``rate``."""
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


def _lines(name: str, unit: str, rate: Callable[[int, int], str]) -> _Callback:
    began = last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > LINE_EVERY_S and 0 < done < total:
            last = now
            left = (total - done) * (now - began) / done
            print_stderr(f"{name}: {done:,} of {total:,} {unit}, {rate(done, total)}, {left:.0f} s left")

    return report
