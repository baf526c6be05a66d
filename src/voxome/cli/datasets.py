"""``voxome datasets``: public volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from voxome.cli.complete import datasets as names
from voxome.cli.console import Json, say, show_facts, show_json, show_table
from voxome.cli.copy_progress import block_progress
from voxome.errors import InvalidInput

if TYPE_CHECKING:
    from voxome.datasets.registry.entry import Entry

_MB = 1_000_000


def datasets(
    name: Annotated[
        str | None, typer.Argument(help="One of them, such as kasthuri2015/em.", autocompletion=names)
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch its file into the cache, and tell the hash of what came.")
    ] = False,
    json: Json = False,
) -> None:
    """List public volumes, or tell all that is known of one; open one as dataset:NAME."""
    from voxome.datasets.registry.read import entries, entry

    if name is not None:
        one = entry(name)
        if fetch:
            _fetch(one)
        if json:
            show_json(one.model_dump(mode="json"))
        else:
            show_facts(_facts(one))
    elif fetch:
        raise typer.BadParameter("--fetch needs the NAME of a dataset")
    elif json:
        show_json([one.model_dump(mode="json") for one in entries().values()])
    else:
        rows = [
            [one.name, one.modality, _size(one), one.licence or "not found", one.title] for one in entries().values()
        ]
        show_table(["dataset", "modality", "voxel size nm (z, y, x)", "licence", "what it is"], rows)


def _fetch(one: Entry) -> None:
    from voxome.datasets.registry.files import fetch, sha256_of

    if one.file is None:
        raise InvalidInput(f"{one.name} is read where it is, as dataset:{one.name}; there is no file to fetch")
    with block_progress(one.name, unit="MB") as progress:
        path = fetch(one.file, lambda done, total: progress(done // _MB, total // _MB))
    say(f"{path}: sha256 {sha256_of(path)}")


def _facts(one: Entry) -> dict[str, object]:
    told = one.model_dump(mode="json", exclude={"voxel_size_nm", "source", "file", "verified"})
    facts: dict[str, object] = {name: "not found" if value is None else value for name, value in told.items()}
    facts["uri"] = one.uri or "none: see the page"
    facts["note"] = one.note or ""
    facts["voxel size nm"] = _size(one)
    if one.file is not None:
        facts["file"] = f"{one.file.url}, sha256 {one.file.sha256 or 'not recorded'}"
    facts["verified"] = one.verified or "nobody has opened it with voxome yet"
    facts["source"] = "; ".join(one.source)
    return facts


def _size(one: Entry) -> str:
    return "not found" if one.voxel_size_nm is None else ", ".join(f"{length:g}" for length in one.voxel_size_nm)
