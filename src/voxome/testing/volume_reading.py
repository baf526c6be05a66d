"""Tests of opening, listing and reading volumes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from voxome.contracts.abilities import SupportsRecognise
from voxome.contracts.source import VolumeRemote
from voxome.contracts.uri import Uri
from voxome.errors import InvalidBox, NotFound
from voxome.geometry import BlockGrid, Box
from voxome.testing.strategies import boxes, boxes_outside, noise
from voxome.testing.volume_case import VolumeCase, any_example


class VolumeReading(VolumeCase):
    """Tests of opening, listing and reading."""

    def test_opening_a_missing_array_fails(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        with pytest.raises(NotFound):
            remote.open(new_uri())

    def test_it_recognises_its_own_arrays(
        self, remote: VolumeRemote, new_uri: Callable[[], Uri], tmp_path: Path
    ) -> None:
        if not isinstance(remote, SupportsRecognise):
            pytest.skip("the remote recognises no local paths")
        uri = new_uri()
        assert not remote.recognises(uri.local_path)
        self.seed(uri, noise(self.spec().domain.shape, self.spec().dtype), self.spec())
        assert remote.recognises(uri.local_path)
        (tmp_path / "foreign").mkdir()
        (tmp_path / "foreign" / "notes.txt").write_text("nothing of this format")
        assert not remote.recognises(tmp_path / "foreign")
        assert not remote.recognises(tmp_path / "foreign" / "notes.txt")

    def test_an_array_is_listed(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        uri = new_uri()
        self.seed_and_open(remote, uri, self.spec())
        if (parent := self.parent_uri(uri)) is None:
            pytest.skip("the remote does not list arrays")
        infos = {Uri.parse(info.uri).path: info for info in remote.list(parent)}
        assert infos[uri.path].type == "volume"

    def test_every_dtype_is_read(self, remote: VolumeRemote, new_uri: Callable[[], Uri], dtype: str) -> None:
        spec = self.spec(dtype=dtype)
        array, source = self.seed_and_open(remote, new_uri(), spec)
        assert source.spec.dtype == np.dtype(dtype)
        assert source.spec.dtype.isnative
        assert source.spec.domain == spec.domain
        result = source.read(spec.domain)
        assert result.dtype == source.spec.dtype
        assert_array_equal(result, array)

    def test_any_box_is_read(self, remote: VolumeRemote, new_uri: Callable[[], Uri], rank: int) -> None:
        spec = self.spec(rank)
        array, source = self.seed_and_open(remote, new_uri(), spec)
        assert source.spec.axes == spec.axes

        @any_example
        @given(box=boxes(spec.domain))
        def check(box: Box) -> None:
            assert_array_equal(source.read(box), array[box.within(spec.domain)])

        check()

    def test_the_output_array_is_filled_and_returned(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        spec = self.spec()
        array, source = self.seed_and_open(remote, new_uri(), spec)

        @any_example
        @given(box=boxes(spec.domain), order=st.sampled_from("CF"), spaced=st.booleans())
        def check(box: Box, order: Any, spaced: bool) -> None:
            out = np.zeros(tuple(2 * n for n in box.shape) if spaced else box.shape, spec.dtype, order)
            out = out[(slice(None, None, 2),) * box.ndim] if spaced else out
            assert source.read(box, out=out) is out
            assert_array_equal(out, array[box.within(spec.domain)])

        check()

    def test_changing_a_result_does_not_change_the_array(
        self, remote: VolumeRemote, new_uri: Callable[[], Uri]
    ) -> None:
        array, source = self.seed_and_open(remote, new_uri(), self.spec())
        source.read(source.spec.domain)[...] = 1
        assert_array_equal(source.read(source.spec.domain), array)

    def test_reading_outside_is_refused(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        _, source = self.seed_and_open(remote, new_uri(), self.spec())

        @any_example
        @given(box=boxes_outside(source.spec.domain))
        def check(box: Box) -> None:
            with pytest.raises(InvalidBox):
                source.read(box)

        check()

    def test_threads_read_concurrently(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        array, source = self.seed_and_open(remote, new_uri(), self.spec())
        grid = BlockGrid(source.spec.domain, (3,) * source.spec.domain.ndim)
        cuts = [block.write for block in grid][::3] * 2
        with ThreadPoolExecutor(4) as pool:
            for box, result in zip(cuts, pool.map(source.read, cuts), strict=True):
                assert_array_equal(result, array[box.within(source.spec.domain)])

    def test_metadata_written_by_others_are_read(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        spec = self.spec(voxel_size_nm=(40.0, 4.0, 8.0), offset_nm=(400.0, 24.0, 16.0))
        _, source = self.seed_and_open(remote, new_uri(), spec)
        for name in sorted(self.seeded_fields):
            assert getattr(source.spec, name) == pytest.approx(getattr(spec, name)), name

    def test_the_version_is_stable_without_writes(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        uri = new_uri()
        _, source = self.seed_and_open(remote, uri, self.spec())
        assert source.version() == remote.open(uri).version()
