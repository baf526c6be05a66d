"""Addresses of a DVID server, and requests to one of its versions."""

from __future__ import annotations

import getpass
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from voxome.config.profiles import store_profile
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, AlreadyExists, InvalidUri, NotFound, ReadOnly, StoreError, VoxomeError
from voxome.redaction import without_credentials
from voxome.remotes.dvid.parsing import parse_bool, parse_json, parse_strings
from voxome.remotes.http import Api, message_text

APP = "voxome"
"""Application name sent with every change."""
THROTTLE_TIMEOUT_S = 600.0
"""How long a request is repeated while the server is busy with throttled requests."""

_LOCKED = "; committed versions cannot be changed: create a child with voxome.connect(…).new_version() or .branch(name)"
_ADMIN = "; set VOXOME_DVID_ADMIN_TOKEN and VOXOME_DVID_HOST, or dvid_admin in your profile"
_REFUSALS: tuple[tuple[str, type[VoxomeError], str], ...] = (
    (r"locked node", ReadOnly, _LOCKED),
    (r"requires admin privileges", AccessDenied, _ADMIN),
    (r"invalid data instance name", NotFound, "; the version has no instance of that name"),
    (r"could not find UUID|branch \S+ not found", NotFound, "; list the repos with `voxome ls dvid://HOST`"),
    (r"more than one UUID", InvalidUri, "; use a longer prefix"),
    (r"already exists", AlreadyExists, "; choose another name"),
)
"""Pattern of the server's message (always with status 400), error type, and what to do."""


@dataclass(frozen=True)
class Address:
    """Parts of ``dvid[s]://host[:port][/version[/instance]]``.

    Attributes
    ----------
    base : str
        The server, ``http://`` or ``https://``.
    version : str or None
        A UUID, a unique prefix of one, or either followed by ``:branch``.
    instance : str or None
        Name of a data instance.
    """

    base: str
    version: str | None = None
    instance: str | None = None

    @classmethod
    def parse(cls, uri: Uri) -> Address:
        """Split `uri` into its parts; without a host, the server is that of the profile.

        A user and a password before the host are ignored: authentication is by the configured token.

        Raises
        ------
        InvalidUri
            If it has parts after the instance, or no server.
        """
        host, *rest = uri.path.split("/")
        parts = [part for part in rest if part]
        host = host or _without_scheme(store_profile("dvid").host or "")
        if not host or len(parts) > 2:
            raise InvalidUri(f"{uri} is not a DVID address; write {uri.scheme}://HOST[:PORT]/UUID[:BRANCH]/INSTANCE")
        base = without_credentials(f"{'https' if uri.scheme == 'dvids' else 'http'}://{host}")
        return cls(base, *parts)


class DvidApi(Api):
    """Client of a DVID server: sends user and application with every change, and waits while it throttles.

    Parameters
    ----------
    base : str
        ``http://HOST[:PORT]`` or ``https://HOST``. The token of the profile (DatasetGateway), if any, is
        sent in the header ``Authorization``.

    Attributes
    ----------
    user : str or None
        User who is sent with changes; that of the profile, or of this machine, if None.
    """

    def __init__(self, base: str, **options: Any) -> None:
        super().__init__(base, headers=lambda: _headers(base), explain=_explain, **options)
        self.user: str | None = None

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        errors: Mapping[int, type[VoxomeError]] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send a request as `Api.send` does, with DVID's messages of status 400 as errors of the right type."""
        changes = method.upper() not in ("GET", "HEAD")
        query = {**(params or {}), **({"u": self.user or _user(self.base), "app": APP} if changes else {})}
        until = time.monotonic() + THROTTLE_TIMEOUT_S
        while True:
            try:
                return super().send(method, path, params=query or None, errors=errors, **options)
            except VoxomeError as error:
                if not (_is_throttled(error) and time.monotonic() < until):
                    raise _translate_error(error) from error.__cause__

    def admin_params(self) -> dict[str, str]:
        """Return the query parameter with the administrator's token; empty if none is configured for this server."""
        token = store_profile("dvid_admin", self.base, default=store_profile("dvid").host).token
        return {} if token is None else {"admintoken": token.reveal()}


