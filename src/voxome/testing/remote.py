"""What every remote of volumes must do, as a pytest class that its test subclasses.

Examples
--------
::

    class TestMyRemote(VolumeRemoteContract):
        dtypes = ("uint8", "uint64")

        @pytest.fixture
        def remote(self):
            return MyRemote()

        @pytest.fixture
        def fresh(self, tmp_path):
            return lambda: Uri.parse(f"my://{tmp_path}/{uuid4().hex}")

        def seed(self, uri, array, spec): ...      # by the format's own library, not by MyRemote
        def inspect(self, uri): ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.contracts.abilities import (
    SupportsAttributes,
    SupportsCreate,
    SupportsDelete,
    SupportsLevels,
    SupportsRecognise,
    ability,
)
from voxome.contracts.source import VolumeRemote, VolumeSource
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidBox, NotFound, ReadOnly
from voxome.geometry import BlockGrid, Box
from voxome.testing.strategies import DTYPES, arrays, boxes, boxes_outside, noise

_SHAPES = {1: (37,), 2: (19, 23), 3: (13, 17, 11), 4: (2, 13, 17, 11), 5: (2, 2, 7, 9, 8)}
_CHUNKS = {1: (8,), 2: (8, 7), 3: (5, 6, 4), 4: (1, 5, 6, 4), 5: (1, 2, 3, 4, 5)}

any_example = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)
"""Settings of the properties: a few examples each, since every one reads or writes a store."""


class VolumeRemoteContract:
    """The contract of a remote that holds volumes.

    A subclass gives the fixtures `remote` and `fresh`, the methods `seed` and `inspect`, and changes the
    flags that differ.
    """

    dtypes: ClassVar[Sequence[str]] = DTYPES
    """What it holds; the first is used where any will do."""
    ranks: ClassVar[Sequence[int]] = (1, 2, 3, 4, 5)
    """Numbers of axes it holds."""
    creates: ClassVar[bool] = True
    """Whether it makes arrays, hence writes."""
    partial_writes: ClassVar[bool] = True
    """Whether boxes off the lattice of its write chunks may be written."""
    chunked: ClassVar[bool] = True
    """Whether the chunks asked for are those it makes."""
    negative_start: ClassVar[bool] = True
    """Whether a domain may start below 0, or anywhere but at 0."""
    kinds: ClassVar[Sequence[VolumeKind]] = ("image", "labels", "probability")
    """Kinds that are kept; empty if the store has no place for it."""
    fills: ClassVar[Sequence[int]] = (0, 7)
    """Values that voxels never written can have."""
    keeps: ClassVar[frozenset[str]] = frozenset({"voxel_size_nm", "offset_nm"})
    """Fields of a spec that `create` stores."""
    seeds: ClassVar[frozenset[str]] = frozenset()
    """Fields of a spec that `seed` stores, beyond shape, dtype and start."""
    attributes: ClassVar[bool] = True
    levels: ClassVar[bool] = False
    deletes: ClassVar[bool] = True

    @pytest.fixture
    def remote(self) -> VolumeRemote:
        """The remote under test."""
        raise NotImplementedError

    @pytest.fixture
    def fresh(self) -> Callable[[], Uri]:
        """Make a new URI, where nothing is stored, at every call."""
        raise NotImplementedError

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        """Store `array` as `spec` says without the remote under test: by another library if there is one."""
        raise NotImplementedError

    def inspect(self, uri: Uri) -> NDArray[Any]:
        """All voxels stored at `uri`, in the order of the remote's axes; likewise without it."""
        raise NotImplementedError

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        """A spec that the remote can hold; override where it needs certain chunks or axes."""
        ndim = rank or (3 if 3 in self.ranks else self.ranks[0])
        start = (-3, 4, -5, 2, -1)[:ndim] if self.negative_start else None
        chunk = _CHUNKS[ndim] if self.chunked else None
        return VolumeSpec.of(_SHAPES[ndim], dtype or self.dtypes[0], chunk=chunk, start=start, **others)

    def above(self, uri: Uri) -> Uri | None:
        """A URI whose listing names `uri`; None if there is none."""
        return None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the tests that take `dtype`, `rank`, `kind` or `fill` for each the remote holds."""
        for name, values in [
            ("dtype", self.dtypes),
            ("rank", self.ranks),
            ("kind", self.kinds),
            ("fill", self.fills),
        ]:
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, values)

    def seeded(self, remote: VolumeRemote, uri: Uri, spec: VolumeSpec) -> tuple[NDArray[Any], VolumeSource]:
        """Random voxels stored by `seed`, and the source that the remote opens for them."""
        array = noise(spec.domain.shape, spec.dtype)
        self.seed(uri, array, spec)
        return array, remote.open(uri)

    def created(self, remote: VolumeRemote, uri: Uri, spec: VolumeSpec) -> VolumeSource:
        """An empty array made by the remote; skips where it makes none."""
        if not self.creates:
            pytest.skip("this remote makes no arrays")
        return cast(SupportsCreate, remote).create(uri, spec)

    # Reading

    def test_opens_every_dtype(self, remote: VolumeRemote, fresh: Callable[[], Uri], dtype: str) -> None:
        spec = self.spec(dtype=dtype)
        array, source = self.seeded(remote, fresh(), spec)
        assert source.spec.dtype == np.dtype(dtype)
        assert source.spec.dtype.isnative
        assert source.spec.domain == spec.domain
        result = source.read(spec.domain)
        assert result.dtype == source.spec.dtype
        assert_array_equal(result, array)

    def test_reads_any_box(self, remote: VolumeRemote, fresh: Callable[[], Uri], rank: int) -> None:
        spec = self.spec(rank)
        array, source = self.seeded(remote, fresh(), spec)
        assert source.spec.axes == spec.axes

        @any_example
        @given(box=boxes(spec.domain))
        def check(box: Box) -> None:
            assert_array_equal(source.read(box), array[box.within(spec.domain)])

        check()

    def test_fills_and_returns_out(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        spec = self.spec()
        array, source = self.seeded(remote, fresh(), spec)

        @any_example
        @given(box=boxes(spec.domain), order=st.sampled_from("CF"), spaced=st.booleans())
        def check(box: Box, order: Any, spaced: bool) -> None:
            out = np.zeros(tuple(2 * n for n in box.shape) if spaced else box.shape, spec.dtype, order)
            out = out[(slice(None, None, 2),) * box.ndim] if spaced else out
            assert source.read(box, out=out) is out
            assert_array_equal(out, array[box.within(spec.domain)])

        check()

    def test_result_is_the_callers(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        array, source = self.seeded(remote, fresh(), self.spec())
        source.read(source.spec.domain)[...] = 1
        assert_array_equal(source.read(source.spec.domain), array)

    def test_reading_outside_is_refused(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        _, source = self.seeded(remote, fresh(), self.spec())

        @any_example
        @given(box=boxes_outside(source.spec.domain))
        def check(box: Box) -> None:
            with pytest.raises(InvalidBox):
                source.read(box)

        check()

    def test_threads_read_at_once(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        array, source = self.seeded(remote, fresh(), self.spec())
        grid = BlockGrid(source.spec.domain, (3,) * source.spec.domain.ndim)
        cuts = [block.write for block in grid][::3] * 2
        with ThreadPoolExecutor(4) as pool:
            for box, result in zip(cuts, pool.map(source.read, cuts), strict=True):
                assert_array_equal(result, array[box.within(source.spec.domain)])

    def test_keeps_what_a_peer_says(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        spec = self.spec(voxel_size_nm=(40.0, 4.0, 8.0), offset_nm=(400.0, 24.0, 16.0))
        _, source = self.seeded(remote, fresh(), spec)
        for name in sorted(self.seeds):
            assert getattr(source.spec, name) == pytest.approx(getattr(spec, name)), name

    def test_version_stays_while_nothing_is_written(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        uri = fresh()
        _, source = self.seeded(remote, uri, self.spec())
        assert source.version() == remote.open(uri).version()

    # Opening

    def test_nothing_there(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        with pytest.raises(NotFound):
            remote.open(fresh())

    def test_recognises_its_own(self, remote: VolumeRemote, fresh: Callable[[], Uri], tmp_path: Path) -> None:
        if not isinstance(remote, SupportsRecognise):
            pytest.skip("this remote recognises no local paths")
        uri = fresh()
        assert not remote.recognises(uri.path)
        self.seed(uri, noise(self.spec().domain.shape, self.spec().dtype), self.spec())
        assert remote.recognises(uri.path)
        (tmp_path / "foreign").mkdir()
        (tmp_path / "foreign" / "notes.txt").write_text("nothing of this format")
        assert not remote.recognises(str(tmp_path / "foreign"))
        assert not remote.recognises(str(tmp_path / "foreign" / "notes.txt"))

    def test_is_listed(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        uri = fresh()
        self.seeded(remote, uri, self.spec())
        if (parent := self.above(uri)) is None:
            pytest.skip("this remote has nothing above an array")
        infos = {Uri.parse(info.uri).path: info for info in remote.list(parent)}
        assert infos[uri.path].type == "volume"

    # Writing

    def test_writes_are_read_back(self, remote: VolumeRemote, fresh: Callable[[], Uri], rank: int) -> None:
        spec = self.spec(rank)
        uri = fresh()
        source = self.created(remote, uri, spec)
        model = np.full(spec.domain.shape, spec.fill, spec.dtype)

        @any_example
        @given(data=st.data())
        def check(data: st.DataObject) -> None:
            box = data.draw(self.boxes_to_write(source.spec))
            values = data.draw(arrays(box.shape, spec.dtype))
            model[box.within(spec.domain)] = values
            source.write(box, values)
            seen = data.draw(boxes(spec.domain))
            assert_array_equal(source.read(seen), model[seen.within(spec.domain)])
            assert_array_equal(remote.open(uri).read(seen), model[seen.within(spec.domain)])

        check()
        assert_array_equal(self.inspect(uri), model)

    def boxes_to_write(self, spec: VolumeSpec) -> st.SearchStrategy[Box]:
        """Boxes that the remote may be asked to write."""
        if self.partial_writes or spec.write_chunk is None:
            return boxes(spec.domain)
        grid = BlockGrid(spec.domain, spec.write_chunk)
        return st.integers(0, len(grid) - 1).map(lambda i: grid[i].write)

    def test_writes_every_dtype(self, remote: VolumeRemote, fresh: Callable[[], Uri], dtype: str) -> None:
        spec = self.spec(dtype=dtype)
        uri = fresh()
        values = noise(spec.domain.shape, dtype)
        kept = values.copy()
        self.created(remote, uri, spec).write(spec.domain, values)
        values[...] = 0
        assert self.inspect(uri).dtype == np.dtype(dtype)
        assert_array_equal(self.inspect(uri), kept)
        assert_array_equal(remote.open(uri).read(spec.domain), kept)

    def test_unwritten_is_fill(self, remote: VolumeRemote, fresh: Callable[[], Uri], fill: int) -> None:
        spec = self.spec(fill=fill)
        uri = fresh()
        source = self.created(remote, uri, spec)
        blank = np.full(spec.domain.shape, fill, spec.dtype)
        assert_array_equal(source.read(spec.domain), blank)
        corner = Box(spec.domain.start, tuple(a + 2 for a in spec.domain.start))
        if self.partial_writes:
            blank[corner.within(spec.domain)] = 1
            source.write(corner, np.ones(corner.shape, spec.dtype))
        fresh_source = remote.open(uri)
        assert fresh_source.spec.fill == fill
        assert_array_equal(fresh_source.read(spec.domain), blank)

    def test_writing_outside_is_refused(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        uri = fresh()
        source = self.created(remote, uri, self.spec())
        before = source.read(source.spec.domain)

        @any_example
        @given(box=boxes_outside(source.spec.domain))
        def check(box: Box) -> None:
            with pytest.raises(InvalidBox):
                source.write(box, np.ones(box.shape, source.spec.dtype))

        check()
        assert_array_equal(remote.open(uri).read(source.spec.domain), before)

    def test_data_of_another_shape_are_refused(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        source = self.created(remote, fresh(), self.spec())
        domain = source.spec.domain
        for shape in [domain.shape[1:], (1,) * domain.ndim, (), (1, *domain.shape)]:
            with pytest.raises(InvalidBox):
                source.write(domain, np.ones(shape, source.spec.dtype))

    def test_open_for_reading_refuses_writes(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        uri = fresh()
        self.created(remote, uri, self.spec())
        source = remote.open(uri)
        with pytest.raises(ReadOnly):
            source.write(source.spec.domain, np.ones(source.spec.domain.shape, source.spec.dtype))
        editor = ability(source, SupportsAttributes)
        if self.attributes and editor is not None:
            with pytest.raises(ReadOnly):
                editor.update_attributes({"a": 1})

    def test_threads_write_different_chunks(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        uri = fresh()
        source = self.created(remote, uri, self.spec())
        domain = source.spec.domain
        array = noise(domain.shape, source.spec.dtype)
        grid = BlockGrid(domain, source.spec.write_chunk or (4,) * domain.ndim)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda block: source.write(block.write, array[block.write.within(domain)]), grid))
        assert_array_equal(remote.open(uri).read(domain), array)

    def test_threads_read_while_one_writes(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        uri = fresh()
        source = self.created(remote, uri, self.spec())
        domain = source.spec.domain
        array = noise(domain.shape, source.spec.dtype)
        source.write(domain, array)
        grid = BlockGrid(domain, source.spec.write_chunk or (4,) * domain.ndim)
        last = grid[len(grid) - 1].write
        written, seen = array[last.within(domain)], grid[0].write
        with ThreadPoolExecutor(4) as pool:
            writes = [pool.submit(source.write, last, written) for _ in range(10)]
            reads = [pool.submit(remote.open(uri).read, seen) for _ in range(30)]
            for read in reads:
                assert_array_equal(read.result(), array[seen.within(domain)])
            for write in writes:
                write.result()
        assert_array_equal(source.read(domain), array)

    # Creating and deleting

    def test_create_keeps_the_spec(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        others: dict[str, Any] = {"voxel_size_nm": (40.0, 4.0, 8.0), "offset_nm": (400.0, 24.0, 16.0)}
        spec = self.spec(**{name: value for name, value in others.items() if name in self.keeps})
        uri = fresh()
        for source in (self.created(remote, uri, spec), remote.open(uri)):
            for name in ("domain", "dtype", "axes", *(["write_chunk"] if self.chunked else [])):
                assert getattr(source.spec, name) == getattr(spec, name), name
            for name in sorted(self.keeps):
                assert getattr(source.spec, name) == pytest.approx(getattr(spec, name)), name

    def test_create_keeps_the_kind(self, remote: VolumeRemote, fresh: Callable[[], Uri], kind: VolumeKind) -> None:
        uri = fresh()
        self.created(remote, uri, self.spec(kind=kind))
        assert remote.open(uri).spec.kind == kind

    def test_create_spares_what_is_there(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        uri = fresh()
        spec = self.spec()
        source = self.created(remote, uri, spec)
        source.write(spec.domain, np.ones(spec.domain.shape, spec.dtype))
        with pytest.raises(AlreadyExists):
            cast(SupportsCreate, remote).create(uri, spec)
        assert remote.open(uri).read(spec.domain).all()

    def test_delete(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        if not self.deletes:
            pytest.skip("this remote deletes nothing")
        assert isinstance(remote, SupportsDelete)
        uri = fresh()
        self.created(remote, uri, self.spec())
        remote.delete(uri)
        with pytest.raises(NotFound):
            remote.open(uri)
        with pytest.raises(NotFound):
            remote.delete(uri)

    # Abilities

    def test_attributes(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        if not self.attributes:
            pytest.skip("this remote keeps no attributes")
        uri = fresh()
        spec = self.spec(attributes={"first": [1, 2.5, None], "second": {"deep": True}})
        source = self.created(remote, uri, spec)
        editor = ability(source, SupportsAttributes)
        assert editor is not None
        editor.update_attributes({"second": "changed", "third": "µ"})
        for seen in (source.spec.attributes, remote.open(uri).spec.attributes):
            assert {"first": [1, 2.5, None], "second": "changed", "third": "µ"}.items() <= dict(seen).items()
        assert source.spec.domain == spec.domain

    def test_levels(self, remote: VolumeRemote, fresh: Callable[[], Uri]) -> None:
        if not self.levels:
            pytest.skip("this remote has no pyramids")
        uri = fresh()
        spec = self.spec(voxel_size_nm=(40.0, 4.0, 8.0))
        source = self.created(remote, uri, spec)
        source.write(spec.domain, array := noise(spec.domain.shape, spec.dtype))
        for scale in [(1, 2, 2), (2, 4, 4)]:
            self.add_level(source, spec, scale)
        again = ability(remote.open(uri), SupportsLevels)
        assert again is not None
        assert [level.scale for level in again.levels] == [(1, 1, 1), (1, 2, 2), (2, 4, 4)]
        assert_array_equal(again.level(0).read(spec.domain), array)
        for number, (fine, coarse) in enumerate(pairwise(again.levels), start=1):
            part = again.level(number)
            assert fine.voxel_size_nm is not None
            assert coarse.voxel_size_nm is not None
            assert all(a <= b for a, b in zip(fine.voxel_size_nm, coarse.voxel_size_nm, strict=True))
            assert (part.spec.voxel_size_nm, part.spec.offset_nm) == (coarse.voxel_size_nm, coarse.offset_nm)
            assert (part.read(part.spec.domain) == number).all()

    def add_level(self, source: VolumeSource, spec: VolumeSpec, scale: tuple[int, int, int]) -> None:
        """Add a level filled with its number; check its size and place."""
        pyramid = ability(source, SupportsLevels)
        assert pyramid is not None
        assert spec.voxel_size_nm is not None
        number, fine = len(pyramid.levels), np.array(spec.voxel_size_nm)
        part = pyramid.create_level(scale)
        part.write(part.spec.domain, np.full(part.spec.domain.shape, number, spec.dtype))
        assert part.spec.voxel_size_nm == pytest.approx(fine * scale)
        centre = spec.offset_nm + (np.array(scale) - 1) / 2 * fine
        assert part.spec.offset_nm == pytest.approx(centre)
        assert pyramid.levels[number].scale == scale
        assert pyramid.levels[number].offset_nm == pytest.approx(centre)
