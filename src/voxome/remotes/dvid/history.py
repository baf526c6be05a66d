"""What was done to a labelmap, by whom and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from voxome.errors import CorruptData
from voxome.remotes.dvid.instance import batches
from voxome.remotes.dvid.lookups import Lookups, checked_label


@dataclass(frozen=True)
class Mutation:
    """One edit.

    Attributes
    ----------
    action : str
        As ``"merge"`` or ``"cleave"``.
    mutation_id : int or None
        Its number; None where the server does not say.
    user, app, time, uuid : str
        By whom, with what, when and in which version; empty where the server does not say.
    details : mapping
        All else, under DVID's own names.
    """

    action: str
    mutation_id: int | None = None
    user: str = ""
    app: str = ""
    time: str = ""
    uuid: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LastEdit:
    """The last edit of a body; number 0 and empty texts if there was none."""

    mutation_id: int
    user: str
    app: str
    time: str

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> LastEdit:
        """Read DVID's JSON."""
        return cls(int(said["mutation id"]), *(str(said[f"last mod {name}"]) for name in ("user", "app", "time")))


class SupervoxelSplit(NamedTuple):
    """One split: the number of the edit, the supervoxel, and what its rest and the part cut off became."""

    mutation_id: int
    supervoxel: int
    rest: int
    part: int


class History(Lookups):
    """The edits of a labelmap."""

    def mutations(self, *, user: str | None = None) -> list[Mutation]:
        """The edits in this version, in order; of one user if given."""
        params = {} if user is None else {"userid": user}
        return parse_mutations(self._get("mutations", **params), f"{self.name}: mutations")

    def mutations_between(self, first: str, last: str) -> list[Mutation]:
        """The edits from version `first` to version `last` (UUIDs), both included."""
        return parse_mutations(self._get("mutations-range", first, last), f"{self.name}: mutations")

    def history(self, label: int, first: str, last: str) -> list[Mutation]:
        """The edits of one body from version `first` to version `last` (UUIDs).

        A DVID server sometimes answers with nothing where there are edits; `mutations_between` does not.
        """
        data = self._get("history", checked_label(label), first, last)
        return parse_mutations(data, f"{self.name}: history of {label}")

    def last_edit(self, label: int) -> LastEdit:
        """Who last changed a body.

        Raises
        ------
        NotFound
            If there is no such body.
        """
        with self._naming(label):
            return self._json("lastmod", checked_label(label), read=LastEdit.of)

    def splits(self) -> dict[str, list[SupervoxelSplit]]:
        """Splits of supervoxels by version (UUID), those of its ancestors among them."""
        return self._json("supervoxel-splits", read=_splits)


def _splits(said: Any) -> dict[str, list[SupervoxelSplit]]:
    """Versions and their splits take turns."""
    turns = list(said or [])
    return {uuid: [SupervoxelSplit(*split) for split in splits] for uuid, splits in batches(turns, 2)}


def parse_mutations(data: bytes, what: str) -> list[Mutation]:
    """Mutations from JSON: a list, or objects one after the other.

    Raises
    ------
    CorruptData
        If it is neither; the text begins with `what`.
    """
    decoder, text, at = json.JSONDecoder(), data.decode(errors="replace").strip(), 0
    items: list[Any] = []
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            items += value if isinstance(value, list) else [value] if value is not None else []
            at += len(text[at:]) - len(text[at:].lstrip())
        return [_mutation(item) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptData(f"{what}: no JSON objects of edits: {error!r}") from error


def _mutation(item: Mapping[str, Any]) -> Mutation:
    rest = dict(item)
    return Mutation(
        action=rest.pop("Action").removesuffix("-complete"),
        mutation_id=rest.pop("MutationID", None),
        user=rest.pop("User", ""),
        app=rest.pop("App", ""),
        time=rest.pop("Timestamp", ""),
        uuid=rest.pop("UUID", ""),
        details=rest,
    )
