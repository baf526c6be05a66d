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

from voxome.config.profiles import Secret, same_host, store_profile
from voxome.contracts.uri import without_secrets
from voxome.errors import InvalidInput

DEFAULT_HOST = "https://api.bossdb.io"
PUBLIC_TOKEN = "public"
INTERN_FILE = "~/.intern/intern.cfg"
_SECTIONS = ("Volume Service", "Default")


@dataclass(frozen=True)
class Login:
    """A server, and the token that opens it."""

    host: str
    token: Secret


def default_host() -> str:
    """The server that is meant where a URI names none."""
    own = store_profile("bossdb").host
    return _url(own) if own else next((login.host for login in _of_intern()), DEFAULT_HOST)


def authorization(host: str) -> Mapping[str, str]:
    """The header that opens `host`."""
    return {"Authorization": f"Token {token(host).reveal()}"}


def token(host: str) -> Secret:
    """The token for `host`; ``public`` if none is configured for it."""
    own = store_profile("bossdb")
    if own.host is None or not same_host(_url(own.host), host):
        own = store_profile("bossdb", host)
    if own.token is not None:
        return own.token
    return next((login.token for login in _of_intern() if same_host(login.host, host)), Secret(PUBLIC_TOKEN))


def _of_intern() -> Iterator[Login]:
    known = os.environ.get
    host, text = known("INTERN_HOST"), known("INTERN_TOKEN")
    if host and text:
        yield Login(_url(host, known("INTERN_PROTOCOL") or "https"), Secret(text))
    path = Path(INTERN_FILE).expanduser()
    if path.is_file():
        yield from _read(path, path.stat().st_mtime_ns)


@lru_cache
def _read(path: Path, mtime_ns: int) -> tuple[Login, ...]:
    """The login in intern's file, as it was at `mtime_ns`; a token may have any characters, % too."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
    except Error:
        raise InvalidInput(f"{path} is no configuration that intern would read; mend or remove it") from None
    section = next((parser[name] for name in _SECTIONS if name in parser), None)
    if section is None or not section.get("host") or not section.get("token"):
        return ()
    return (Login(_url(section["host"], section.get("protocol", "https")), Secret(section["token"])),)


def _url(host: str, protocol: str = "https") -> str:
    return without_secrets(host if "://" in host else f"{protocol}://{host}").rstrip("/")
