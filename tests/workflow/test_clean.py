"""Removal of intermediate results."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.contracts.formats import RUN
from voxome.errors import InvalidInput, NotFound, RunLocked, UnsupportedFormat
from voxome.records.folder import lock_folder, write_json
from voxome.workflow.clean import clean


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    part = tmp_path / ".voxome" / "steps" / "mark-1" / "result.zarr"
    part.mkdir(parents=True)
    (part / "0").write_bytes(b"x" * 1000)
    (tmp_path / "neurons.zarr").mkdir()
    return tmp_path


def test_only_intermediate_results_are_removed(folder: Path) -> None:
    write_json(folder / "run.json", RUN.stamp({"store": None}))
    assert clean(folder) == 1000
    assert not (folder / ".voxome" / "steps").exists()
    assert (folder / "neurons.zarr").exists()
    assert clean(folder) == 0


def test_steps_with_results_of_the_run_stay(folder: Path) -> None:
    results = {"masks": ["zarr://./.voxome/steps/each%20one-2/result.zarr"], "mask": "zarr://./neurons.zarr"}
    write_json(folder / "run.json", RUN.stamp({"store": None, "outputs": {}, "values": results}))
    result = folder / ".voxome" / "steps" / "each one-2" / "result.zarr"
    result.mkdir(parents=True)
    assert clean(folder) == 1000
    assert result.exists()
    assert not (folder / ".voxome" / "steps" / "mark-1").exists()


def test_an_unfinished_run_is_not_cleaned(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="not finished"):
        clean(folder)
    assert (folder / ".voxome" / "steps" / "mark-1").exists()


def test_a_run_in_progress_is_not_cleaned(folder: Path) -> None:
    write_json(folder / "run.json", RUN.stamp({"store": None}))
    with lock_folder(folder), pytest.raises(RunLocked):
        clean(folder)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not a run folder"):
        clean(tmp_path)


def test_a_run_of_another_version_is_not_cleaned(folder: Path) -> None:
    write_json(folder / "run.json", {"schema_version": 1})
    with pytest.raises(UnsupportedFormat, match="without a version"):
        clean(folder)
    assert (folder / ".voxome" / "steps" / "mark-1").exists()
