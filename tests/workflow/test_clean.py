"""Dropping intermediate results."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.errors import InvalidInput, NotFound, RunLocked
from voxome.records.folder import lock_folder
from voxome.workflow.clean import clean


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    part = tmp_path / ".voxome" / "steps" / "mark-1" / "result.zarr"
    part.mkdir(parents=True)
    (part / "0").write_bytes(b"x" * 1000)
    (tmp_path / "neurons.zarr").mkdir()
    return tmp_path


def test_only_intermediates_go(folder: Path) -> None:
    (folder / "run.json").write_text("{}")
    assert clean(folder) == 1000
    assert not (folder / ".voxome" / "steps").exists()
    assert (folder / "neurons.zarr").exists()
    assert clean(folder) == 0


def test_a_run_that_has_not_finished_is_left_alone(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="not finished"):
        clean(folder)
    assert (folder / ".voxome" / "steps" / "mark-1").exists()


def test_a_run_under_way_is_left_alone(folder: Path) -> None:
    (folder / "run.json").write_text("{}")
    with lock_folder(folder), pytest.raises(RunLocked):
        clean(folder)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not the folder of a run"):
        clean(tmp_path)
