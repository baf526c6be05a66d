"""Hosts and tokens by profile: the environment beats the profile in use, which beats the keyring.

The file (``VOXOME_CONFIG``, or ``config.toml`` in the user's configuration folder)::

    profile = "lab"                                    # the one in use; VOXOME_PROFILE beats it

    [profiles.lab.bossdb]
    host = "https://api.bossdb.io"
    token_env = "LAB_BOSSDB_TOKEN"                     # or token = "…"

    [profiles.lab.s3]
    host = "http://127.0.0.1:9000"
    options = { anonymous = "true" }
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from voxome.contracts.uri import without_secrets
from voxome.errors import InvalidInput, NotFound, UnknownName


class Secret:
    """A text that no message shows.

    Examples
    --------
    >>> token = Secret("abc")
    >>> token, f"{token}", token.reveal()
    (Secret(***), '***', 'abc')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; only for the wire."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled; each process reads its own from the profile or the environment")


@dataclass(frozen=True)
class StoreProfile:
    """Where a kind of store is, and what opens it.

    Attributes
    ----------
    kind : str
        Scheme of the store: bossdb, dvid, s3, …
    host : str or None
        Its address; None where nothing says.
    token : Secret or None
        Only ever the one configured for that host.
    options : mapping
        What else the profile says.
    """

    kind: str
    host: str | None = None
    token: Secret | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        host = None if self.host is None else without_secrets(self.host)
        return f"Service({self.kind!r}, {host!r}, {self.token!r})"


class ProfileEntry(BaseModel):
    """One service of one profile, as written in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    host: str | None = None
    token: SecretStr | None = None
    token_env: str | None = None
    options: dict[str, str] = {}

    def secret(self) -> Secret | None:
        """The token, from the file or the environment variable that it names."""
        if self.token is not None:
            return Secret(self.token.get_secret_value())
        text = os.environ.get(self.token_env or "")
        return Secret(text) if text else None


class Settings(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    profile: str = "default"
    profiles: dict[str, dict[str, ProfileEntry]] = {}


def store_profile(kind: str, host: str | None = None, *, default: str | None = None) -> StoreProfile:
    """What is configured for stores of `kind`, at `host` if one is asked for.

    Parameters
    ----------
    kind : str
        Scheme of the store.
    host : str, optional
        An address. A token is given only if it was configured for this one.
    default : str, optional
        Where such stores are if nothing says otherwise; a token without a host is meant for it.

    Raises
    ------
    InvalidInput
        If the configuration file is wrong.
    NotFound
        If the profile asked for by ``VOXOME_PROFILE`` is not in it.
    """
    entry = in_use().get(kind, ProfileEntry())
    own = os.environ.get(f"VOXOME_{kind.upper()}_HOST") or entry.host or default
    found = host or own
    if found is not None and (own is None or not same_host(own, found)):
        return StoreProfile(kind, found, _from_keyring(kind, found))
    text = os.environ.get(f"VOXOME_{kind.upper()}_TOKEN")
    token = Secret(text) if text else entry.secret() or _from_keyring(kind, found)
    return StoreProfile(kind, found, token, entry.options)


def in_use() -> Mapping[str, ProfileEntry]:
    """The services of the profile in use."""
    settings = read(str(path()))
    asked = os.environ.get("VOXOME_PROFILE")
    name = asked or settings.profile
    if asked and asked not in settings.profiles:
        known = ", ".join(sorted(settings.profiles)) or "none"
        raise NotFound(f"{path()} has no profile {asked!r} (VOXOME_PROFILE); its profiles: {known}")
    return settings.profiles.get(name, {})


def path() -> Path:
    """Where the configuration file lies, or would."""
    return Path(os.environ.get("VOXOME_CONFIG") or Path(platformdirs.user_config_dir("voxome")) / "config.toml")


@cache
def read(file: str) -> Settings:
    """The configuration in `file`; empty if there is no such file.

    Raises
    ------
    InvalidInput
        If it is no TOML, or has words that are not known.
    """
    try:
        return Settings.model_validate(tomllib.loads(Path(file).read_text()))
    except FileNotFoundError:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{file} is not TOML: {error}") from error
    except ValidationError as error:
        raise InvalidInput(f"{file}: {'; '.join(map(_fault, error.errors(include_input=False)))}") from None


def _fault(error: ErrorDetails) -> str:
    """What is wrong where; of a word that is not known also the nearest that is."""
    *within, name = map(str, error["loc"])
    place = ".".join([*within, name])
    if error["type"] != "extra_forbidden":
        return f"{place}: {error['msg']}"
    return f"{place}: {UnknownName.of('key', name, (ProfileEntry if within else Settings).model_fields)}"


def same_host(one: str, other: str) -> bool:
    """Whether two addresses have one host and port; a missing port is the scheme's."""
    return _place(one) == _place(other)


def _place(address: str) -> tuple[str | None, int | None]:
    url = urlsplit(address if "://" in address else f"//{address}")
    return url.hostname, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _from_keyring(kind: str, host: str | None) -> Secret | None:
    """The password that the system's keyring keeps for voxome under ``kind@host``, if there is a keyring."""
    if host is None or os.environ.get("VOXOME_KEYRING") != "1":
        return None
    try:
        import keyring
    except ImportError as error:
        raise InvalidInput("VOXOME_KEYRING=1 needs the extra: pip install 'voxome[keyring]'") from error
    text = keyring.get_password("voxome", f"{kind}@{host}")
    return Secret(text) if text else None
