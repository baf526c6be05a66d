from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voxome import kinds
from voxome.contracts.handle import Handle
from voxome.errors import CorruptData, InvalidInput
from voxome.geometry.grid import Block
from voxome.kinds import groups
from voxome.storage.find import storage_at
from voxome.testing.kind import KindContract

COLUMNS = {"id": "uint64", "block": "int64", "piece": "bytes"}


class TestGroups(KindContract):
    """Eight blocks that share object 7, and an object of each alone; four groups."""

    @pytest.fixture(autouse=True)
    def four_groups(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups, "count_groups", lambda voxels: 4)

    @pytest.fixture
    def store(self, any_store: str) -> str:
        return any_store

    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return kinds.Groups(COLUMNS)

    def value(self, block: Block) -> object:
        ids = np.array([2**63 + block.index, 7], np.uint64)
        pieces = np.array([b"alone", b"\0" * block.index], object)
        return {"id": ids, "block": np.full(2, block.index), "piece": pieces}

    def content(self, uri: str) -> Any:
        reader = kinds.Groups(COLUMNS).open(Handle("groups", uri))
        found = {}
        for group in range(reader.index.groups):
            rows = reader.rows(group)
            for id in rows.ids().tolist():
                assert id not in found
                found[id] = {name: values.tolist() for name, values in rows.rows(id).items()}
        return found

    def test_a_group_has_all_rows_of_its_objects_in_the_order_of_the_blocks(self, kind: Any, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        found = self.content(target.uri)
        assert found.keys() == {7, *range(2**63, 2**63 + 8)}
        assert found[7]["block"] == list(range(8))
        assert found[7]["piece"] == [b"\0" * index for index in range(8)]
        assert found[2**63 + 3] == {"id": [2**63 + 3], "block": [3], "piece": [b"alone"]}

    def test_an_unknown_group_is_refused(self, kind: Any, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        with pytest.raises(InvalidInput, match="no group 4"):
            kind.open(Handle("groups", target.uri)).rows(4)

    def test_a_damaged_index_is_named(self, kind: Any, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        (storage_at(target.uri) / "groups.json").write_bytes(b"{")
        with pytest.raises(CorruptData, match="is damaged"):
            kind.open(Handle("groups", target.uri))

    def test_parts_that_are_missing_are_a_problem(self, kind: Any, store: str) -> None:
        target = self._target(kind, store)
        kind.prepare(target)
        self._run(kind, target, self._jobs(target)[:1])
        problems = list(kind.problems(Handle("groups", target.uri), None))
        assert problems == ["is not finished: 2 of 3 parts are missing; rerun what computes it"]


def test_a_table_of_groups_has_ids():
    with pytest.raises(TypeError, match="column 'id' of uint64"):
        kinds.Groups({"label": "uint64"})
