"""Shares of the journal: what a source may use of its budget, whatever the others use."""

from __future__ import annotations

from collections.abc import Mapping


class Shares:
    """Half of the budget of a journal in equal shares of its sources; the other half is for those who come first.

    So a store that takes no writes fills the journal for no other source.
    """

    def __init__(self) -> None:
        self._sources: set[str] = set()

    def add(self, source: str) -> None:
        """Give a source a share; each source has one, under whatever names."""
        self._sources.add(source)

    def largest(self, source: str, budget: int) -> int:
        """Return the most bytes that a source may ever use.

        Examples
        --------
        >>> shares = Shares()
        >>> shares.add("a")
        >>> shares.largest("a", 100)
        100
        >>> shares.add("b")
        >>> shares.largest("a", 100)
        75
        """
        return budget - self._share(budget) * len(self._sources - {source})

    def leave(self, used: Mapping[str, int], source: str, nbytes: int, budget: int) -> bool:
        """Return whether a source may use more bytes of the budget, since each other can still use its share.

        Parameters
        ----------
        used : mapping of str to int
            Bytes that each source uses.
        source : str
            The source.
        nbytes : int
            Bytes that it needs.
        budget : int
            Bytes of all.
        """
        share, after = self._share(budget), {**used, source: used.get(source, 0) + nbytes}
        if source in self._sources and after[source] <= share:
            return True
        reserved = (max(after.get(one, 0), share) for one in self._sources)
        others = (count for one, count in after.items() if one not in self._sources)
        return sum(reserved) + sum(others) <= budget

    def _share(self, budget: int) -> int:
        return budget // (2 * max(1, len(self._sources)))
