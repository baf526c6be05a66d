"""Natural order of names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.remotes.natural_order import natural_sort


@pytest.mark.parametrize(
    "names",
    [
        "z1 z2 z10",
        "waferA_001 waferA_002 waferA_003 waferB_001 waferB_002 waferB_003",
        "waferA_1 waferA_2 waferA_10 waferB_1 waferB_9",
        "z-2 z-1 z0 z1 z2",
        "z-10 z-9 z+0 z+9 z+10",
        "-2 -1 0 1 2",
        "s1_z-1 s1_z0 s1_z1 s2_z-1 s2_z0",
        "img-1 img-2 img-10",
        "2020-01-02 2020-01-10 2020-02-01",
        "a-1_2 a-1_10 a-2_1",
        "s01_t1 s01_t2 s1_t3 s2_t1",
        "s001/z9 s001/z10 s002/z1",
    ],
)
def test_names_are_sorted_as_people_count(names: str) -> None:
    paths = [Path(f"{name}.tif") for name in names.split()]
    assert natural_sort(reversed(paths)) == paths
    absolute = [Path("/data/7/x-1") / path for path in paths]
    assert natural_sort(reversed(absolute)) == absolute


@given(st.lists(st.integers(-50, 50), min_size=1, unique=True), st.text("abz_", min_size=1, max_size=3))
def test_signed_numbers_are_sorted_where_some_have_no_sign(numbers: list[int], prefix: str) -> None:
    numbers = sorted({*numbers, 0, 1})
    assert natural_sort(Path(f"{prefix}{n}") for n in numbers) == [Path(f"{prefix}{n}") for n in numbers]


@given(st.permutations([f"{a}{n:0{width}}.png" for a in ("a", "b-") for n in (1, 5, 12) for width in (1, 3)]))
def test_the_order_does_not_depend_on_that_of_the_folder(names: list[str]) -> None:
    assert natural_sort(map(Path, names)) == natural_sort(map(Path, sorted(names)))
