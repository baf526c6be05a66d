"""Names and order of axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.geometry.axes import STANDARD, default_axes, standard_order


@pytest.mark.parametrize(
    ("ndim", "axes"),
    [(1, "x"), (2, "yx"), (3, "zyx"), (4, "czyx"), (5, "tczyx")],
)
def test_unnamed_axes_get_default_names(ndim: int, axes: str) -> None:
    assert default_axes(ndim) == tuple(axes)


def test_further_axes_are_numbered() -> None:
    assert default_axes(7) == ("d0", "d1", *STANDARD)


@given(st.permutations([*STANDARD, "angle", "tile"]), st.integers(1, 7))
def test_order_is_a_permutation_into_the_standard(names: list[str], count: int) -> None:
    given_names = names[:count]
    order = standard_order(given_names)
    assert sorted(order) == list(range(count))
    result = [given_names[i] for i in order]
    unknown = [name for name in given_names if name not in STANDARD]
    assert result == unknown + [name for name in STANDARD if name in given_names]
    assert standard_order(result) == tuple(range(count))
