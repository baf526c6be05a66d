"""The folder beside a table belongs to one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.errors import AlreadyExists, RunLocked
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath
from voxome.workflow.table_work import work_folder

ONE, OTHER = {"labels": "zarr://one"}, {"labels": "zarr://other"}


def interrupt(table: StoragePath) -> None:
    """Write a result and the table, and end as after Ctrl-C."""
    with work_folder([table], ONE, overwrite=False) as folder:
        (folder / "sums/part").write_bytes(b"1")
        table.write_bytes(b"rows")
        raise KeyboardInterrupt


def test_the_folder_is_removed_at_the_end(tmp_path: Path) -> None:
    table = storage_at(str(tmp_path / "t.parquet"))
    with work_folder([table], ONE, overwrite=False) as folder:
        (folder / "sums/part").write_bytes(b"1")
        table.write_bytes(b"rows")
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_failure_keeps_results_and_lets_the_same_call_write_its_files_again(tmp_path: Path) -> None:
    table = storage_at(str(tmp_path / "t.parquet"))
    with pytest.raises(KeyboardInterrupt):
        interrupt(table)
    with pytest.raises(AlreadyExists, match=r"t\.parquet already exists"), work_folder([table], OTHER, overwrite=False):
        pass
    properties = storage_at(str(tmp_path / "info"))
    properties.write_bytes(b"mine")
    with (
        pytest.raises(AlreadyExists, match="info already exists"),
        work_folder([table, properties], ONE, overwrite=False),
    ):
        pass
    with work_folder([table], ONE, overwrite=False) as folder:
        assert (folder / "sums/part").read_bytes() == b"1"


def test_a_failure_before_there_are_results_leaves_nothing(tmp_path: Path) -> None:
    table = storage_at(str(tmp_path / "t.parquet"))
    with pytest.raises(KeyboardInterrupt), work_folder([table], ONE, overwrite=False):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_call_for_something_else_waits_for_one_that_runs(tmp_path: Path) -> None:
    table = storage_at(str(tmp_path / "t.parquet"))
    with work_folder([table], ONE, overwrite=False) as folder:
        (folder / "sums/part").write_bytes(b"1")
        with pytest.raises(RunLocked, match="is in use by the run of"), work_folder([table], OTHER, overwrite=True):
            pass
        assert (folder / "sums/part").read_bytes() == b"1"


def test_a_folder_of_something_else_is_kept(tmp_path: Path) -> None:
    table = storage_at(str(tmp_path / "t.parquet"))
    (tmp_path / "t.parquet.run").mkdir()
    (tmp_path / "t.parquet.run/notes.txt").write_text("mine")
    with pytest.raises(AlreadyExists, match="has something else"), work_folder([table], ONE, overwrite=True):
        pass
    assert (tmp_path / "t.parquet.run/notes.txt").read_text() == "mine"
