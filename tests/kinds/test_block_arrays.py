from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voxome import kinds
from voxome.contracts.handle import Handle
from voxome.errors import CorruptData, InvalidInput
from voxome.geometry import Box
from voxome.geometry.grid import Block
from voxome.kinds import block_arrays
from voxome.storage.find import storage_at
from voxome.testing.kind import FRAME, KindContract

KIND = kinds.BlockArrays(scale=(2, 2, 2))


class TestBlockArrays(KindContract):
    @pytest.fixture
    def store(self, any_store: str) -> str:
        return any_store

    @pytest.fixture
    def kind(self) -> kinds.Kind:
        return KIND

    def value(self, block: Block) -> object:
        return {"index": np.array(block.index), "shape": np.array(block.write.shape)}

    def content(self, uri: str) -> Any:
        parts = KIND.open(Handle("block-arrays", uri)).read(FRAME.box.coarsen((2, 2, 2)))
        return sorted((str(box), int(arrays["index"]), arrays["shape"].tolist()) for box, arrays in parts)

    def test_a_box_reads_the_blocks_that_it_touches_with_their_own_boxes(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        reader = KIND.open(Handle("block-arrays", target.uri))
        cell = Box((2, 0, 4), (3, 1, 5))
        ((box, arrays),) = reader.read(cell)
        block = target.grids[0][int(arrays["index"])]
        assert (box, box & cell) == (block.write.coarsen((2, 2, 2)), cell)
        assert len(reader.read(Box((1, 0, 4), (3, 1, 5)))) == 2

    def test_with_random_access_any_box_is_read_and_what_two_boxes_share_once(
        self, kind: kinds.Kind, store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        reader = kinds.BlockArrays(random_access=True).open(Handle("block-arrays", target.uri))
        assert reader.read(FRAME.box) is reader
        seen: list[str] = []
        monkeypatch.setattr(block_arrays, "read_arrays", lambda file, _: seen.append(file.name) or {})
        boxes = [block.write.coarsen((2, 2, 2)) for block in target.grids[0]]
        first, second = boxes[:2]
        assert [box for box, _ in reader.parts(first)] == [first]
        assert [box for box, _ in reader.parts(FRAME.box.coarsen((2, 2, 2)))] == boxes
        assert [box for box, _ in reader.parts(second)] == [second]
        assert [box for box, _ in reader.parts(first)] == [first]
        assert seen == [f"{index}.npz" for index in (*range(len(boxes)), 0)]

    def test_a_block_that_is_gone_or_damaged_is_an_error(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        (storage_at(target.uri) / "0.npz").write_bytes(b"PK")
        (storage_at(target.uri) / "1.npz").unlink()
        handle = Handle("block-arrays", target.uri)
        for number, what in ((0, "damaged"), (1, "missing")):
            box = target.grids[0][number].write.coarsen((2, 2, 2))
            with pytest.raises(CorruptData, match=f"{number}.npz is {what}, .*; rerun the step"):
                KIND.open(handle).read(box)
        assert list(KIND.problems(handle, None)) == [
            f"is not finished: 1 of {len(target.grids[0])} blocks are missing; rerun what computes it"
        ]

    def test_a_damaged_index_belongs_to_nobody(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        (storage_at(target.uri) / "blocks.json").write_bytes(b"{")
        assert not kind.is_complete(target)
        with pytest.raises(CorruptData, match="are damaged"):
            KIND.open(Handle("block-arrays", target.uri))

    def test_other_values_than_arrays_are_refused(self, kind: kinds.Kind, store: str) -> None:
        target = self._target(kind, store)
        kind.prepare(target)
        for value in (np.zeros(3), {"one": [1, 2]}):
            with pytest.raises(InvalidInput, match="expected a dict of arrays"):
                kind.writer(target).write(value, Block(0, FRAME.box, FRAME.box))
