"""Groups of users, their members and maintainers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from voxome.remotes.bossdb.service import parsing
from voxome.remotes.http import Api

Part = Literal["members", "maintainers"]


@dataclass(frozen=True)
class Group:
    """A group of users.

    Attributes
    ----------
    name, owner : str
        Names of the group, and of the user who created it.
    resources : tuple
        What it has permissions on, as the server sends it.
    """

    name: str
    owner: str = ""
    resources: tuple[Any, ...] = ()


class Groups:
    """The groups of a server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.members = GroupUsers(api, "members")
        self.maintainers = GroupUsers(api, "maintainers")

    def list(self, mine: Literal["member", "maintainer"] | None = None) -> list[str]:
        """Return the names of one's groups, or of those in which one is a member or maintainer."""
        response = self._api.json("GET", "/v1/groups/", params={"filter": mine} if mine else None)
        with parsing("groups"):
            return [str(name) for name in response["groups"]]

    def get(self, name: str) -> Group:
        """Return a group."""
        response = self._api.json("GET", _at(name))
        with parsing(f"the group {name}"):
            return Group(response["name"], str(response.get("owner") or ""), tuple(response.get("resources") or ()))

    def create(self, name: str) -> None:
        """Create a group, owned by oneself."""
        self._api.send("POST", _at(name))

    def delete(self, name: str) -> None:
        """Delete a group."""
        self._api.send("DELETE", _at(name))


class GroupUsers:
    """The members, or the maintainers, of groups."""

    def __init__(self, api: Api, part: Part) -> None:
        self._api, self._part = api, part

    def list(self, group: str) -> list[str]:
        """Return their user names."""
        response = self._api.json("GET", f"{_at(group)}{self._part}/")
        with parsing(f"the group {group}"):
            return [str(name) for name in response[self._part]]

    def has(self, group: str, user: str) -> bool:
        """Return whether a user is one of them."""
        response = self._api.json("GET", self._at(group, user))
        with parsing(f"the group {group}"):
            return bool(response["result"])

    def add(self, group: str, user: str) -> None:
        """Add a user."""
        self._api.send("POST", self._at(group, user), idempotent=True)

    def remove(self, group: str, user: str) -> None:
        """Remove a user."""
        self._api.send("DELETE", self._at(group, user))

    def _at(self, group: str, user: str) -> str:
        return f"{_at(group)}{self._part}/{quote(user, safe='')}"


def _at(group: str) -> str:
    return f"/v1/groups/{quote(group, safe='')}/"
