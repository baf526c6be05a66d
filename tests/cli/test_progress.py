"""What a run shows of its steps."""

from __future__ import annotations

import pytest

from voxome.blocks.progress import StepReport
from voxome.cli import progress
from voxome.cli.progress import progress_bars


@pytest.mark.parametrize(("retries", "end"), [(0, " s"), (1, " s, 1 retry"), (1200, " s, 1,200 retries")])
def test_retries_are_counted(
    retries: int, end: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    report = StepReport("watershed", "em.watershed", "key", 4, run=1, retries=retries)
    with progress_bars(["watershed"]) as show:
        show(report)
        report.ended = True
        show(report)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("[1/1] watershed: 1 of 4 blocks, ")
    assert first.endswith(end.removeprefix(" s"))
    assert last.startswith("[1/1] watershed: 1 block in ")
    assert last.endswith(end)
