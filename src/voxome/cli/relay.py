"""``voxome relay``: tokens and key pairs of a relay, writes that stores do not have yet, and layers to be stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.logs import Verbs
from voxome.cli.relay_layers import materialize
from voxome.cli.relay_writes import writes
from voxome.cli.table import show_table
from voxome.errors import NotFound

if TYPE_CHECKING:
    from voxome.relay.catalogue.sql import SqlCatalogue

app = Verbs(help="Manage a relay.", no_args_is_help=True)
token = Verbs(help="Create, list and revoke tokens; a running relay sees the change at once.", no_args_is_help=True)
app.add_typer(token, name="token")
key = Verbs(help="Create, list and revoke key pairs of the S3 API.", no_args_is_help=True)
app.add_typer(key, name="key")
app.add_typer(writes, name="writes")
app.command("materialize")(materialize)

_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

CatalogueFile = Annotated[
    str, typer.Option("--catalogue", metavar="FILE|URL", help="SQLite file or PostgreSQL database of the relay.")
]


def parse_lifetime(text: Any) -> int:
    """Return a time such as ``30d`` in s."""
    matched = re.fullmatch(r"0*([0-9]{1,6})([mhdw])", str(text))
    if matched is None:
        raise typer.BadParameter(f"{text}: expected minutes, hours, days or weeks, as in 90m, 12h, 30d or 4w")
    if int(matched[1]) == 0:
        raise typer.BadParameter(f"{text}: expected a positive time, as 30d; leave it out for one that does not end")
    return int(matched[1]) * _SECONDS[matched[2]]


UserName = Annotated[str, typer.Argument(help="Name of the user, who is created if necessary.")]
Lifetime = Annotated[
    Any, typer.Option(parser=parse_lifetime, metavar="30d", help="Lifetime; by default it does not expire.")
]
GroupNames = Annotated[list[str] | None, typer.Option(help="Group to which the user is added. Repeatable.")]


@token.command("create")
def create(
    user: UserName,
    catalogue: CatalogueFile,
    expires: Lifetime = None,
    group: GroupNames = None,
    json: Json = False,
) -> None:
    """Print a new token of a user; it is stored only as a hash, and cannot be shown again."""
    from voxome.relay.tokens import create_token

    with _opened(catalogue, create=True) as records:
        created = create_token(records, user, lifetime_s=expires, groups=group or ())
    if json:
        show_json({"token": created, "user": user}, secret=True)
    else:
        typer.echo(created)


@token.command("list")
def list_all(catalogue: CatalogueFile, json: Json = False) -> None:
    """List tokens by user: their ids, not the tokens themselves."""
    from voxome.relay.tokens import ID_LENGTH, list_tokens

    with _opened(catalogue) as records:
        found = list_tokens(records)
    rows = [
        {"id": one.digest[:ID_LENGTH], "user": one.user, "created": _time(one.created), "expires": _time(one.expires)}
        for one in found
    ]
    if json:
        show_json(rows)
    else:
        show_table(["id", "user", "created", "expires"], [[value or "never" for value in row.values()] for row in rows])


@token.command("revoke")
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="Id of the token, or its first digits.")],
    catalogue: CatalogueFile,
    json: Json = False,
) -> None:
    """Revoke a token."""
    from voxome.relay.tokens import ID_LENGTH, revoke_token

    with _opened(catalogue) as records:
        revoked = revoke_token(records, id)
    if json:
        show_json({"id": revoked.digest[:ID_LENGTH], "user": revoked.user})
    else:
        print_stderr(f"Revoked token {revoked.digest[:ID_LENGTH]} of {revoked.user}")


@key.command("create")
def create_key(
    user: UserName,
    catalogue: CatalogueFile,
    expires: Lifetime = None,
    group: GroupNames = None,
    json: Json = False,
) -> None:
    """Print a new key pair of a user, as environment variables that clients of S3 read."""
    from voxome.relay.dialects.s3.keys import create_key_pair

    with _opened(catalogue, create=True) as records:
        pair = create_key_pair(records, user, lifetime_s=expires, groups=group or ())
    if json:
        show_json({"access_key": pair.access_key, "secret": pair.secret, "user": user}, secret=True)
    else:
        typer.echo(f"AWS_ACCESS_KEY_ID={pair.access_key}\nAWS_SECRET_ACCESS_KEY={pair.secret}")


@key.command("list")
def list_keys(catalogue: CatalogueFile, json: Json = False) -> None:
    """List access keys by user, without their secrets."""
    from voxome.relay.dialects.s3.keys import KeyPair

    with _opened(catalogue) as records:
        pairs = sorted(records.find(KeyPair), key=lambda pair: (pair.user, pair.access_key))
    rows = [{"access_key": one.access_key, "user": one.user, "expires": _time(one.expires)} for one in pairs]
    if json:
        show_json(rows)
    else:
        show_table(["access key", "user", "expires"], [[value or "never" for value in row.values()] for row in rows])


@key.command("revoke")
def revoke_key(
    access_key: Annotated[str, typer.Argument(help="The access key, as `voxome relay key list` shows it.")],
    catalogue: CatalogueFile,
    json: Json = False,
) -> None:
    """Revoke a key pair."""
    from voxome.relay.dialects.s3.keys import revoke_key_pair

    with _opened(catalogue) as records:
        revoked = revoke_key_pair(records, access_key)
    if json:
        show_json({"access_key": revoked.access_key, "user": revoked.user})
    else:
        print_stderr(f"Revoked access key {revoked.access_key} of {revoked.user}")


@contextmanager
def _opened(address: str, *, create: bool = False) -> Iterator[SqlCatalogue]:
    from voxome.relay.catalogue.sql import SqlCatalogue

    if not create and "://" not in address and not Path(address).exists():
        raise NotFound(f"{address} does not exist; give the file that `voxome serve --catalogue` uses")
    with closing(SqlCatalogue.at(address)) as records, records.map_errors():
        yield records


def _time(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None
