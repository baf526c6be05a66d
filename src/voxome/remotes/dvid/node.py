"""Where things of a DVID server are, and requests to one of its versions."""

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
from voxome.contracts.uri import Uri, without_secrets
from voxome.errors import AccessDenied, AlreadyExists, InvalidUri, NotFound, ReadOnly, StoreError, VoxomeError
from voxome.remotes.dvid.parsing import flag, texts, understood
from voxome.remotes.http import Api, message_text

APP = "voxome"
"""How every change names the application."""
PATIENCE_S = 600.0
"""How long a server that is busy with throttled requests is asked again."""

_LOCKED = "; a committed version is never changed: make a child of it, voxome.connect(…).new_version() or .branch(name)"
_ADMIN = "; set VOXOME_DVID_ADMIN_TOKEN and VOXOME_DVID_HOST, or the service dvid_admin of your profile"
_MEANINGS: tuple[tuple[str, type[VoxomeError], str], ...] = (
    (r"locked node", ReadOnly, _LOCKED),
    (r"requires admin privileges", AccessDenied, _ADMIN),
    (r"invalid data instance name", NotFound, "; this version has no instance of that name"),
    (r"could not find UUID|branch \S+ not found", NotFound, "; voxome ls dvid://HOST lists the repos"),
    (r"more than one UUID", InvalidUri, "; write more of it"),
    (r"already exists", AlreadyExists, "; choose another name"),
)
"""What a refusal (always status 400) says, the error that it is, and what to do."""


@dataclass(frozen=True)
class Address:
    """The parts of ``dvid[s]://host[:port][/version[/instance]]``.

    Attributes
    ----------
    base : str
        The server, ``http://`` or ``https://``.
    version : str or None
        A UUID, the unique beginning of one, or either followed by ``:branch``.
    instance : str or None
        Name of a data instance.
    """

    base: str
    version: str | None = None
    instance: str | None = None

    @classmethod
    def of(cls, uri: Uri) -> Address:
        """Take `uri` apart; without a host, the server is the one of the profile.

        A user and a password before the host are not used: what opens a server is a token, which is configured.

        Raises
        ------
        InvalidUri
            If it names more than an instance, or no server.
        """
        host, *rest = uri.path.split("/")
        parts = [part for part in rest if part]
        host = host or _without_scheme(store_profile("dvid").host or "")
        if not host or len(parts) > 2:
            raise InvalidUri(f"{uri} cannot be understood; write {uri.scheme}://HOST[:PORT]/UUID[:BRANCH]/INSTANCE")
        base = without_secrets(f"{'https' if uri.scheme == 'dvids' else 'http'}://{host}")
        return cls(base, *parts)


class DvidApi(Api):
    """A DVID server; names user and application with every change, and waits while it is throttled.

    Parameters
    ----------
    base : str
        ``http://HOST[:PORT]`` or ``https://HOST``. Its token (DatasetGateway), if the profile has one, goes in the
        header ``Authorization``.
    """

    def __init__(self, base: str, **options: Any) -> None:
        super().__init__(base, headers=lambda: _headers(base), explain=_explain, **options)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        errors: Mapping[int, type[VoxomeError]] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """As `Api.send`; what DVID says with status 400 becomes the error that it means."""
        changes = method.upper() not in ("GET", "HEAD")
        query = {**(params or {}), **({"u": _user(self.base), "app": APP} if changes else {})}
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return super().send(method, path, params=query or None, errors=errors, **options)
            except VoxomeError as error:
                if not (_is_throttled(error) and time.monotonic() < until):
                    raise _meant(error) from error.__cause__

    def admin(self) -> dict[str, str]:
        """The query that shows administrator's rights; empty if no token is configured for this server."""
        token = store_profile("dvid_admin", self.base, default=store_profile("dvid").host).token
        return {} if token is None else {"admintoken": token.reveal()}