class Node:
    """Requests to the data instances of one version of a repo.

    Parameters
    ----------
    api : DvidApi
        The server.
    uuid : str
        Full UUID of the version.
    """

    def __init__(self, api: DvidApi, uuid: str) -> None:
        self.api, self.uuid = api, uuid

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.api.base!r}, {self.uuid!r})"

    def path(self, *parts: object) -> str:
        """Return ``/api/node/UUID/…``, each part quoted."""
        return "/".join(("/api/node", *(quote(str(part), safe=":,") for part in (self.uuid, *parts))))

    def repo_path(self, *parts: object) -> str:
        """Return ``/api/repo/UUID/…``, each part quoted."""
        return "/".join(("/api/repo", *(quote(str(part), safe=":,") for part in (self.uuid, *parts))))

    def get(
        self,
        instance: str,
        *parts: object,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Mapping[int, type[VoxomeError]] | None = None,
        **params: Any,
    ) -> httpx.Response:
        """Send a GET to an instance; some of DVID's have a body."""
        path = self.path(instance, *parts)
        return self.api.send("GET", path, params=params, json=json, content=content, headers=headers, errors=errors)

    def head(self, instance: str, *parts: object, ok: tuple[int, ...] = (200, 204), **params: Any) -> httpx.Response:
        """Send a HEAD to an instance."""
        return self.api.send("HEAD", self.path(instance, *parts), params=params, ok=ok)

    def post(
        self,
        instance: str,
        *parts: object,
        content: bytes | None = None,
        json: Any = None,
        idempotent: bool | None = None,
        errors: Mapping[int, type[VoxomeError]] | None = None,
        **params: Any,
    ) -> httpx.Response:
        """Send a POST to an instance; `idempotent` if sending it twice does no harm."""
        path = self.path(instance, *parts)
        return self.api.send(
            "POST", path, params=params, content=content, json=json, idempotent=idempotent, errors=errors
        )

    def delete(self, instance: str, *parts: object, **params: Any) -> httpx.Response:
        """Send a DELETE to an instance."""
        return self.api.send("DELETE", self.path(instance, *parts), params=params)

    def locked(self) -> bool:
        """Return whether the version is committed."""
        return parse_json(self.api.send("GET", self.path("status")), lambda reply: parse_bool(reply["Locked"]))

    def instances(self) -> dict[str, str]:
        """Return the types of all data instances of the repo, by name."""
        return parse_json(
            self.api.send("GET", self.repo_path("info")),
            lambda reply: {name: info["Base"]["TypeName"] for name, info in sorted(reply["DataInstances"].items())},
        )


def resolve_version(api: Api, version: str) -> str:
    """Return the UUID of `version`: a UUID, a unique prefix of one, or either with ``:branch``.

    Raises
    ------
    NotFound
        If the version or branch does not exist.
    InvalidUri
        If the prefix is not unique.
    """
    uuid, colon, branch = version.partition(":")
    if colon:
        # The branch without a name is addressed as master.
        path = f"/api/repo/{quote(uuid)}/branch-versions/{quote(branch or 'master', safe='')}"
        versions = parse_json(api.send("GET", path, errors={400: NotFound}), parse_strings)
        if not versions:
            raise NotFound(f"the repo of {uuid} at {api.base} has no branch {branch!r}")
        return versions[0]
    if re.fullmatch("[0-9a-f]{32}", uuid):
        return uuid
    response = api.send("GET", f"/api/repo/{quote(uuid)}/info", errors={400: NotFound})
    nodes = parse_json(response, lambda reply: list(reply["DAG"]["Nodes"]))
    return uuid if uuid in nodes else next((node for node in nodes if node.startswith(uuid)), uuid)


def _explain(response: httpx.Response) -> str:
    """Return DVID's message without the path that it appends."""
    return re.sub(r"\s*\(/api/\S*\)\.?$", "", message_text(response))


def _is_throttled(error: VoxomeError) -> bool:
    return isinstance(error, StoreError) and error.status == 503 and "throttled" in str(error)


def _translate_error(error: VoxomeError) -> VoxomeError:
    if error.status != 400:
        return error
    for pattern, error_type, hint in _REFUSALS:
        if re.search(pattern, str(error)):
            translated = error_type(f"{error}{hint}")
            translated.status = error.status
            return translated
    return error


def _headers(base: str) -> dict[str, str]:
    token = store_profile("dvid", base).token
    return {} if token is None else {"Authorization": f"Bearer {token.reveal()}"}


def _user(base: str) -> str:
    """Return the user sent with changes: ``options.user`` of the profile, or the account name."""
    return store_profile("dvid", base).options.get("user") or getpass.getuser()


def _without_scheme(host: str) -> str:
    return host.rpartition("://")[2].rstrip("/")
