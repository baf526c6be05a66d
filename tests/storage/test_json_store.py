"""JSON documents beside arrays."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.storage.bounded_file import MOST_DOCUMENT_BYTES
from voxome.storage.json_store import Json, read_document, read_json, update_json
from voxome.storage.local import LocalPath


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    def count(_: int) -> None:
        update_json(LocalPath(str(tmp_path)), "a.json", lambda old: {"n": old.get("n", 0) + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(40)))
    assert read_json(LocalPath(str(tmp_path)), "a.json") == {"n": 40}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"n": 1}')

    def fail(old: Json) -> Json:
        raise UnsupportedFormat("no")

    with pytest.raises(UnsupportedFormat):
        update_json(LocalPath(str(tmp_path)), "a.json", fail)
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 1}


@pytest.mark.parametrize("text", ["{", "[1]", '"a"', ""])
def test_json_other_than_an_object_is_corrupt(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CorruptData, match=r"a\.json"):
        read_json(LocalPath(str(tmp_path)), "a.json")
    with pytest.raises(CorruptData, match=r"a\.json"):
        update_json(LocalPath(str(tmp_path)), "a.json", lambda old: old)


def test_a_missing_file_is_read_as_none(tmp_path: Path) -> None:
    assert read_json(LocalPath(str(tmp_path / "none")), "a.json") is None


def test_numbers_that_json_lacks_are_written_as_text(tmp_path: Path) -> None:
    folder = LocalPath(str(tmp_path))
    update_json(folder, "a.json", lambda old: {"mean": float("nan"), "range": [float("-inf"), 1.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"mean": "NaN", "range": ["-Infinity", 1.5]}


def test_bare_nan_of_others_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"mean": NaN, "n": 1}')
    update_json(LocalPath(str(tmp_path)), "a.json", lambda old: {**old, "n": 2})
    assert '"mean": NaN' in (tmp_path / "a.json").read_text()
    assert (read_json(LocalPath(str(tmp_path)), "a.json") or {})["n"] == 2
    with pytest.raises(InvalidInput, match=r"a\.json: x is of type object.*--drop attributes"):
        update_json(LocalPath(str(tmp_path)), "a.json", lambda old: {**old, "x": object()})


def test_a_file_that_is_too_large_for_metadata_is_not_read(tmp_path: Path) -> None:
    file = LocalPath(str(tmp_path / "a.handle.json"))
    assert read_document(file) is None
    file.write_bytes(b"{}")
    assert read_document(file) == b"{}"
    os.truncate(file.path, MOST_DOCUMENT_BYTES + 1)
    with pytest.raises(CorruptData, match=r"a\.handle\.json has more than 67,108,864 bytes"):
        read_document(file)


@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_beyond_the_floats_are_damage(tmp_path: Path, sign: str) -> None:
    for digits, encoding in ((308, "utf-8"), (309, "utf-8"), (309, "utf-16")):
        (tmp_path / "a.json").write_bytes(f'{{"a": [{sign}{"9" * digits}]}}'.encode(encoding))
        if digits == 308:
            assert read_json(LocalPath(str(tmp_path)), "a.json") is not None
            continue
        with pytest.raises(CorruptData, match=r"integer of .* digits"):
            read_json(LocalPath(str(tmp_path)), "a.json")