class Node:
    """One version of a repo: requests to its data instances.

    Parameters
    ----------
    api : Api
        The server.
    uuid : str
        The version, whole.
    """

    def __init__(self, api: Api, uuid: str) -> None:
        self.api, self.uuid = api, uuid

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.api.base!r}, {self.uuid!r})"

    def path(self, *parts: object) -> str:
        """``/api/node/UUID/…``, each part quoted."""
        return "/".join(("/api/node", *(quote(str(part), safe=":,") for part in (self.uuid, *parts))))

    def repo_path(self, *parts: object) -> str:
        """``/api/repo/UUID/…``, likewise."""
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
        """GET of an instance; DVID takes a body with some."""
        path = self.path(instance, *parts)
        return self.api.send("GET", path, params=params, json=json, content=content, headers=headers, errors=errors)

    def head(self, instance: str, *parts: object, ok: tuple[int, ...] = (200, 204), **params: Any) -> httpx.Response:
        """HEAD of an instance."""
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
        """POST to an instance; `idempotent` if doing it twice does no harm."""
        path = self.path(instance, *parts)
        return self.api.send(
            "POST", path, params=params, content=content, json=json, idempotent=idempotent, errors=errors
        )

    def delete(self, instance: str, *parts: object, **params: Any) -> httpx.Response:
        """DELETE of something in an instance."""
        return self.api.send("DELETE", self.path(instance, *parts), params=params)

    def locked(self) -> bool:
        """Whether the version is committed."""
        return understood(self.api.send("GET", self.path("status")), lambda said: flag(said["Locked"]))

    def instances(self) -> dict[str, str]:
        """Name → type of all data instances of the repo."""
        return understood(
            self.api.send("GET", self.repo_path("info")),
            lambda said: {name: info["Base"]["TypeName"] for name, info in sorted(said["DataInstances"].items())},
        )


def resolve(api: Api, version: str) -> str:
    """The UUID that `version` (a UUID, the unique beginning of one, either with ``:branch``) means.

    Raises
    ------
    NotFound
        If there is none, or the branch has none.
    InvalidUri
        If several begin so.
    """
    uuid, colon, branch = version.partition(":")
    if colon:
        # The branch without a name is called master.
        path = f"/api/repo/{quote(uuid)}/branch-versions/{quote(branch or 'master', safe='')}"
        versions = understood(api.send("GET", path, errors={400: NotFound}), texts)
        if not versions:
            raise NotFound(f"the repo of {uuid} at {api.base} has no branch {branch!r}")
        return versions[0]
    if re.fullmatch("[0-9a-f]{32}", uuid):
        return uuid
    answer = api.send("GET", f"/api/repo/{quote(uuid)}/info", errors={400: NotFound})
    nodes = understood(answer, lambda said: list(said["DAG"]["Nodes"]))
    return uuid if uuid in nodes else next((one for one in nodes if one.startswith(uuid)), uuid)


def _explain(answer: httpx.Response) -> str:
    """DVID's message without the path that it repeats at the end."""
    return re.sub(r"\s*\(/api/\S*\)\.?$", "", message_text(answer))


def _is_throttled(error: VoxomeError) -> bool:
    return isinstance(error, StoreError) and error.status == 503 and "throttled" in str(error)


def _meant(error: VoxomeError) -> VoxomeError:
    if error.status != 400:
        return error
    for pattern, kind, hint in _MEANINGS:
        if re.search(pattern, str(error)):
            meant = kind(f"{error}{hint}")
            meant.status = error.status
            return meant
    return error


def _headers(base: str) -> dict[str, str]:
    token = store_profile("dvid", base).token
    return {} if token is None else {"Authorization": f"Bearer {token.reveal()}"}


def _user(base: str) -> str:
    """Who changes things: ``options.user`` of the profile, or the name of the account."""
    return store_profile("dvid", base).options.get("user") or getpass.getuser()


def _without_scheme(host: str) -> str:
    return host.rpartition("://")[2].rstrip("/")
