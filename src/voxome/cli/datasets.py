"""``voxome datasets``: list public datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from voxome.cli.complete import datasets as names
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.copy_progress import block_progress
from voxome.cli.table import show_facts, show_table
from voxome.errors import InvalidInput
from voxome.geometry.notation import comma_text

if TYPE_CHECKING:
    from voxome.data.registry.entry import Entry

_MB = 1_000_000
NO_LICENCE = "unknown (licence not found)"
"""Licence of a dataset of which none was found."""


def datasets(
    name: Annotated[
        str | None, typer.Argument(help="Name of a dataset, such as kasthuri2015/em.", autocompletion=names)
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Download its file into the cache and print its SHA-256.")
    ] = False,
    json: Json = False,
) -> None:
    """List public datasets, or show one in detail. Open a dataset as dataset:NAME."""
    from voxome.data.registry.read import entries, entry

    if name is not None:
        dataset = entry(name)
        fetched = {"fetched": _fetch(dataset)} if fetch else {}
        if json:
            show_json({**dataset.model_dump(mode="json"), **fetched})
        else:
            show_facts(_facts(dataset))
    elif fetch:
        raise typer.BadParameter("--fetch needs the NAME of a dataset")
    elif json:
        show_json([one.model_dump(mode="json") for one in entries().values()])
    else:
        rows = [
            [one.name, one.modality, _size(one), one.licence or NO_LICENCE, one.title] for one in entries().values()
        ]
        show_table(["dataset", "modality", "voxel size (nm)", "licence", "description"], rows)


def _fetch(one: Entry) -> dict[str, str]:
    """Download the file of a dataset; return its path in the cache and its SHA-256."""
    from voxome.data.registry.files import fetch, sha256_of

    if one.file is None:
        raise InvalidInput(f"{one.name} has no file to fetch; open it directly, as dataset:{one.name}")
    with block_progress(one.name, unit="MB") as progress:
        path = fetch(one.file, lambda done, total: progress(done // _MB, total // _MB))
    digest = sha256_of(path)
    print_stderr(f"{path}: sha256 {digest}")
    return {"path": str(path), "sha256": digest}


def _facts(one: Entry) -> dict[str, object]:
    fields = one.model_dump(mode="json", exclude={"voxel_size_nm", "sources", "file", "verified"})
    facts: dict[str, object] = {name: "unknown" if value is None else value for name, value in fields.items()}
    facts["uri"] = _uri(one)
    facts["licence"] = one.licence or NO_LICENCE
    facts["note"] = one.note or ""
    facts["voxel size (nm)"] = _size(one)
    if one.file is not None:
        facts["file"] = f"{one.file.url}, sha256 {one.file.sha256 or 'not recorded'}"
    facts["verified"] = one.verified or "not yet opened with voxome"
    facts["sources"] = "; ".join(one.sources)
    return facts


def _uri(one: Entry) -> str:
    if one.uri is None:
        return "none; see the page"
    if one.file is None:
        return one.uri
    return f"{one.uri}, where {{file}} is the downloaded file {one.file.name}; open it as dataset:{one.name}"


def _size(one: Entry) -> str:
    return "unknown" if one.voxel_size_nm is None else comma_text(one.voxel_size_nm)
