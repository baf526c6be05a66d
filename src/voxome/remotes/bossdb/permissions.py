"""Permissions of groups on collections, experiments and channels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from voxome.errors import InvalidInput
from voxome.remotes.bossdb.service import Json, parsing
from voxome.remotes.http import Api

RIGHTS = ("read", "update", "delete", "add", "assign_group", "remove_group")
"""Rights on collections, experiments and channels."""
VOLUME_RIGHTS = ("add_volumetric_data", "read_volumetric_data", "delete_volumetric_data")
"""Further rights on channels."""
_STEPS = ("collection", "experiment", "channel")


@dataclass(frozen=True)
class Permissions:
    """The rights of a group on one collection, experiment or channel.

    Attributes
    ----------
    group : str
        Name of the group.
    names : tuple of str
        Names from the collection down.
    rights : frozenset of str
        Some of `RIGHTS` and `VOLUME_RIGHTS`.
    """

    group: str
    names: tuple[str, ...]
    rights: frozenset[str]


class PermissionSets:
    """The permissions on a server; ``names`` run from the collection down."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self, *names: str, group: str | None = None) -> list[Permissions]:
        """Return the permissions visible to the caller: all, or those of a group or on a resource."""
        response = self._api.json(
            "GET", "/v1/permissions/", params={**_query(names), **({"group": group} if group else {})}
        )
        with parsing("permissions"):
            return [_from_json(one) for one in response["permission-sets"]]

    def get(self, group: str, *names: str) -> frozenset[str]:
        """Return the rights of `group` on a resource."""
        found = [one.rights for one in self.list(*names, group=group) if one.names == names]
        return frozenset().union(*found)

    def add(self, group: str, *names: str, rights: Collection[str]) -> None:
        """Add rights of `group`."""
        self._api.send("POST", "/v1/permissions/", json=_body(group, names, rights), idempotent=True)

    def replace(self, group: str, *names: str, rights: Collection[str]) -> None:
        """Set the rights of `group`."""
        self._api.send("PATCH", "/v1/permissions/", json=_body(group, names, rights), idempotent=True)

    def remove(self, group: str, *names: str) -> None:
        """Remove all rights of `group`."""
        self._api.send("DELETE", "/v1/permissions/", params={"group": group, **_query(names)})


def _query(names: tuple[str, ...]) -> dict[str, str]:
    if len(names) > len(_STEPS):
        raise InvalidInput(f"too many names: {names}; give a collection, then an experiment, then a channel")
    return dict(zip(_STEPS, names, strict=False))


def _body(group: str, names: tuple[str, ...], rights: Collection[str]) -> dict[str, object]:
    known = {*RIGHTS, *(VOLUME_RIGHTS if len(names) == 3 else ())}
    if isinstance(rights, str) or not set(rights) <= known:
        raise InvalidInput(f"unknown rights {rights!r}; choose from {', '.join(sorted(known))}")
    return {"group": group, "permissions": sorted(rights), **_query(names)}


def _from_json(response: Json) -> Permissions:
    names = tuple(str(response[step]) for step in _STEPS if response.get(step))
    return Permissions(response["group"], names, frozenset(response["permissions"]))
