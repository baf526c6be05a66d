"""Users of a server, and their roles. Only its user managers may change them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from voxome.config.profiles import Secret
from voxome.errors import CorruptData
from voxome.remotes.bossdb.service import understood
from voxome.remotes.http import Api

ROLES = ("admin", "user-manager", "resource-manager")


class Users:
    """The users of a server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, name: str) -> dict[str, Any]:
        """What the server tells of a user."""
        said = self._api.json("GET", _user(name))
        with understood(f"the user {name}"):
            return dict(said.items())

    def create(self, name: str, *, first_name: str, last_name: str, email: str, password: Secret) -> None:
        """Make a user; the password is not shown anywhere."""
        body = {"first_name": first_name, "last_name": last_name, "email": email, "password": password.reveal()}
        self._api.send("POST", _user(name), json=body)

    def delete(self, name: str) -> None:
        """Remove a user."""
        self._api.send("DELETE", _user(name))

    def roles(self, name: str) -> list[str]:
        """The roles of a user, among `ROLES`."""
        said = self._api.json("GET", _roles(name))
        if not isinstance(said, list) or not all(isinstance(role, str) for role in said):
            raise CorruptData(f"the server gives no list of the roles of {name}, but {said!r}")
        return said

    def add_role(self, name: str, role: str) -> None:
        """Give a user a role."""
        self._api.send("POST", f"{_roles(name)}/{quote(role, safe='')}", idempotent=True)

    def remove_role(self, name: str, role: str) -> None:
        """Take a role from a user."""
        self._api.send("DELETE", f"{_roles(name)}/{quote(role, safe='')}")


def _user(name: str) -> str:
    return f"/v1/sso/user/{quote(name, safe='')}"


def _roles(name: str) -> str:
    return f"/v1/sso/user-role/{quote(name, safe='')}"
