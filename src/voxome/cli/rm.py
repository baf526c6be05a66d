"""``voxome rm``: remove a volume."""

from __future__ import annotations

from typing import Annotated

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, say, show_json, size_text
from voxome.errors import InvalidUri, UnsupportedFormat


def rm(
    uri: Annotated[str, typer.Argument(help="A URI or path of a volume.", autocompletion=uris)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove a volume and all its levels, after asking; what is no volume is left alone."""
    from voxome.contracts.volume import SupportsDelete
    from voxome.resources.open import locate, open_source, remote

    located = locate(uri)
    if "level" in located.query:
        raise InvalidUri(f"{located}: a volume is removed with all its levels; leave out level=")
    store, spec = remote(located.scheme), open_source(uri).spec
    if not isinstance(store, SupportsDelete):
        raise UnsupportedFormat(f"{located.scheme}:// volumes cannot be removed from here")
    if not yes:
        shape, size = " x ".join(map(str, spec.domain.shape)), size_text(spec.domain.size * spec.dtype.itemsize)
        typer.confirm(f"Remove {located}: {shape} voxels of {spec.dtype}, {size}?", abort=True, err=True)
    store.delete(located)
    if json:
        show_json({"removed": str(located)})
    else:
        say(f"{located} is removed")
