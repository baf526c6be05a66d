"""``python -m voxome.relay``: serve volumes over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from voxome.errors import InvalidInput, NotFound, VoxomeError
from voxome.relay.accounts import Accounts, Token, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.catalogue.sql import SqlCatalogue
from voxome.relay.dialect import open_dialects
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest, new_token
from voxome.relay.serve import run
from voxome.relay.sources import Sources


def main(
    port: Annotated[int, typer.Option(help="Port to listen on; any free one if 0.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME=URI", help="Volume that everybody may read, by any URI or path.")
    ] = None,
    writable: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Source that admins may also write.")
    ] = None,
    dialect: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="API to serve, such as boss; by default all.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="SQLite file of users, projects and permissions; by default in memory.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder for volumes (zarr); by default in memory.")] = None,
    admin_token_env: Annotated[
        str | None, typer.Option(help="Environment variable with the admin's token; by default no admin.")
    ] = None,
    allow_origin: Annotated[list[str] | None, typer.Option(help="Web pages that may read; * for all.")] = None,
    largest_cutout_mib: Annotated[int, typer.Option(help="Limit of one request's voxels, uncompressed.", min=1)] = 520,
    new_token_for: Annotated[str | None, typer.Option(help="Print a new token of this user, and exit.")] = None,
) -> None:
    """Serve volumes over HTTP."""
    try:
        records: Catalogue = MemoryCatalogue() if catalogue is None else SqlCatalogue.in_file(catalogue)
        if new_token_for is not None:
            typer.echo(create_token(records, new_token_for))
            return
        if (catalogue is None) != (data is None):
            raise InvalidInput("--catalogue and --data need each other: add the missing one, or leave out both")
        accounts = Accounts(records, admins(admin_token_env))
        root = "memory://relay" if data is None else f"zarr://{data.absolute()}"
        served = parse_sources(source or (), writable or ())
        relay = Relay(records, accounts, root, served, largest_cutout_mib * 2**20)
        app = create_app(open_dialects(relay, dialect or ()), allow_origins=allow_origin or ())
        run(app, host=host, port=port, started=lambda url: typer.echo(f"serving at {url}"))
        records.close()
    except (VoxomeError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def admins(variable: str | None) -> dict[str, str]:
    """Return the digest of the admin's token, which is in the environment variable `variable`."""
    if variable is None:
        return {}
    token = os.environ.get(variable, "").strip()
    if not token:
        raise InvalidInput(f"--admin-token-env {variable}: the environment variable is not set; set it to a token")
    return {digest(token): "admin"}


def parse_sources(named: list[str] | tuple[str, ...], writable: list[str] | tuple[str, ...]) -> Sources:
    """Return the sources that the command line names."""
    sources = Sources()
    for text in named:
        name, separator, uri = text.partition("=")
        if not separator or not uri:
            raise InvalidInput(f"--source {text}: write it as NAME=URI")
        sources.add(name, uri, Rights(writers=frozenset({"admin"}) if name in writable else frozenset()))
    if unknown := set(writable) - set(sources):
        raise InvalidInput(f"--writable {', '.join(sorted(unknown))}: no --source has this name")
    return sources


def create_token(records: Catalogue, name: str) -> str:
    """Return a new token of the user `name`; the catalogue stores only its hash."""
    try:
        records.get(User, name)
    except NotFound:
        raise NotFound(f"user {name} does not exist in the catalogue; create it through a dialect first") from None
    token = new_token()
    records.write(add=[Token(digest=digest(token), user=name)])
    return token


if __name__ == "__main__":
    typer.run(main)
