"""Contract suite for kinds of data; subclass `KindContract` to test one.

Examples
--------
::

    class TestPoints(KindContract):
        @pytest.fixture
        def kind(self):
            return Points()

        def value(self, block):              # what a tool returns for a block
            return np.argwhere(...)

        def content(self, uri):              # what is stored, as values that can be compared
            return sorted(...)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.kinds import Kind, Target
from voxome.errors import AlreadyExists, InvalidInput, NotFound, VoxomeError
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import Block, region_grids
from voxome.storage.find import storage_at

FRAME = Frame(Box((-4, 0, 8), (12, 10, 20)), Box((-4, 0, 8), (12, 10, 20)), (8.0, 4.0, 4.0), (0.0, 0.0, 0.0))
"""Frame of the step that writes."""
BLOCK = (8, 8, 8)
_SPAN, _GROUPS = 3, 8


class KindContract(ABC):
    """Tests of a kind. A subclass defines the fixture `kind` and the methods `value` and `content`."""

    scope: ClassVar[Literal["block", "regions", "groups", "whole"]] = "block"
    """Scope of a tool that returns it."""

    @pytest.fixture
    def kind(self) -> Kind:
        """Kind under test."""
        raise InvalidInput(f"{type(self).__name__} must define the fixture `kind`")

    @pytest.fixture
    def store(self, tmp_path: Path) -> str:
        """Address of an empty folder; override it to test other stores."""
        return str(tmp_path / "store")

    @abstractmethod
    def value(self, block: Block) -> object:
        """Return the value of a tool for a block; for scope ``whole``, the block covers everything."""

    @abstractmethod
    def content(self, uri: str) -> Any:
        """Return what is stored at a URI as values that compare equal if the data do."""

    def test_the_type_is_a_word(self, kind: Kind) -> None:
        assert kind.type
        assert kind.type.isprintable()

    def test_equal_declarations_are_equal(self, kind: Kind) -> None:
        assert replace(kind) == kind  # type: ignore[type-var]

    def test_options_of_a_location_stay_at_its_end(self, kind: Kind) -> None:
        located = kind.location("{store}/a/b?region=there")
        assert "{store}/a/b" in located
        assert located.endswith("?region=there")
        assert kind.location("{store}/a/c") != kind.location("{store}/a/b")

    def test_only_volumes_have_a_spec(self, kind: Kind) -> None:
        spec = kind.output_spec(FRAME, BLOCK, {})
        assert (spec is not None) == kind.is_volume

    def test_a_volume_has_the_voxels_of_the_box(self, kind: Kind) -> None:
        if not kind.is_volume:
            pytest.skip("has no voxels")
        box = Box((-3, 1, 9), (5, 10, 20))
        spec = kind.output_spec(replace(FRAME, box=box), BLOCK, {})
        assert spec is not None
        assert spec.frame == box.coarsen(kind.scale_for({}))

    def test_nothing_is_complete_before_the_last_job(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        assert not kind.is_complete(target)
        kind.prepare(target)
        self._run(kind, target, self._jobs(target)[:-1])
        assert not kind.is_complete(target)

    def test_nothing_is_lost_before_the_first_job(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        kind.prepare(target)
        assert not kind.is_lost(target, self._done(target, []), ended=False)

    def test_finished_jobs_whose_data_are_there_are_not_lost(self, kind: Kind, store: str) -> None:
        target, ended = self._target(kind, store), self.scope == "whole"
        kind.prepare(target)
        for job in self._jobs(target):
            self._run(kind, target, [job])
            assert not kind.is_lost(target, self._done(target, [job]), ended=ended)

    def test_finished_jobs_whose_data_were_removed_are_lost(self, kind: Kind, store: str) -> None:
        target, ended = self._target(kind, store), self.scope == "whole"
        kind.prepare(target)
        jobs = self._jobs(target)[:2]
        self._run(kind, target, jobs)
        storage_at(target.folder).delete()
        assert kind.is_lost(target, self._done(target, jobs), ended=ended)

    def test_finished_jobs_whose_parts_were_removed_are_lost(self, kind: Kind, store: str) -> None:
        if self.scope == "whole" or not (kind.has_parts or self.scope == "regions"):
            pytest.skip("jobs write no parts")
        target = self._target(kind, store)
        kind.prepare(target)
        jobs = self._jobs(target)[:2]
        self._run(kind, target, jobs[:1])
        assert kind.is_lost(target, self._done(target, jobs), ended=False)
        self._run(kind, target, jobs[1:])
        assert not kind.is_lost(target, self._done(target, jobs), ended=False)
        (storage_at(target.folder) / target.name).delete()
        kind.prepare(target)
        assert kind.is_lost(target, self._done(target, jobs), ended=False)

    def test_the_data_of_another_step_are_refused_and_kept(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        before, another = self.content(target.uri), replace(target, key="another")
        assert not kind.is_complete(another)
        with pytest.raises(AlreadyExists):
            kind.prepare(another)
        kind.remove(another)
        assert kind.is_complete(target)
        assert self.content(target.uri) == before

    def test_an_output_that_was_removed_is_gone(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        for _ in range(2):
            kind.remove(target)
            assert not kind.is_complete(target)
            assert kind.is_lost(target, self._done(target, self._jobs(target)), ended=True)
        self._write(kind, target, self._jobs(target))
        assert kind.is_complete(target)

    def test_a_tool_of_regions_can_read_what_it_returned(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        if self.scope != "regions":
            with pytest.raises(TypeError):
                kind.region_rows(target)
            return
        kind.prepare(target)
        self._run(kind, target, self._jobs(target))
        reader = kind.region_rows(target)
        for level, grid in enumerate(target.grids):
            for block in grid:
                rows, expected = reader.rows(level, block.index), self.value(block)
                assert isinstance(expected, dict)
                assert {name: values.tolist() for name, values in rows.items()} == {
                    name: values.tolist() for name, values in expected.items()
                }

    def test_a_finished_output_is_complete_and_not_lost(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        assert kind.is_complete(target)
        assert not kind.is_lost(target, self._done(target, self._jobs(target)), ended=True)

    def test_an_output_that_was_never_written_is_lost(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        assert kind.is_lost(target, self._done(target, self._jobs(target)), ended=True)

    def test_the_order_of_jobs_does_not_show(self, kind: Kind, store: str) -> None:
        one, other = self._target(kind, store, "one"), self._target(kind, store, "other")
        self._write(kind, one, self._jobs(one))
        self._write(kind, other, self._jobs(other)[::-1])
        assert self.content(one.uri) == self.content(other.uri)

    def test_results_can_be_compared_if_the_kind_gives_arrays(self, kind: Kind, store: str) -> None:
        one, other = self._target(kind, store, "one"), self._target(kind, store, "other")
        self._write(kind, one, self._jobs(one))
        self._write(kind, other, self._jobs(other)[::-1])
        arrays, others = (kind.arrays(Handle(kind.type, target.uri), FRAME) for target in (one, other))
        if arrays is None and others is None:
            pytest.skip("the kind gives no arrays")
        assert arrays is not None
        assert others is not None
        assert set(arrays) == set(others)
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, others[name])

    def test_jobs_that_are_repeated_do_no_harm(self, kind: Kind, store: str) -> None:
        one, other = self._target(kind, store, "one"), self._target(kind, store, "other")
        self._write(kind, one, self._jobs(one))
        jobs = self._jobs(other)
        kind.prepare(other)
        self._run(kind, other, jobs)
        self._write(kind, other, jobs[:2])
        assert self.content(one.uri) == self.content(other.uri)

    def test_parts_can_be_dropped_twice(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        before = self.content(target.uri)
        kind.drop_parts(target)
        kind.drop_parts(target)
        assert self.content(target.uri) == before

    def test_data_are_located_with_a_key(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        with pytest.raises(VoxomeError) as caught:
            kind.locate(Handle(kind.type, target.uri))
        assert isinstance(caught.value, NotFound)
        self._write(kind, target, self._jobs(target))
        found = kind.locate(Handle(kind.type, target.uri))
        assert found.key
        assert kind.locate(found) == found

    def test_what_was_written_can_be_an_input(self, kind: Kind, store: str) -> None:
        target = self._target(kind, store)
        self._write(kind, target, self._jobs(target))
        handle = Handle(kind.type, target.uri)
        assert list(kind.problems(handle, kind.spec(handle))) == []
        reader = kind.open(handle)
        assert reader.read(Box((0, 0, 8), (8, 8, 16))) is not None
        assert reader.view() is not None

    def _target(self, kind: Kind, store: str, name: str = "result") -> Target:
        path, mark, options = store.partition("?")
        folder = f"{path}/step-{name}{mark}{options}"
        uri = kind.location(f"{path}/step-{name}/{name}{mark}{options}")
        tree = region_grids(FRAME.box, BLOCK)
        groups = BlockGrid(Box.of_shape((_GROUPS, 1, 1)), (1, 1, 1))
        grids = {"whole": (), "block": tree[:1], "regions": tree, "groups": (groups,)}[self.scope]
        spans = (_SPAN,) * len(grids)
        return Target(
            name=name,
            tool="test.tool",
            uri=uri,
            folder=folder,
            step="test",
            key="key",
            frame=FRAME,
            block=BLOCK,
            parameters={},
            grids=grids,
            spans=spans,
        )

    def _jobs(self, target: Target) -> list[tuple[int, int]]:
        return [(phase, job) for phase in range(len(target.grids)) for job in range(target.jobs(phase))] or [(0, 0)]

    def _done(self, target: Target, jobs: Sequence[tuple[int, int]]) -> list[Collection[int]]:
        """Return the numbers of `jobs` by phase."""
        return [{job for number, job in jobs if number == phase} for phase in range(max(1, len(target.grids)))]

    def _run(self, kind: Kind, target: Target, jobs: Sequence[tuple[int, int]]) -> None:
        if self.scope == "whole":
            for _ in jobs:
                kind.write(target, self.value(Block(0, FRAME.box, FRAME.domain)))
            return
        writer = kind.writer(target)
        for phase, job in jobs:
            grid = target.grids[phase]
            for index in range(job * _SPAN, min((job + 1) * _SPAN, len(grid))):
                writer.write(self.value(grid[index]), grid[index])
            writer.end_job(phase, job)

    def _write(self, kind: Kind, target: Target, jobs: Sequence[tuple[int, int]]) -> None:
        kind.prepare(target)
        self._run(kind, target, jobs)
        if kind.has_parts and self.scope in ("block", "groups"):
            kind.fold_parts(target)
            kind.fold_parts(target)
        kind.finish(target)
