"""Schemas of CWL from the user's cache are those of cwltool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cwltool.process as cwl_process
import platformdirs
import pytest
from schema_salad.avro.schema import Field, Schema

from voxome.workflow import cwl_schemas
from voxome.workflow.cwl_schemas import prepare_schemas

DOCUMENT = '{"cwlVersion": "v1.2"}'


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Give schemas as cwltool makes them."""
    with pytest.MonkeyPatch.context() as patch:
        forget(patch)
        return {version: cwl_process.get_schema(version) for version in ("v1.0", "v1.2")}


@pytest.fixture
def folder(tmp_path: Path, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of the schemas of a user who has none, in a process that has loaded none."""

    def get_schema(version: str) -> Any:
        return cwl_process.SCHEMA_CACHE.setdefault(version, made[version])

    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda _: str(tmp_path))
    monkeypatch.setattr(cwl_process, "get_schema", get_schema)
    forget(monkeypatch)
    return tmp_path / "cwl"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cwl_process, "SCHEMA_CACHE", {})


def plain(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Return the types of a schema as values that can be compared; a type within itself ends."""
    if isinstance(value, Schema | Field):
        if id(value) in above:
            return "above"
        content = value.props if isinstance(value, Schema) else {"type": value.type, "name": value.name}
        return [type(value).__name__, plain(content, (*above, id(value)))]
    if isinstance(value, dict):
        return {name: plain(one, above) for name, one in value.items()}
    return [plain(one, above) for one in value] if isinstance(value, list | tuple) else value


def names_of(schema: Any) -> Iterator[tuple[str, Any]]:
    return ((name, plain(one)) for name, one in sorted(schema[1].names.items()))


def test_are_those_of_cwltool(folder: Path, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_schemas(DOCUMENT)
    assert made == cwl_process.SCHEMA_CACHE
    assert len(list(folder.iterdir())) == 2
    forget(monkeypatch)
    monkeypatch.setattr(cwl_process, "get_schema", None)
    prepare_schemas(DOCUMENT)
    for version, expected in made.items():
        read = cwl_process.SCHEMA_CACHE[version]
        assert [*names_of(read)] == [*names_of(expected)]
        for field in ("ctx", "cache", "vocab", "identifiers"):
            assert getattr(read[0], field) == getattr(expected[0], field)
        assert all(read[3].idx[name] == expected[3].idx[name] for name in cwl_schemas._TYPES)


@pytest.mark.parametrize("content", [b"", b"{", b'{"voxome": "schema of CWL", "format_version": 0}'])
def test_are_made_again_of_a_file_that_is_none(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    file = cwl_schemas._file("v1.0")
    file.write_bytes(content)
    prepare_schemas("")
    assert file.stat().st_size > 100_000
    assert "v1.0" in cwl_process.SCHEMA_CACHE


def test_need_no_cache(folder: Path) -> None:
    folder.write_text("no folder")
    prepare_schemas("")
    assert "v1.0" in cwl_process.SCHEMA_CACHE


@pytest.mark.parametrize("version", ["v0.9", "v1.3.0-dev1", "../../v1.2"])
def test_of_other_versions_are_left_to_cwltool(folder: Path, version: str) -> None:
    prepare_schemas(f"cwlVersion: {version}\n")
    assert set(cwl_process.SCHEMA_CACHE) == {"v1.0"}
