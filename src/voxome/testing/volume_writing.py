"""Tests of creating, writing and deleting volumes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from voxome.contracts.abilities import (
    SupportsAttributes,
    SupportsCheckSpec,
    SupportsCreate,
    SupportsDelete,
    SupportsProvenance,
    ability,
)
from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.contracts.source import VolumeRemote
from voxome.contracts.spec import VolumeKind
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidBox, NotFound, ReadOnly, UnsupportedFormat
from voxome.geometry import BlockGrid, Box
from voxome.testing.strategies import arrays, boxes, boxes_outside, noise
from voxome.testing.volume_case import VolumeCase, any_example


class VolumeWriting(VolumeCase):
    """Tests of creating, writing and deleting, and of attributes."""

    def test_a_created_array_has_the_requested_spec(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        others: dict[str, Any] = {"voxel_size_nm": (40.0, 4.0, 8.0), "offset_nm": (400.0, 24.0, 16.0)}
        spec = self.spec(**{name: value for name, value in others.items() if name in self.stored_fields})
        uri = new_uri()
        for source in (self.create_or_skip(remote, uri, spec), remote.open(uri)):
            for name in ("domain", "dtype", "axes", *(["write_chunk"] if self.chunked else [])):
                assert getattr(source.spec, name) == getattr(spec, name), name
            for name in sorted(self.stored_fields):
                assert getattr(source.spec, name) == pytest.approx(getattr(spec, name)), name

    def test_a_created_array_has_the_requested_kind(
        self, remote: VolumeRemote, new_uri: Callable[[], Uri], kind: VolumeKind
    ) -> None:
        uri = new_uri()
        self.create_or_skip(remote, uri, self.spec(kind=kind))
        assert remote.open(uri).spec.kind == kind

    def test_creating_does_not_overwrite(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        uri = new_uri()
        spec = self.spec()
        source = self.create_or_skip(remote, uri, spec)
        source.write(spec.domain, np.ones(spec.domain.shape, spec.dtype))
        with pytest.raises(AlreadyExists):
            cast(SupportsCreate, remote).create(uri, spec)
        assert remote.open(uri).read(spec.domain).all()

    def test_a_spec_is_checked_without_creating_anything(
        self, remote: VolumeRemote, new_uri: Callable[[], Uri]
    ) -> None:
        if not isinstance(remote, SupportsCheckSpec):
            pytest.skip("the remote checks specs only when it creates arrays")
        uri, spec = new_uri(), self.spec()
        remote.check_spec(uri, spec)
        with pytest.raises(NotFound):
            remote.open(uri)
        wrong = spec.replace(dtype="U4")
        for attempt in (remote.check_spec, cast(SupportsCreate, remote).create):
            with pytest.raises(UnsupportedFormat):
                attempt(uri, wrong)

    def test_deleted_arrays_are_gone(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        if not self.deletes:
            pytest.skip("the remote deletes no arrays")
        assert isinstance(remote, SupportsDelete)
        uri = new_uri()
        self.create_or_skip(remote, uri, self.spec())
        remote.delete(uri)
        with pytest.raises(NotFound):
            remote.open(uri)
        with pytest.raises(NotFound):
            remote.delete(uri)

    def test_writes_are_read_back(self, remote: VolumeRemote, new_uri: Callable[[], Uri], rank: int) -> None:
        spec = self.spec(rank)
        uri = new_uri()
        source = self.create_or_skip(remote, uri, spec)
        model = np.full(spec.domain.shape, spec.fill, spec.dtype)

        @any_example
        @given(data=st.data())
        def check(data: st.DataObject) -> None:
            box = data.draw(self.boxes_to_write(source.spec))
            values = data.draw(arrays(box.shape, spec.dtype))
            model[box.within(spec.domain)] = values
            source.write(box, values)
            box = data.draw(boxes(spec.domain))
            assert_array_equal(source.read(box), model[box.within(spec.domain)])
            assert_array_equal(remote.open(uri).read(box), model[box.within(spec.domain)])

        check()
        assert_array_equal(self.inspect(uri), model)

    def test_every_dtype_is_written(self, remote: VolumeRemote, new_uri: Callable[[], Uri], dtype: str) -> None:
        spec = self.spec(dtype=dtype)
        uri = new_uri()
        values = noise(spec.domain.shape, dtype)
        expected = values.copy()
        self.create_or_skip(remote, uri, spec).write(spec.domain, values)
        values[...] = 0
        assert self.inspect(uri).dtype == np.dtype(dtype)
        assert_array_equal(self.inspect(uri), expected)
        assert_array_equal(remote.open(uri).read(spec.domain), expected)

    def test_unwritten_voxels_have_the_fill_value(
        self, remote: VolumeRemote, new_uri: Callable[[], Uri], fill: int
    ) -> None:
        spec = self.spec(fill=fill)
        uri = new_uri()
        source = self.create_or_skip(remote, uri, spec)
        blank = np.full(spec.domain.shape, fill, spec.dtype)
        assert_array_equal(source.read(spec.domain), blank)
        corner = Box(spec.domain.start, tuple(a + 2 for a in spec.domain.start))
        if self.partial_writes:
            blank[corner.within(spec.domain)] = 1
            source.write(corner, np.ones(corner.shape, spec.dtype))
        fresh_source = remote.open(uri)
        assert fresh_source.spec.fill == fill
        assert_array_equal(fresh_source.read(spec.domain), blank)

    def test_writing_outside_is_refused(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        uri = new_uri()
        source = self.create_or_skip(remote, uri, self.spec())
        before = source.read(source.spec.domain)

        @any_example
        @given(box=boxes_outside(source.spec.domain))
        def check(box: Box) -> None:
            with pytest.raises(InvalidBox):
                source.write(box, np.ones(box.shape, source.spec.dtype))

        check()
        assert_array_equal(remote.open(uri).read(source.spec.domain), before)

    def test_data_of_the_wrong_shape_are_refused(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        source = self.create_or_skip(remote, new_uri(), self.spec())
        domain = source.spec.domain
        for shape in [domain.shape[1:], (1,) * domain.ndim, (), (1, *domain.shape)]:
            with pytest.raises(InvalidBox):
                source.write(domain, np.ones(shape, source.spec.dtype))

    def test_arrays_open_for_reading_refuse_writes(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        uri = new_uri()
        self.create_or_skip(remote, uri, self.spec())
        source = remote.open(uri)
        with pytest.raises(ReadOnly):
            source.write(source.spec.domain, np.ones(source.spec.domain.shape, source.spec.dtype))
        editor = ability(source, SupportsAttributes)
        if self.attributes and editor is not None:
            with pytest.raises(ReadOnly):
                editor.update_attributes({"a": 1})

    def test_threads_write_different_chunks(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        uri = new_uri()
        source = self.create_or_skip(remote, uri, self.spec())
        domain = source.spec.domain
        array = noise(domain.shape, source.spec.dtype)
        grid = BlockGrid(domain, source.spec.write_chunk or (4,) * domain.ndim)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda block: source.write(block.write, array[block.write.within(domain)]), grid))
        assert_array_equal(remote.open(uri).read(domain), array)

    def test_threads_read_during_writes(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        uri = new_uri()
        source = self.create_or_skip(remote, uri, self.spec())
        domain = source.spec.domain
        array = noise(domain.shape, source.spec.dtype)
        source.write(domain, array)
        grid = BlockGrid(domain, source.spec.write_chunk or (4,) * domain.ndim)
        last = grid[len(grid) - 1].write
        written, first = array[last.within(domain)], grid[0].write
        with ThreadPoolExecutor(4) as pool:
            writes = [pool.submit(source.write, last, written) for _ in range(10)]
            reads = [pool.submit(remote.open(uri).read, first) for _ in range(30)]
            for read in reads:
                assert_array_equal(read.result(), array[first.within(domain)])
            for write in writes:
                write.result()
        assert_array_equal(source.read(domain), array)

    def test_attributes_are_stored_and_updated(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        if not self.attributes:
            pytest.skip("the remote stores no attributes")
        uri = new_uri()
        spec = self.spec(attributes={"first": [1, 2.5, None], "second": {"deep": True}})
        source = self.create_or_skip(remote, uri, spec)
        editor = ability(source, SupportsAttributes)
        assert editor is not None
        editor.update_attributes({"second": "changed", "third": "µ"})
        for attributes in (source.spec.attributes, remote.open(uri).spec.attributes):
            assert {"first": [1, 2.5, None], "second": "changed", "third": "µ"}.items() <= dict(attributes).items()
        assert source.spec.domain == spec.domain

    def test_provenance_is_kept_in_order_and_is_no_attribute(
        self, remote: VolumeRemote, new_uri: Callable[[], Uri]
    ) -> None:
        uri = new_uri()
        source = self.create_or_skip(remote, uri, self.spec())
        attributes = dict(source.spec.attributes)
        entries = [_entry("1", {"id": 2**64 - 2, "note": "µ", "box": None}), _entry("2", {}), _entry("3", {"a": [1.5]})]
        keeper = self._keeper_or_skip(source)
        for one in entries:
            keeper.add_provenance(one)
        assert self._keeper_or_skip(remote.open(uri)).read_provenance() == tuple(entries)
        assert dict(remote.open(uri).spec.attributes) == attributes
        with pytest.raises(ReadOnly):
            self._keeper_or_skip(remote.open(uri)).add_provenance(entries[0])

    def test_provenance_that_threads_add_at_once_is_complete(
        self, remote: VolumeRemote, new_uri: Callable[[], Uri]
    ) -> None:
        uri = new_uri()
        self._keeper_or_skip(self.create_or_skip(remote, uri, self.spec()))

        def add(number: int) -> None:
            self._keeper_or_skip(remote.open(uri, mode="r+")).add_provenance(_entry(str(number), {}))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(8)))
        kept = self._keeper_or_skip(remote.open(uri)).read_provenance()
        assert sorted(one.version for one in kept) == [str(number) for number in range(8)]

    def _keeper_or_skip(self, source: object) -> SupportsProvenance:
        keeper = ability(source, SupportsProvenance)
        if not self.provenance:
            assert keeper is None
            pytest.skip("the remote keeps no provenance")
        assert keeper is not None
        return keeper


def _entry(version: str, parameters: dict[str, Any]) -> Provenance:
    inputs = [InputRecord("labels", "s3://bucket/labels", "v3"), InputRecord("image", "s3://bucket/image")]
    return Provenance.now("downsample", LOCAL, "common.downsample", version, parameters, inputs, "run-1")
