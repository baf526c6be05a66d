"""Folders that several processes need are made by one of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made_once import make_once


def test_all_who_need_a_folder_wait_for_the_one_that_makes_it(tmp_path: Path) -> None:
    makers: list[Path] = []

    def make(folder: Path) -> None:
        makers.append(folder)
        folder.mkdir()
        time.sleep(0.05)
        (folder / "file").touch()

    def need(_: int) -> bool:
        return (make_once(tmp_path, "volume", make) / "file").exists()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(need, range(4)))
    assert makers == [tmp_path / "volume"]


def test_a_folder_that_could_not_be_made_is_made_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        make_once(tmp_path, "volume", fail)
    assert make_once(tmp_path, "volume", Path.mkdir).is_dir()
