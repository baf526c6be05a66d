"""Users of a server and their roles. Only user managers may change them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from voxome.errors import CorruptData
from voxome.redaction import Secret
from voxome.remotes.bossdb.service import parsing
from voxome.remotes.http import Api

ROLES = ("admin", "user-manager", "resource-manager")


class Users:
    """The users of a server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, name: str) -> dict[str, Any]:
        """Return the server's record of a user."""
        response = self._api.json("GET", _user(name))
        with parsing(f"the user {name}"):
            return dict(response.items())

    def create(self, name: str, *, first_name: str, last_name: str, email: str, password: Secret) -> None:
        """Create a user."""
        body = {"first_name": first_name, "last_name": last_name, "email": email, "password": password.reveal()}
        self._api.send("POST", _user(name), json=body)

    def delete(self, name: str) -> None:
        """Remove a user."""
        self._api.send("DELETE", _user(name))

    def roles(self, name: str) -> list[str]:
        """Return the roles of a user, some of `ROLES`."""
        roles = self._api.json("GET", _roles(name))
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise CorruptData(
                f"malformed response of the server about the roles of {name}: {roles!r} is not a list of names"
            )
        return roles

    def add_role(self, name: str, role: str) -> None:
        """Give a user a role."""
        self._api.send("POST", f"{_roles(name)}/{quote(role, safe='')}", idempotent=True)

    def remove_role(self, name: str, role: str) -> None:
        """Remove a role of a user."""
        self._api.send("DELETE", f"{_roles(name)}/{quote(role, safe='')}")


def _user(name: str) -> str:
    return f"/v1/sso/user/{quote(name, safe='')}"


def _roles(name: str) -> str:
    return f"/v1/sso/user-role/{quote(name, safe='')}"
