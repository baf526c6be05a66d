"""Edit history of a labelmap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from voxome.errors import CorruptData
from voxome.remotes.dvid.instance import batches
from voxome.remotes.dvid.lookups import Lookups, check_label


@dataclass(frozen=True)
class Mutation:
    """Edit of a labelmap.

    Attributes
    ----------
    action : str
        Such as ``"merge"`` or ``"cleave"``.
    mutation_id : int or None
        Number of the edit; None if the server does not send it.
    user, app, time, uuid : str
        Its user, application, time and version; empty if the server does not send them.
    details : mapping
        All other fields, under DVID's names.
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
    """Last edit of a body; id 0 and empty strings if it was never edited."""

    mutation_id: int
    user: str
    app: str
    time: str

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> LastEdit:
        """Parse DVID's JSON."""
        return cls(int(reply["mutation id"]), *(str(reply[f"last mod {name}"]) for name in ("user", "app", "time")))


class SupervoxelSplit(NamedTuple):
    """Split of a supervoxel: mutation id, the old supervoxel, and the new ones of the rest and of the part."""

    mutation_id: int
    supervoxel: int
    rest: int
    part: int


class History(Lookups):
    """Edit history of a labelmap."""

    def mutations(self, *, user: str | None = None) -> list[Mutation]:
        """Return the edits in this version, in order; only those of `user` unless None."""
        params = {} if user is None else {"userid": user}
        return parse_mutations(self._get("mutations", **params), f"{self.name}: mutations")

    def mutations_between(self, first: str, last: str) -> list[Mutation]:
        """Return the edits from version `first` to version `last` (UUIDs), inclusive."""
        return parse_mutations(self._get("mutations-range", first, last), f"{self.name}: mutations")

    def history(self, label: int, first: str, last: str) -> list[Mutation]:
        """Return the edits of one body from version `first` to version `last` (UUIDs).

        DVID sometimes omits edits here that `mutations_between` returns.
        """
        data = self._get("history", check_label(label), first, last)
        return parse_mutations(data, f"{self.name}: history of {label}")

    def last_edit(self, label: int) -> LastEdit:
        """Return the last edit of a body.

        Raises
        ------
        NotFound
            If the body does not exist.
        """
        with self._translate_not_found(label):
            return self._get_json("lastmod", check_label(label), parse=LastEdit.from_json)

    def splits(self) -> dict[str, list[SupervoxelSplit]]:
        """Return the splits of supervoxels by version (UUID), including those of ancestors."""
        return self._get_json("supervoxel-splits", parse=_splits)


def _splits(reply: Any) -> dict[str, list[SupervoxelSplit]]:
    """Parse a list in which versions and their splits alternate."""
    alternating = list(reply or [])
    return {uuid: [SupervoxelSplit(*split) for split in splits] for uuid, splits in batches(alternating, 2)}


def parse_mutations(data: bytes, what: str) -> list[Mutation]:
    """Parse mutations from a JSON list, or from concatenated JSON objects.

    Raises
    ------
    CorruptData
        If it is neither; the message begins with `what`.
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
        raise CorruptData(f"{what}: not JSON objects of edits: {error!r}") from error


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
