"""Pages of names, as stores list a folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Page(NamedTuple):
    """Names in a folder.

    Attributes
    ----------
    folders, files : list of str
        Names, sorted.
    """

    folders: list[str]
    files: list[str]

    @classmethod
    def of(cls, folders: Iterable[str], files: Iterable[str]) -> Page:
        """Return a page of names in any order; a name without a letter, as in ``a//b``, cannot be addressed."""
        return cls(sorted({name for name in folders if name}), sorted({name for name in files if name}))
