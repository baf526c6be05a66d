"""Progress of a run: a line for every finished step and, on a terminal, a bar for the current one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from voxome.cli.console import note_on_interrupt, print_stderr, size_text
from voxome.cli.copy_progress import LINE_EVERY_S, new_bar

if TYPE_CHECKING:
    from voxome.blocks.progress import StepReport


@contextmanager
def progress_bars(steps: Sequence[str]) -> Iterator[Callable[[StepReport], None]]:
    """Yield a function to call with every report of a step.

    Parameters
    ----------
    steps : sequence of str
        Names of the steps, in the order in which they run; others are not numbered.
    """
    titles = {name: f"[{i + 1:>{len(str(len(steps)))}}/{len(steps)}] {name}" for i, name in enumerate(steps)}
    with note_on_interrupt("rerun the same command to resume"):
        if sys.stderr.isatty():
            with _bar() as update:
                yield lambda report: update(report, titles.get(report.name, report.name))
        else:
            lines = _Lines()
            yield lambda report: lines(report, titles.get(report.name, report.name))


def _ended(report: StepReport, name: str) -> str:
    done = report.run + report.reused
    reused = f", {report.reused:,} of them reused" if report.reused else ""
    blocks = "1 block" if done == 1 else f"{done:,} blocks"
    return f"{name}: {blocks} in {report.wall_s:.1f} s{reused}{_retries(report)}"


def _retries(report: StepReport) -> str:
    """Return the number of jobs that were tried again, as the end of a line."""
    return f", {report.retries:,} {'retry' if report.retries == 1 else 'retries'}" if report.retries else ""


@contextmanager
def _bar() -> Iterator[Callable[[StepReport, str], None]]:
    with new_bar() as bar:
        task = bar.add_task("", total=1, amount="", rate="", visible=False)
        running = ""

        def update(report: StepReport, name: str) -> None:
            nonlocal running
            if report.ended:
                bar.update(task, visible=False)
                bar.print(_ended(report, name))
                return
            if name != running:
                running = name
                bar.reset(task, total=report.total, description=name, visible=True)
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{_amount(report, report.run / elapsed)}/s" if report.run and elapsed else ""
            done = report.run + report.reused
            amount = f"{done:,}/{report.total:,} blocks{_retries(report)}"
            bar.update(task, completed=done, amount=amount, rate=rate)

        yield update


def _amount(report: StepReport, blocks: float) -> str:
    return size_text(blocks * report.block_bytes) if report.block_bytes else f"{blocks:.3g}"


class _Lines:
    """Print a line when a step ends, and every few seconds in between."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._began: dict[str, float] = {}

    def _pace(self, report: StepReport, name: str) -> str:
        """Return the rate and the time left."""
        elapsed = time.monotonic() - self._began[name]
        if not report.run or not elapsed:
            return ""
        left = (report.total - report.run - report.reused) * elapsed / report.run
        return f", {_amount(report, report.run / elapsed)}/s, {left:.0f} s left"

    def __call__(self, report: StepReport, name: str) -> None:
        self._began.setdefault(name, self._last)
        if report.ended:
            print_stderr(_ended(report, name))
        elif time.monotonic() - self._last > LINE_EVERY_S:
            done = f"{report.run + report.reused:,} of {report.total:,} blocks"
            print_stderr(f"{name}: {done}{self._pace(report, name)}{_retries(report)}")
        else:
            return
        self._last = time.monotonic()
