"""Jobs do not see what others changed in their process."""

from __future__ import annotations

import os
import random
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from voxome.engines.isolation import restore_state


def _draw() -> tuple[float, float]:
    return random.random(), float(np.random.random())  # noqa: NPY002


def _state() -> tuple[object, ...]:
    return Path.cwd(), dict(os.environ), list(warnings.filters)


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_job_changes_is_restored(fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_CHANGED", "no")
    monkeypatch.setenv("VOXOME_REMOVED", "no")
    before = _state()
    with pytest.raises(RuntimeError) if fails else nullcontext(), restore_state():
        os.environ["VOXOME_CHANGED"] = "yes"
        del os.environ["VOXOME_REMOVED"]
        os.environ["VOXOME_ADDED"] = "yes"
        os.chdir(tmp_path)
        warnings.simplefilter("error")
        if fails:
            raise RuntimeError
    assert _state() == before


def test_jobs_draw_other_numbers_whatever_seed_one_sets() -> None:
    drawn = []
    for _ in range(3):
        with restore_state():
            drawn.append(_draw())
            random.seed(1)
            np.random.seed(1)  # noqa: NPY002
    assert [len(set(one)) for one in zip(*drawn, strict=True)] == [3, 3]


def test_a_working_directory_that_was_removed_fails_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    with restore_state():
        (tmp_path / "folder").rmdir()
    with restore_state():
        pass
