"""Files appear complete or not at all, also with several writers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voxome.errors import StoreError
from voxome.records.folder import read_json_or_none, write_json
from voxome.storage.atomic import replacing, storing


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write_json(path, {"text": str(number) * 10_000}), range(100)))
    assert len((read_json_or_none(path) or {})["text"]) >= 10_000
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as partial:
            partial.write_text("new")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_gone_is_not_blamed_on_the_file_system(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(StoreError, match=r"^cannot write \S+/gone: No such file or directory$"), storing(gone):
        gone.open("r+b")
    with pytest.raises(StoreError, match=r"^cannot write \S+/new: No such file or directory$"):  # noqa: SIM117
        with replacing(tmp_path / "new"):
            gone.read_bytes()
