"""Keys in order, compared with a sorted list of all."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from voxome.relay.dialects.s3.listing import LAST, Page, page_of, product_keys, sorted_keys

AXES = (
    [sorted(f"{n}/" for n in range(12)), sorted(f"{n}/" for n in range(3)), sorted(str(n) for n in range(23))],
    [sorted(f"{n}-{n + 4}_" for n in range(-8, 100, 4)), ["0-7_"], sorted(f"{n}-{n + 5}" for n in range(0, 20, 5))],
)
GRIDS = (("em/0/c/", AXES[0]), ("em/1/", AXES[1]))
NAMES = ["em/0/zarr.json", "em/zarr.json", "seg/info"]
ALL = sorted([*NAMES, *(start + "".join(parts) for start, axes in GRIDS for parts in product(*axes))])
GROUPS = [sorted_keys(NAMES), *(product_keys(start, axes) for start, axes in GRIDS)]


def expected(prefix: str, delimiter: str, first: str) -> list[str]:
    """All entries of a listing: keys, and folders with a mark before them."""
    entries: list[str] = []
    for key in ALL:
        if key < first or not key.startswith(prefix):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if end < 0 else f">{key[: end + 1]}"
        if entry not in entries[-1:]:
            entries.append(entry)
    return entries


def walk(prefix: str, delimiter: str, first: str, most: int) -> list[str]:
    entries: list[str] = []
    while True:
        page = page_of(GROUPS, prefix, delimiter, first, most)
        assert len(page.keys) + len(page.folders) <= most
        entries += sorted([*page.keys, *(f">{one}" for one in page.folders)], key=lambda one: one.lstrip(">"))
        if not page.next:
            return entries
        assert page.next > first
        first = page.next


KEYS = st.sampled_from(ALL)


@given(KEYS, st.integers(0, 20), st.sampled_from(["", "/", "_"]), KEYS, st.booleans(), st.sampled_from([7, 50, 1000]))
def test_pages_give_every_entry_once_and_in_order(
    key: str, length: int, delimiter: str, first: str, from_start: bool, most: int
) -> None:
    prefix = key[:length]
    begin = "" if from_start else first
    assert walk(prefix, delimiter, begin, most) == expected(prefix, delimiter, begin)


def test_one_entry_a_page_gives_all() -> None:
    assert walk("em/0/c/1", "/", "", 1) == [">em/0/c/1/", ">em/0/c/10/", ">em/0/c/11/"]


def test_an_empty_page_ends() -> None:
    assert page_of(GROUPS, "", "", "", 0) == Page((), (), "")
    assert page_of(GROUPS, "none", "", "", 10) == Page((), (), "")
    assert page_of(GROUPS, "", "/", "em/" + LAST, 10) == Page((), ("seg/",), "")


def test_a_large_grid_is_not_listed_as_a_whole() -> None:
    numbers = sorted(str(n) for n in range(10**4))
    folders = [f"{one}/" for one in numbers]
    keys = product_keys("a/", [sorted(folders), sorted(folders), numbers])
    page = page_of([keys], "a/5000/77/", "", "a/5000/77/9", 5)
    assert page.keys == tuple(f"a/5000/77/{n}" for n in ("9", "90", "900", "9000", "9001"))
