from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from voxome.contracts.kinds import Rows
from voxome.tools.common import object_stream
from voxome.tools.common.object_stream import ObjectStream


def results(made: list[int]) -> Iterator[tuple[Rows, int, str | None]]:
    for id in range(1, 8):
        made.append(id)
        yield {"id": np.array([id])}, id, None if id == 3 else f"shape {id}"


@pytest.mark.parametrize("batch", [2, 7, 100])
def test_rows_are_of_all_objects_and_shapes_of_those_that_have_one(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_stream, "_BATCH", batch)
    stream = ObjectStream(results([]))
    assert list(stream.shapes()) == [(id, f"shape {id}") for id in (1, 2, 4, 5, 6, 7)]
    assert np.concatenate([rows["id"] for rows in stream.rows()]).tolist() == list(range(1, 8))


def test_objects_are_made_when_they_are_taken() -> None:
    made: list[int] = []
    shapes = ObjectStream(results(made)).shapes()
    next(shapes)
    assert made == [1]


def test_no_row_is_lost_if_shapes_are_not_taken() -> None:
    stream = ObjectStream(results([]))
    next(stream.shapes())
    assert np.concatenate([rows["id"] for rows in stream.rows()]).tolist() == list(range(1, 8))
