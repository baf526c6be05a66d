"""Connect to stores that offer more than volumes."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from voxome.calls import explain_calls
from voxome.contracts.abilities import Connection, SupportsConnect
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, InvalidUri, UnsupportedFormat, describe_value
from voxome.resources.recognition import get_remote

C = TypeVar("C")


@overload
def connect(uri: str, expect: type[C]) -> C: ...


@overload
def connect(uri: str, expect: None = None) -> Connection: ...


@explain_calls
def connect(uri: str, expect: type[Any] | None = None) -> object:
    """Connect to a store that offers more than volumes: a BossDB with its projects, a DVID with its versions.

    Parameters
    ----------
    uri : str
        ``bossdb://https://host``, ``dvid://host:port`` or ``dvid://host:port/uuid``.
    expect : class, optional
        Class of the result; anything else is an error. It also tells a type checker what is returned.

    Returns
    -------
    Connection
        `voxome.remotes.bossdb.client.BossDB`; `voxome.remotes.dvid.repos.Dvid` (a server) or
        `voxome.remotes.dvid.versions.DvidNode` (one version).

    Raises
    ------
    InvalidInput
        If `uri` is not an address, or the connection is not what `expect` asks for.
    UnsupportedFormat
        If the store offers nothing but volumes.
    """
    parsed = Uri.parse(uri)
    if expect is not None and not isinstance(expect, type):
        raise InvalidInput(f"expect is {describe_value(expect)}; expected a class, such as that of the connection")
    if not parsed.scheme:
        raise InvalidUri(f"{parsed} is not the address of a server; write bossdb://https://HOST or dvid://HOST:PORT")
    store = get_remote(parsed.scheme)
    if not isinstance(store, SupportsConnect):
        raise UnsupportedFormat(f"{parsed.scheme}:// does not support connect(); open its volumes")
    connection = store.connect(parsed)
    if expect is not None and not isinstance(connection, expect):
        raise InvalidInput(f"{parsed} is a {type(connection).__name__}; a {expect.__name__} was expected")
    return connection
