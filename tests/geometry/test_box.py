"""Boxes, against sets of points and numpy's slices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.errors import InvalidBox
from voxome.geometry import Box
from voxome.testing.strategies import boxes, boxes_outside

DOMAIN = Box((-4, 2, -1), (3, 9, 6))
inside = boxes(DOMAIN)


def points(box: Box) -> set[tuple[int, ...]]:
    return set(itertools.product(*(range(a, b) for a, b in zip(box.start, box.stop, strict=True))))


@given(inside, inside)
def test_the_overlap_has_the_points_that_are_in_both(a: Box, b: Box) -> None:
    assert points(a & b) == points(a) & points(b)
    assert (a & b) == (b & a)


@given(inside, inside)
def test_a_box_contains_another_if_it_contains_its_points(a: Box, b: Box) -> None:
    assert (a in b) == (points(a) <= points(b))


@given(inside, st.tuples(*[st.integers(-6, 11)] * 3))
def test_a_box_contains_the_points_inside(box: Box, point: tuple[int, ...]) -> None:
    assert (point in box) == (point in points(box))


@given(inside)
def test_size_and_shape_match_the_points(box: Box) -> None:
    assert box.size == len(points(box)) == int(np.prod(box.shape))
    assert box.empty == (not points(box))
    assert Box.of_shape(box.shape, box.start) == box
    assert Box.parse(str(box)) == box


@given(boxes(DOMAIN, empty=False))
def test_within_returns_slices_of_the_outer_array(box: Box) -> None:
    places = np.stack(
        np.meshgrid(*(range(a, b) for a, b in zip(DOMAIN.start, DOMAIN.stop, strict=True)), indexing="ij")
    )
    cut = places[(slice(None), *box.within(DOMAIN))]
    assert cut.shape[1:] == box.shape
    assert tuple(cut[:, 0, 0, 0]) == box.start
    assert tuple(cut[:, -1, -1, -1] + 1) == box.stop


@given(boxes_outside(DOMAIN))
def test_a_box_outside_the_outer_box_is_refused(box: Box) -> None:
    with pytest.raises(InvalidBox, match=str(DOMAIN)):
        box.within(DOMAIN)


@given(inside, st.tuples(*[st.integers(0, 3)] * 3), st.tuples(*[st.integers(0, 3)] * 3))
def test_grown_boxes_contain_the_box_and_shifted_ones_keep_its_shape(
    box: Box, low: tuple[int, ...], high: tuple[int, ...]
) -> None:
    grown = box.grow(low, high)
    assert grown.grow([-n for n in low], [-n for n in high]) == box
    assert box in grown
    assert box.grow(low) == box.grow(low, low)
    moved = box.shift(low)
    assert moved.shape == box.shape
    assert points(moved) == {tuple(i + n for i, n in zip(point, low, strict=True)) for point in points(box)}


factors = st.tuples(*[st.integers(1, 4)] * 3)


@given(inside, factors)
def test_a_coarsened_box_has_the_coarse_voxels_of_all_points(box: Box, by: tuple[int, ...]) -> None:
    assert points(box.coarsen(by)) == {tuple(i // f for i, f in zip(point, by, strict=True)) for point in points(box)}


@given(inside, factors)
def test_a_refined_box_has_the_points_of_all_coarse_voxels(box: Box, by: tuple[int, ...]) -> None:
    fine = box.refine(by)
    assert fine.size == box.size * int(np.prod(by))
    assert fine.coarsen(by) == box
    assert {tuple(i // f for i, f in zip(point, by, strict=True)) for point in points(fine)} == points(box)


@given(boxes(DOMAIN, empty=False), factors)
def test_a_snapped_box_is_the_smallest_box_on_the_grid_around_the_box(box: Box, grid: tuple[int, ...]) -> None:
    snapped = box.snap(grid)
    assert box in snapped
    assert snapped.snap(grid) == snapped
    assert all(i % n == 0 for ends in (snapped.start, snapped.stop) for i, n in zip(ends, grid, strict=True))
    assert all(
        a - low < n and high - b < n
        for a, b, low, high, n in zip(box.start, box.stop, snapped.start, snapped.stop, grid, strict=True)
    )


@pytest.mark.parametrize("by", [(0, 1, 1), (1, 1), (1, -2, 1)])
def test_factors_below_1_or_of_another_rank_are_refused(by: tuple[int, ...]) -> None:
    for change in (DOMAIN.coarsen, DOMAIN.refine, DOMAIN.snap):
        with pytest.raises(InvalidBox, match=r"factors|axes"):
            change(by)


def test_numpy_numbers_become_ints() -> None:
    box = Box(tuple(np.array([1, 2])), tuple(np.array([3, 4])))
    assert [type(i) for i in (*box.start, *box.stop)] == [int] * 4
    assert hash(box) == hash(Box((1, 2), (3, 4)))


@pytest.mark.parametrize(("start", "stop", "message"), [((0, 0), (1,), "as many"), ((0, 5), (1, 4), "reversed")])
def test_malformed_boxes_are_refused(start: tuple[int, ...], stop: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidBox, match=message):
        Box(start, stop)


@pytest.mark.parametrize("text", ["", "1:2,3", "a:b", "1:2:3", "3:1"])
def test_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidBox):
        Box.parse(text)


def test_boxes_of_another_rank_are_refused() -> None:
    box, flat = Box((0, 0, 0), (4, 4, 4)), Box((0, 0), (4, 4))
    for use in (
        lambda: box & flat,
        lambda: flat in box,
        lambda: (1, 1) in box,
        lambda: flat.within(box),
        lambda: box.shift((1, 1)),
        lambda: box.grow((1, 1)),
        lambda: box.grow((1, 1, 1), (1,)),
    ):
        with pytest.raises(InvalidBox, match=r"has \d axes, but .* has \d"):
            use()


@given(box=inside, data=st.data())
def test_ends_left_out_are_those_of_the_domain(box: Box, data: st.DataObject) -> None:
    kept = [data.draw(st.tuples(st.booleans(), st.booleans())) for _ in box.start]
    parts = [
        f"{start if first else ''}:{stop if last else ''}"
        for start, stop, (first, last) in zip(box.start, box.stop, kept, strict=True)
    ]
    assert Box.parse(",".join(parts), box) == box


@pytest.mark.parametrize(
    ("text", "problem"), [("1:,:", "both ends"), (":", "both ends"), ("1:2:3", "cannot read"), ("1", "cannot read")]
)
def test_a_box_that_cannot_be_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidBox, match=problem):
        Box.parse(text)


def test_advice_without_a_volume_says_nothing_of_open_ends() -> None:
    for text in ("a", ":,:,:"):
        with pytest.raises(InvalidBox, match=r"; write both ends of every range, as Z0:Z1,Y0:Y1,X0:X1$"):
            Box.parse(text)
    with pytest.raises(InvalidBox, match="or without some ends"):
        Box.parse("a", Box.of_shape((3, 3, 3)))


@pytest.mark.parametrize("text", ["7:,:,:", ":,:-2,:"])
def test_a_range_with_an_open_end_that_is_outside_is_not_called_reversed(text: str) -> None:
    with pytest.raises(InvalidBox, match=f"^the box '{text}' is outside 0:3,0:3,0:3; choose one inside$"):
        Box.parse(text, Box.of_shape((3, 3, 3)))


def test_a_box_of_other_axes_than_the_domain_is_refused() -> None:
    with pytest.raises(InvalidBox, match="has 2 ranges, needs 3"):
        Box.parse("1:2,:", Box.of_shape((3, 3, 3)))
