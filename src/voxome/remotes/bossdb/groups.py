"""Groups of users, their members and maintainers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from voxome.remotes.bossdb.service import understood
from voxome.remotes.http import Api

Part = Literal["members", "maintainers"]


@dataclass(frozen=True)
class Group:
    """A group of users.

    Attributes
    ----------
    name, owner : str
        Of the group, and of the user who made it.
    resources : tuple
        What it has rights to, as the server tells it.
    """

    name: str
    owner: str = ""
    resources: tuple[Any, ...] = ()


class Groups:
    """The groups of a server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.members = People(api, "members")
        self.maintainers = People(api, "maintainers")

    def list(self, mine: Literal["member", "maintainer"] | None = None) -> list[str]:
        """Names of all groups, or of those that one is a member or maintainer of."""
        told = self._api.json("GET", "/v1/groups/", params={"filter": mine} if mine else None)
        with understood("groups"):
            return [str(name) for name in told["groups"]]

    def get(self, name: str) -> Group:
        """One of them."""
        told = self._api.json("GET", _at(name))
        with understood(f"the group {name}"):
            return Group(told["name"], str(told.get("owner") or ""), tuple(told.get("resources") or ()))

    def create(self, name: str) -> None:
        """Make one, owned by oneself."""
        self._api.send("POST", _at(name))

    def delete(self, name: str) -> None:
        """Remove one."""
        self._api.send("DELETE", _at(name))


class People:
    """The members, or the maintainers, of groups."""

    def __init__(self, api: Api, part: Part) -> None:
        self._api, self._part = api, part

    def list(self, group: str) -> list[str]:
        """Their user names."""
        told = self._api.json("GET", f"{_at(group)}{self._part}/")
        with understood(f"the group {group}"):
            return [str(name) for name in told[self._part]]

    def has(self, group: str, user: str) -> bool:
        """Whether a user is one of them."""
        told = self._api.json("GET", self._at(group, user))
        with understood(f"the group {group}"):
            return bool(told["result"])

    def add(self, group: str, user: str) -> None:
        """Make a user one of them."""
        self._api.send("POST", self._at(group, user), idempotent=True)

    def remove(self, group: str, user: str) -> None:
        """Make a user none of them any more."""
        self._api.send("DELETE", self._at(group, user))

    def _at(self, group: str, user: str) -> str:
        return f"{_at(group)}{self._part}/{quote(user, safe='')}"


def _at(group: str) -> str:
    return f"/v1/groups/{quote(group, safe='')}/"
