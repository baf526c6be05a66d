"""Addresses in ``bossdb://`` URIs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, InvalidUri
from voxome.redaction import without_credentials

_HOST = re.compile(r"^(https?://[^/]+)/*(.*)$", re.IGNORECASE)
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_FORM = "bossdb://[HOST/]COLLECTION/EXPERIMENT/CHANNEL[/RESOLUTION]"


@dataclass(frozen=True)
class Address:
    """Address of a server, collection, experiment, channel or resolution.

    Attributes
    ----------
    host : str or None
        URL of the server, ``https://…`` or ``http://…``; None where the URI names none.
    names : tuple of str
        Collection, experiment and channel: as many as are named.
    resolution : int or None
        0 is the finest.
    """

    host: str | None
    names: tuple[str, ...] = ()
    resolution: int | None = None

    @classmethod
    def of(cls, uri: Uri) -> Address:
        """Read the path of a URI; a first part that has a dot or a port is a host, reached by https.

        A user and a password before it are not used: BossDB needs a token, which is configured.

        Raises
        ------
        InvalidUri
            If its form differs, or a name has characters that BossDB does not allow.

        Examples
        --------
        >>> Address.of(Uri.parse("bossdb://witvliet2020/Dataset_2/em"))
        Address(host=None, names=('witvliet2020', 'Dataset_2', 'em'), resolution=None)
        >>> Address.of(Uri.parse("bossdb://http://localhost:8000/a/b/c/2"))
        Address(host='http://localhost:8000', names=('a', 'b', 'c'), resolution=2)
        """
        matched = _HOST.match(uri.path)
        host, rest = (without_credentials(matched[1]), matched[2]) if matched else (None, uri.path)
        parts = [part for part in rest.split("/") if part]
        if host is None and parts and re.search(r"[.:]", parts[0]):
            host = without_credentials(f"https://{parts.pop(0)}")
        if len(parts) > 4 or (len(parts) == 4 and not re.fullmatch(r"\d", parts[3])):
            raise InvalidUri(f"{uri} is not a BossDB address; write {_FORM}")
        try:
            names = tuple(check_name(part) for part in parts[:3])
        except InvalidInput as error:
            raise InvalidUri(f"{uri}: {error}; write {_FORM}") from None
        return cls(host, names, int(parts[3]) if len(parts) == 4 else None)

    def require_channel(self) -> Address:
        """Return this address, if it names a channel.

        Raises
        ------
        InvalidUri
            If it does not.
        """
        if len(self.names) != 3:
            raise InvalidUri(f"{self} does not name a channel; write {_FORM}")
        return self

    def child(self, name: str) -> Address:
        """Return the address of `name` inside this one."""
        return Address(self.host, (*self.names, name))

    def __str__(self) -> str:
        parts = [*self.names, *([] if self.resolution is None else [str(self.resolution)])]
        return "bossdb://" + "/".join(([self.host] if self.host else []) + parts)


def check_name(name: str) -> str:
    """Return `name`, if BossDB allows it.

    Raises
    ------
    InvalidInput
        If it is empty, or has characters other than letters, digits, ``-`` and ``_``.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"invalid BossDB name {name!r}: use letters, digits, - and _ only")
    return name
