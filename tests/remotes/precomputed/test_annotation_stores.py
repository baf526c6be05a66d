"""Annotations in a folder and in a bucket: written, found, edited and folded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from remotes.precomputed.collections_of_annotations import all_types, annotations_of, assert_equal

import voxome
from voxome.contracts.shapes import Annotations
from voxome.errors import AlreadyExists, InvalidInput

pytestmark = pytest.mark.slow


def test_annotations_are_written_found_edited_and_folded(any_store: str) -> None:
    expected = annotations_of("line", 500, **all_types(500))
    uri = f"precomputed://{any_store}"
    (reader,) = voxome.create_annotations(uri, expected, voxel_size_nm=(4, 2, 2), limit=30)
    assert_equal(reader.get(expected.ids.tolist()), expected)
    points = voxome.open(uri, expect=voxome.Points, mode="r+")
    gone = expected.ids[:20].tolist()
    points.delete(gone)
    points.write(points[int(expected.ids[30])].replace(ids=[10**9]))
    kept = expected.select(np.arange(20, 500))
    after = Annotations.concatenate([kept, expected.select(np.array([30])).replace(ids=[10**9])])
    for _ in ("beside", "folded"):
        for one in (points, reader):
            assert one.ids().tolist() == sorted(after.ids.tolist())
            assert_equal(one.within((0, 0, 0), (2000, 9000, 9000)), after.within((0, 0, 0), (2000, 9000, 9000)), False)
            assert_equal(one.get(after.ids.tolist()), after)
        points.fold()
    with pytest.raises(AlreadyExists):
        voxome.create_annotations(uri, expected)


def test_tables_are_written_into_stores(any_store: str) -> None:
    expected = annotations_of("point", 50)
    address, mark, options = any_store.partition("?")
    (points,) = voxome.create_annotations(f"annotationfiles://{address}.parquet{mark}{options}", expected)
    assert_equal(points.get(expected.ids.tolist()), expected)


def test_what_fails_leaves_nothing(any_store: str, tmp_path: Path) -> None:
    twice = annotations_of("point", 5)
    with pytest.raises(InvalidInput, match="occurs twice"):
        voxome.create_annotations(f"precomputed://{any_store}", iter([twice, twice]))
    (points,) = voxome.create_annotations(f"precomputed://{any_store}", twice)
    assert len(points.ids()) == 5
