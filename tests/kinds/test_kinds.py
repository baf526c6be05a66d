"""Built-in kinds meet the contract, in folders and in object stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voxome import kinds
from voxome.contracts.handle import Handle
from voxome.contracts.uri import Uri, at_level
from voxome.errors import AlreadyExists, InvalidInput
from voxome.geometry.grid import Block
from voxome.kinds import image
from voxome.kinds.region_table import open_regions
from voxome.resources.open import open_source
from voxome.resources.table import TableFile, write_table
from voxome.storage.find import storage_at, storage_path
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath
from voxome.testing.kind import BLOCK, FRAME, KindContract


class InStores(KindContract):
    """The contract on a local folder and on an S3 server."""

    @pytest.fixture
    def store(self, any_store: str) -> str:
        return any_store


class TestImage(InStores):
    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.Image("int32")

    def value(self, block: Block) -> object:
        return np.random.default_rng(block.index).integers(-9, 9, block.write.shape, np.int32)

    def content(self, uri: str) -> Any:
        source = open_source(uri)
        return source.read(source.spec.domain).tolist()

    def test_a_level_is_complete_when_it_is_finished(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        coarse = replace(kind, scale=(2, 2, 2))  # type: ignore[type-var]
        level = replace(target, uri=at_level(target.uri, 1), key="level")
        assert coarse.is_lost(level, [[]], ended=False)
        assert not coarse.is_complete(level)
        coarse.prepare(level)
        assert not coarse.is_lost(level, [[]], ended=False)
        assert not coarse.is_complete(level)
        coarse.finish(level)
        assert coarse.is_complete(level)
        assert kind.is_complete(target)
        assert not coarse.is_complete(replace(level, key="another"))
        with pytest.raises(AlreadyExists, match="is the result of another run"):
            coarse.prepare(replace(level, key="another"))

    def test_a_removal_that_was_interrupted_is_completed(
        self, kind: kinds.Kind, store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, mark, options = store.partition("?")
        target = replace(self._target(kind, store), uri=kind.location(f"{path}/published{mark}{options}"))
        self._write(kind, target, self._jobs(target))
        files = storage_path(Uri.parse(target.uri))

        def stop(_: Uri) -> None:
            (files / "zarr.json").unlink()
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(image, "_delete", stop)
            with pytest.raises(KeyboardInterrupt):
                kind.remove(target)
        assert files.taken()
        kind.remove(target)
        assert not files.taken()

    def test_an_array_of_another_shape_is_refused(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        kind.prepare(target)
        with pytest.raises(InvalidInput, match=r"output 'result' of test.tool is int32 of shape \(1, 2, 3\); expected"):
            kind.writer(target).write(np.zeros((1, 2, 3), np.int32), target.grids[0][0])


class TestChannels(TestImage):
    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.Probability(channels=2)

    def value(self, block: Block) -> object:
        return np.random.default_rng(block.index).integers(0, 9, (2, *block.write.shape), np.uint8)

    def test_an_array_of_another_shape_is_refused(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        kind.prepare(target)
        with pytest.raises(InvalidInput, match=r"uint8 of shape \(8, 8, 8\); expected uint8 of shape \(2, 8, 8, 8\)"):
            kind.writer(target).write(np.zeros(BLOCK, np.uint8), target.grids[0][0])


class TestTable(InStores):
    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.Table({"id": "uint64", "count": "int64"}, key=("id",), fold={"count": "sum"})

    def value(self, block: Block) -> object:
        ids = np.random.default_rng(block.index).integers(0, 20, 30).astype(np.uint64)
        return {"id": ids, "count": np.ones(30, np.int64)}

    def content(self, uri: str) -> Any:
        return {name: values.tolist() for name, values in TableFile(uri).read().items()}

    def test_rows_are_summed_over_blocks(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        assert sum(self.content(target.uri)["count"]) == 30 * len(target.grids[0])

    def test_missing_columns_are_named(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        other = kinds.Table({"id": "uint64", "size": "int64"}, key=("id",))
        assert list(other.problems(Handle("table", target.uri), None)) == ["lacks columns: size"]

    def test_a_table_that_no_step_has_written_is_kept(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        rows = {"id": np.arange(3, dtype=np.uint64), "count": np.ones(3, np.int64)}
        write_table(target.uri, rows, {"id": "uint64", "count": "int64"})
        assert not kind.is_complete(target)
        kind.remove(target)
        with pytest.raises(AlreadyExists, match=r"result\.parquet.* is not marked as the result of a run .*; choose"):
            kind.prepare(target)
        assert self.content(target.uri)["id"] == [0, 1, 2]

    def test_a_damaged_table_is_kept(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        storage_at(target.uri).write_bytes(b"PAR1")
        kind.remove(target)
        with pytest.raises(AlreadyExists, match="is not marked as the result of a run"):
            kind.prepare(target)
        assert storage_at(target.uri).read_bytes() == b"PAR1"


class TestTableInParts(TestTable):
    """The tool returns an iterator over parts of the rows of a block."""

    def value(self, block: Block) -> object:
        rows = super().value(block)
        assert isinstance(rows, dict)
        return ({name: values[start : start + 7] for name, values in rows.items()} for start in range(0, 30, 7))


class TestWholeTable(TestTable):
    scope = "whole"

    def test_rows_are_summed_over_blocks(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        assert sum(self.content(target.uri)["count"]) == 30

    def test_parts_are_written_one_after_the_other(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        kind.prepare(target)
        parts = ({"id": np.arange(n, n + 2, dtype=np.uint64), "count": np.ones(2, np.int64)} for n in (0, 2, 4))
        kind.write(target, parts)
        assert kind.is_complete(target)
        assert self.content(target.uri) == {"id": [0, 1, 2, 3, 4, 5], "count": [1] * 6}


class TestRegionTable(InStores):
    scope = "regions"

    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.RegionTable({"id": "uint64"})

    def value(self, block: Block) -> object:
        return {"id": np.arange(block.index, dtype=np.uint64)}

    def content(self, uri: str) -> Any:
        name = uri.partition("?")[0].rpartition("/")[2]
        reader = open_regions(storage_at(uri))
        counts = (8, 1)
        return [reader.rows(name, level, i)["id"].tolist() for level, n in enumerate(counts) for i in range(n)]

    def test_rows_are_kept_by_region(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        assert [len(rows) for rows in self.content(target.uri)] == [*range(8), 0]


class TestFile(InStores):
    scope = "whole"

    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.File("txt")

    def value(self, block: Block) -> object:
        return b"text"

    def content(self, uri: str) -> Any:
        return storage_at(uri).read_bytes()

    def test_a_file_that_no_step_has_written_is_kept(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        storage_at(target.uri).write_bytes(b"mine")
        kind.remove(target)
        for work in (kind.prepare, lambda one: kind.write(one, b"text")):
            with pytest.raises(AlreadyExists, match="is not marked as the result of a run"):
                work(target)
        assert self.content(target.uri) == b"mine"

    def test_a_file_that_was_replaced_belongs_to_nobody(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        storage_at(target.uri).write_bytes(b"edited")
        assert not kind.is_complete(target)
        kind.remove(target)
        assert self.content(target.uri) == b"edited"

    def test_a_file_whose_writing_was_interrupted_is_written_again(
        self, kind: kinds.Kind, store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = self._target(kind, store)
        kind.write(target, b"old")
        for count in (1, 2):
            with monkeypatch.context() as patch:
                _interrupt_writing(patch, after=count)
                with pytest.raises(KeyboardInterrupt):
                    kind.write(target, b"text")
            assert not kind.is_complete(target)
            kind.prepare(target)
        kind.write(target, b"text")
        assert kind.is_complete(target)

    def test_only_bytes_can_be_written(self, kind: kinds.Kind, store: str) -> None:
        with pytest.raises(InvalidInput, match="is a str; bytes are expected"):
            kind.write(self._target(kind, store), "text")


def test_a_kind_that_cannot_be_written_in_some_way_is_refused(tmp_path: Path) -> None:
    target = TestFile()._target(kinds.File("txt"), str(tmp_path))
    with pytest.raises(TypeError, match=r"File cannot be the output 'result' of test\.tool, block by block"):
        kinds.File("txt").writer(target)
    with pytest.raises(TypeError, match=r"Image cannot be the output 'result' of test\.tool, all at once"):
        kinds.Image().write(target, np.zeros(3))
    assert list(kinds.File("txt").target_problems(target, 1)) == [
        f"{target.uri}: a file cannot be written into existing data"
    ]


def test_a_coarser_output_has_coarser_voxels() -> None:
    spec = kinds.Image("uint8", scale=(1, 2, 2)).output_spec(FRAME, BLOCK, {})
    assert spec.voxel_size_nm == (8.0, 8.0, 8.0)
    assert spec.domain.shape == (16, 5, 6)


def _interrupt_writing(patch: pytest.MonkeyPatch, after: int) -> None:
    """Interrupt the write of a file with the number `after`, before it appears."""
    count = iter(range(1, 9))
    for place in (LocalPath, StoragePath):
        patch.setattr(place, "write_bytes", _stopped(place.write_bytes, lambda: next(count) == after))


def _stopped(write: Callable[[Any, bytes], None], stops: Callable[[], bool]) -> Callable[[Any, bytes], None]:
    def write_or_stop(path: Any, data: bytes) -> None:
        if stops():
            raise KeyboardInterrupt
        write(path, data)

    return write_or_stop
