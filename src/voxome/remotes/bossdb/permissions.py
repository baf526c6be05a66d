"""What groups may do with collections, experiments and channels."""

from __future__ import annotations

from collections.abc import Collection as Some
from dataclasses import dataclass

from voxome.errors import InvalidInput
from voxome.remotes.bossdb.service import Json, understood
from voxome.remotes.http import Api

RIGHTS = ("read", "update", "delete", "add", "assign_group", "remove_group")
"""Of any collection, experiment or channel."""
VOLUME_RIGHTS = ("add_volumetric_data", "read_volumetric_data", "delete_volumetric_data")
"""Of channels besides."""
_STEPS = ("collection", "experiment", "channel")


@dataclass(frozen=True)
class Permissions:
    """What a group may do with one thing.

    Attributes
    ----------
    group : str
        Who may.
    names : tuple of str
        The thing: collection, experiment, channel, as many as it takes.
    rights : frozenset of str
        Some of `RIGHTS` and `VOLUME_RIGHTS`.
    """

    group: str
    names: tuple[str, ...]
    rights: frozenset[str]


class PermissionSets:
    """The permissions that a server keeps; ``names`` run from the collection down."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self, *names: str, group: str | None = None) -> list[Permissions]:
        """All that one may see: of a thing, of a group, of both, of all."""
        told = self._api.json(
            "GET", "/v1/permissions/", params={**_place(names), **({"group": group} if group else {})}
        )
        with understood("permissions"):
            return [_read(one) for one in told["permission-sets"]]

    def get(self, group: str, *names: str) -> frozenset[str]:
        """What `group` may do with one thing."""
        found = [one.rights for one in self.list(*names, group=group) if one.names == names]
        return frozenset().union(*found)

    def add(self, group: str, *names: str, rights: Some[str]) -> None:
        """Let `group` do more."""
        self._api.send("POST", "/v1/permissions/", json=_body(group, names, rights), idempotent=True)

    def replace(self, group: str, *names: str, rights: Some[str]) -> None:
        """Let `group` do just this."""
        self._api.send("PATCH", "/v1/permissions/", json=_body(group, names, rights), idempotent=True)

    def remove(self, group: str, *names: str) -> None:
        """Let `group` do nothing with it."""
        self._api.send("DELETE", "/v1/permissions/", params={"group": group, **_place(names)})


def _place(names: tuple[str, ...]) -> dict[str, str]:
    if len(names) > len(_STEPS):
        raise InvalidInput(f"{names} names nothing; give a collection, then an experiment, then a channel")
    return dict(zip(_STEPS, names, strict=False))


def _body(group: str, names: tuple[str, ...], rights: Some[str]) -> dict[str, object]:
    known = {*RIGHTS, *(VOLUME_RIGHTS if len(names) == 3 else ())}
    if isinstance(rights, str) or not set(rights) <= known:
        raise InvalidInput(f"rights {rights!r} are not understood; give some of {', '.join(sorted(known))}")
    return {"group": group, "permissions": sorted(rights), **_place(names)}


def _read(told: Json) -> Permissions:
    names = tuple(str(told[step]) for step in _STEPS if told.get(step))
    return Permissions(told["group"], names, frozenset(told["permissions"]))
