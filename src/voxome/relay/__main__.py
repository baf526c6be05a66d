"""``python -m voxome.relay``: serve volumes as BossDB does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from voxome.errors import InvalidInput, NotFound, VoxomeError
from voxome.relay.access import Access
from voxome.relay.app import application
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.catalogue.records import Token, User
from voxome.relay.catalogue.secrets import digest, new_token
from voxome.relay.catalogue.sql import SqlCatalogue
from voxome.relay.relay import Relay
from voxome.relay.serve import run
from voxome.relay.voxels import VolumeStore


def main(
    port: Annotated[int, typer.Option(help="Port to listen on; any free one if 0.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    catalogue: Annotated[Path | None, typer.Option(help="SQLite file of names, metadata and permissions.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of voxels (zarr).")] = None,
    admin_token_env: Annotated[
        str | None, typer.Option(help="Environment variable with the token of the admin; without one nobody is.")
    ] = None,
    allow_origin: Annotated[list[str] | None, typer.Option(help="Web pages that may read, * for all.")] = None,
    largest_cutout_mib: Annotated[int, typer.Option(help="Of one request, uncompressed.", min=1)] = 520,
    new_token_for: Annotated[str | None, typer.Option(help="Print a new token of this user, and end.")] = None,
) -> None:
    """Serve volumes as BossDB does; what has no file or folder is kept in memory and gone at the end."""
    try:
        records: Catalogue = MemoryCatalogue() if catalogue is None else SqlCatalogue.in_file(catalogue)
        if new_token_for is not None:
            typer.echo(token_for(records, new_token_for))
            return
        if (catalogue is None) != (data is None):
            raise InvalidInput("give --catalogue and --data both, or neither: one without the other is worth nothing")
        access = Access(records, admins(admin_token_env))
        voxels = VolumeStore("memory://relay" if data is None else f"zarr://{data.absolute()}")
        relay = Relay(records, voxels, access, largest_cutout_mib * 2**20)
        app = application(relay, allow_origins=allow_origin or ())
        run(app, host=host, port=port, started=lambda url: typer.echo(f"serving at {url}"))
        records.close()
    except (VoxomeError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def admins(variable: str | None) -> dict[str, str]:
    """The digest of the admin's token, which the environment has in `variable`."""
    if variable is None:
        return {}
    token = os.environ.get(variable, "").strip()
    if not token:
        raise InvalidInput(f"--admin-token-env {variable}: there is no such environment variable; set it to a token")
    return {digest(token): "admin"}


def token_for(records: Catalogue, name: str) -> str:
    """A new token of the user `name`, of which the catalogue keeps a hash only."""
    try:
        records.get(User, name)
    except NotFound:
        raise NotFound(f"there is no user {name} in the catalogue; make them by POST /v1/sso/user/{name}") from None
    token = new_token()
    records.write(add=[Token(digest=digest(token), user=name)])
    return token


if __name__ == "__main__":
    typer.run(main)
