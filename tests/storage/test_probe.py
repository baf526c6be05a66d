"""Whether a place can be written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxome.errors import ReadOnly, StoreError
from voxome.storage.local import LocalPath
from voxome.storage.probe import require_write_access, write_problem


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    for name in ("a.csv", "b.csv", "new/folder/c.csv"):
        assert write_problem(LocalPath(str(tmp_path / name))) is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    for name in ("a.csv/b.csv", "a.csv/folder/b.csv"):
        with pytest.raises(ReadOnly, match=r"^b cannot be written: .*a\.csv is a file, not a folder; choose another"):
            require_write_access(LocalPath(str(tmp_path / name)), "b")


def test_what_the_system_says_is_reported() -> None:
    assert (
        write_problem(LocalPath("/proc/b.csv"))
        == "cannot write /proc/b.csv: the file system of /proc takes no new files"
    )


def test_folders_that_cannot_be_created_are_named_without_those_of_voxome() -> None:
    with pytest.raises(StoreError, match=r"^cannot create /proc/b: the file system of /proc takes no new files$"):
        LocalPath("/proc/b").put_new({"info": b"{}"})
