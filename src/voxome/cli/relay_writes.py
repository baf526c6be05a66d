"""``voxome relay writes``: writes that a relay has confirmed and stores do not have yet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.logs import Verbs
from voxome.cli.table import show_table
from voxome.cli.values import parse_count

writes = Verbs(
    help="List, retry, export and discard writes that stores do not have yet; a running relay sees the change at once.",
    no_args_is_help=True,
)

CacheFolder = Annotated[Path, typer.Option("--cache", metavar="FOLDER", help="Folder of the relay's cache.")]
Ids = Annotated[
    list[Any], typer.Argument(metavar="ID…", parser=parse_count, help="Ids of writes, as `list` shows them.")
]
OptionalIds = Annotated[
    list[Any] | None,
    typer.Option("--id", metavar="ID", parser=parse_count, help="Id of a write; by default all. Repeatable."),
]


@writes.command("list")
def list_all(cache: CacheFolder, json: Json = False) -> None:
    """List the writes that stores do not have yet, in order, and why."""
    from voxome.relay.writes.operate import describe_write, find_writes, opened_journal

    with opened_journal(cache) as journal:
        rows = [describe_write(one) for one in find_writes(journal, ())]
    for row in rows:
        row["created"] = datetime.fromtimestamp(row["created"], UTC).isoformat(timespec="seconds")
    if json:
        show_json(rows)
    else:
        columns = ["id", "volume", "level", "box", "created", "state", "problem"]
        show_table(columns, [[str(row[column]) for column in columns] for row in rows])


@writes.command("retry")
def retry(cache: CacheFolder, json: Json = False) -> None:
    """Let a running relay repeat now what stores did not take."""
    from voxome.relay.writes.operate import opened_journal

    with opened_journal(cache) as journal:
        count = journal.index.retry()
    if json:
        show_json({"writes": count})
    else:
        print_stderr(f"Writes to be repeated: {count}")


@writes.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder for the voxels, new or empty.")],
    cache: CacheFolder,
    id: OptionalIds = None,
    json: Json = False,
) -> None:
    """Write the voxels of writes into npy files, with a list of the writes; the relay keeps them."""
    from voxome.relay.writes.operate import describe_write, export_writes, find_writes, opened_journal

    with opened_journal(cache) as journal:
        found = find_writes(journal, id or ())
        export_writes(journal, found, folder)
    if json:
        show_json([describe_write(one) for one in found])
    else:
        print_stderr(f"Exported writes: {len(found)}, to {folder}")


@writes.command("discard")
def discard(ids: Ids, cache: CacheFolder, json: Json = False) -> None:
    """Remove writes for good, although their stores do not have them."""
    from voxome.relay.writes.operate import describe_write, discard_writes, find_writes, opened_journal

    with opened_journal(cache) as journal:
        found = find_writes(journal, ids)
        discard_writes(cache, journal, found)
    if json:
        show_json([describe_write(one) for one in found])
    else:
        print_stderr(f"Discarded writes: {len(found)}")
