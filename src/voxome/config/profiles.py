"""Hosts and tokens of stores: the environment overrides the profile in use, which overrides the keyring."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from voxome.config.file import ProfileEntry, read_config
from voxome.config.settings import config_path, settings
from voxome.errors import InvalidInput, NotFound, suggest
from voxome.extras import require
from voxome.redaction import Secret, without_credentials


@dataclass(frozen=True)
class StoreProfile:
    """Host and token of a store.

    Attributes
    ----------
    kind : str
        Scheme of the store: bossdb, dvid, s3, …
    host : str or None
        Address; None if none is configured.
    token : Secret or None
        The one configured for that host.
    options : mapping
        Other options of the profile.
    """

    kind: str
    host: str | None = None
    token: Secret | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        host = None if self.host is None else without_credentials(self.host)
        return f"StoreProfile({self.kind!r}, {host!r}, {self.token!r})"


def store_profile(kind: str, host: str | None = None, *, default: str | None = None) -> StoreProfile:
    """Return what is configured for stores of `kind`, at `host` if given.

    Parameters
    ----------
    kind : str
        Scheme of the store.
    host : str, optional
        An address; a token is returned only if it was configured for this one.
    default : str, optional
        Address if none is configured; a token without a host belongs to it.

    Raises
    ------
    InvalidInput
        If the configuration file is invalid.
    NotFound
        If the file does not have the profile that the settings name.
    """
    entry = in_use().get(kind, ProfileEntry())
    configured = os.environ.get(f"VOXOME_{kind.upper()}_HOST") or entry.host or default
    address = host or configured
    if address is not None and (configured is None or not same_host(configured, address)):
        return StoreProfile(kind, address, _from_keyring(kind, address))
    variable = f"VOXOME_{kind.upper()}_TOKEN"
    token = secret_of(os.environ.get(variable), variable) or read_token(entry) or _from_keyring(kind, address)
    return StoreProfile(kind, address, token, entry.options)


def in_use() -> Mapping[str, ProfileEntry]:
    """Return the stores of the profile in use.

    Raises
    ------
    InvalidInput
        If the configuration file is invalid.
    NotFound
        If the file does not have the profile that the settings name.
    """
    file, chosen = read_config(config_path()), settings().profile
    if chosen and chosen not in file.profiles:
        known = ", ".join(sorted(file.profiles)) or "none"
        hint = suggest(chosen, file.profiles)
        raise NotFound(f"{config_path()} has no profile {chosen!r} (VOXOME_PROFILE){hint or '.'} Its profiles: {known}")
    return file.profiles.get(chosen or file.profile, {})


def read_token(entry: ProfileEntry) -> Secret | None:
    """Return the token of a profile's store, from the file or the environment variable that it names."""
    if entry.token is not None:
        return secret_of(entry.token.get_secret_value(), f"the token in {config_path()}")
    return secret_of(os.environ.get(entry.token_env or ""), entry.token_env or "")


def secret_of(text: str | None, where: str) -> Secret | None:
    """Return a token as it was configured `where`, without blanks and line breaks around it; None if nothing is left.

    Raises
    ------
    InvalidInput
        If it has characters that requests cannot carry; the message does not show it.
    """
    token = (text or "").strip()
    wrong = next((at for at, one in enumerate(token, 1) if not " " <= one <= "~"), None)
    if wrong:
        raise InvalidInput(
            f"{where} has a character that a token cannot have, the {wrong}. of {len(token)}: "
            "tokens are ASCII, on one line; copy it again"
        )
    return Secret(token) if token else None


def same_host(one: str, other: str) -> bool:
    """Return whether two addresses have the same host and port; a missing port is the default of the scheme."""
    return _host_and_port(one) == _host_and_port(other)


def _host_and_port(address: str) -> tuple[str | None, int | None]:
    url = urlsplit(address if "://" in address else f"//{address}")
    return url.hostname, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _from_keyring(kind: str, host: str | None) -> Secret | None:
    """Return the password of ``kind@host`` for voxome in the system's keyring, if the settings enable it."""
    if host is None or not settings().keyring:
        return None
    require("keyring", "keyring")
    import keyring

    return secret_of(keyring.get_password("voxome", f"{kind}@{host}"), f"the token of {kind}@{host} in the keyring")
