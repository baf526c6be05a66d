"""How far a run is: a bar a step on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from voxome.cli.console import say

if TYPE_CHECKING:
    from voxome.blocks.runner import StepReport

_LINE_EVERY_S = 10.0


@contextmanager
def progress_bars(steps: Sequence[str]) -> Iterator[Callable[[StepReport], None]]:
    """A function to call with every report of a step, while the steps named `steps` run."""
    if not sys.stderr.isatty():
        yield _Lines(len(steps))
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {name: bars.add_task(name, total=None, start=False, rate="") for name in steps}

        def told(report: StepReport) -> None:
            if report.name not in tasks:
                tasks[report.name] = bars.add_task(report.name, total=None, start=False, rate="")
            task = tasks[report.name]
            if not bars.tasks[task].started:
                bars.start_task(task)
            elapsed = bars.tasks[task].elapsed or 0.0
            rate = f"{report.run / elapsed:.3g}/s" if report.run and elapsed else ""
            bars.update(task, total=report.total, completed=report.run + report.reused, rate=rate)

        yield told


class _Lines:
    """A line when a step ends, and every few seconds between."""

    def __init__(self, steps: int) -> None:
        self._steps, self._ended = steps, 0
        self._last = time.monotonic()

    def __call__(self, report: StepReport) -> None:
        done = report.run + report.reused
        if report.wall_s:
            self._ended += 1
            self._steps = max(self._steps, self._ended)
            reused = f", {report.reused:,} of them reused" if report.reused else ""
            blocks = "1 block" if done == 1 else f"{done:,} blocks"
            say(f"[{self._ended}/{self._steps}] {report.name}: {blocks} in {report.wall_s:.1f} s{reused}")
        elif time.monotonic() - self._last > _LINE_EVERY_S:
            say(f"[{self._ended + 1}/{self._steps}] {report.name}: {done:,} of {report.total:,} blocks")
        else:
            return
        self._last = time.monotonic()
