"""Keys of a bucket in their order, from any one on, without a list of all."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

LAST = chr(0x10FFFF)
"""Follows every other character."""


@dataclass(frozen=True)
class Page:
    """A part of a listing.

    Attributes
    ----------
    keys : tuple of str
        Keys, in order.
    folders : tuple of str
        Beginnings up to the delimiter of the keys that are not listed themselves, in order.
    next : str
        First key that may be on the next page, if there is one; else empty.
    """

    keys: tuple[str, ...]
    folders: tuple[str, ...]
    next: str


Keys = Callable[[str, str], Iterable[str]]
"""Yields, in order, the keys from a first one on that begin with a prefix; both are arguments."""


def page_of(groups: Sequence[Keys], prefix: str, delimiter: str, first: str, most: int) -> Page:
    """Return `most` keys and folders, from `first` on.

    Parameters
    ----------
    groups : sequence of Keys
        The keys of the bucket, in groups that have no key in common.
    prefix, delimiter : str
        Beginning of the keys, and what ends a folder; empty for none.
    first : str
        No key before it is on the page.
    most : int
        Number of entries of a page.
    """
    keys: list[str] = []
    folders: list[str] = []
    while True:
        folder = ""
        for key in heapq.merge(*(group(first, prefix) for group in groups)):
            if len(keys) + len(folders) == most:
                return Page(tuple(keys), tuple(folders), key if most else "")
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end >= 0:
                folder = key[: end + len(delimiter)]
                break
            keys.append(key)
        if not folder:
            return Page(tuple(keys), tuple(folders), "")
        folders.append(folder)
        first = folder + LAST


def sorted_keys(keys: Sequence[str]) -> Keys:
    """Return the keys of a list, which is sorted."""

    def from_first(first: str, prefix: str) -> Iterator[str]:
        for key in keys[bisect_left(keys, max(first, prefix)) :]:
            if not key.startswith(prefix):
                return
            yield key

    return from_first


def product_keys(start: str, axes: Sequence[Sequence[str]]) -> Keys:
    """Return the keys that are `start` and one part of each axis.

    Parameters
    ----------
    start : str
        What all begin with.
    axes : sequence of sequence of str
        Parts along each axis, sorted; no part but those of the last axis begins another one.
    """

    def from_first(first: str, prefix: str) -> Iterator[str]:
        return _product(start, axes, max(first, prefix), prefix)

    return from_first


def _product(start: str, axes: Sequence[Sequence[str]], first: str, prefix: str) -> Iterator[str]:
    if not axes:
        if start >= first and start.startswith(prefix):
            yield start
        return
    parts, at = axes[0], 0
    if start < first:
        if not first.startswith(start):
            return
        rest = first[len(start) :]
        at = bisect_left(parts, rest)
        at -= at > 0 and rest.startswith(parts[at - 1])
    for part in parts[at:]:
        full = start + part
        if not full.startswith(prefix) and not prefix.startswith(full):
            if full > prefix:
                return
            continue
        yield from _product(full, axes[1:], first, prefix)
