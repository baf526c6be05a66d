"""Which BossDB is meant where none is named, and whose token it gets.

Our own profile comes first (`voxome.config.profiles`), then what intern reads: its environment (``INTERN_PROTOCOL``,
``INTERN_HOST``, ``INTERN_TOKEN``) and its file ``~/.intern/intern.cfg``. A token is sent to its own host only; any
other gets ``public``, which opens what is public.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from configparser import ConfigParser, Error
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from voxome.config.profiles import same_host, secret_of, store_profile
from voxome.errors import InvalidInput
from voxome.redaction import Secret, without_credentials

DEFAULT_HOST = "https://api.bossdb.io"
PUBLIC_TOKEN = "public"
INTERN_FILE = "~/.intern/intern.cfg"
_SECTIONS = ("Volume Service", "Default")


@dataclass(frozen=True)
class Login:
    """A server and its token."""

    host: str
    token: Secret


def default_host() -> str:
    """Return the server of URIs that name none."""
    configured = store_profile("bossdb").host
    return _url(configured) if configured else next((login.host for login in _intern_logins()), DEFAULT_HOST)


def authorization(host: str) -> Mapping[str, str]:
    """Return the header with the token for `host`."""
    return {"Authorization": f"Token {token(host).reveal()}"}


def token(host: str) -> Secret:
    """Return the token for `host`; ``public`` if none is configured."""
    profile = store_profile("bossdb")
    if profile.host is None or not same_host(_url(profile.host), host):
        profile = store_profile("bossdb", host)
    if profile.token is not None:
        return profile.token
    return next((login.token for login in _intern_logins() if same_host(login.host, host)), Secret(PUBLIC_TOKEN))


def _intern_logins() -> Iterator[Login]:
    env = os.environ.get
    host, token = env("INTERN_HOST"), secret_of(env("INTERN_TOKEN"), "INTERN_TOKEN")
    if host and token is not None:
        yield Login(_url(host, env("INTERN_PROTOCOL") or "https"), token)
    path = Path(INTERN_FILE).expanduser()
    if path.is_file():
        yield from _read(path, path.stat().st_mtime_ns)


@lru_cache
def _read(path: Path, mtime_ns: int) -> tuple[Login, ...]:
    """Return the login in intern's file, as of `mtime_ns`; a token may have any characters, including %."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
    except Error:
        raise InvalidInput(f"{path} is not a configuration that intern can read; fix or remove it") from None
    section = next((parser[name] for name in _SECTIONS if name in parser), None)
    found = None if section is None else secret_of(section.get("token"), f"the token in {path}")
    if section is None or not section.get("host") or found is None:
        return ()
    return (Login(_url(section["host"], section.get("protocol", "https")), found),)


def _url(host: str, protocol: str = "https") -> str:
    return without_credentials(host if "://" in host else f"{protocol}://{host}").rstrip("/")
