"""``voxome proofread``: the history and the versions of segmentations that are proofread, and their export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, id_texts, print_stderr, show_json
from voxome.cli.logs import Verbs
from voxome.cli.options import CoreWorkers, NewChunk
from voxome.cli.table import show_facts, show_table
from voxome.cli.values import parse_as, parse_count
from voxome.errors import InvalidInput
from voxome.services.proofreading.statuses import Status

if TYPE_CHECKING:
    from voxome.services.proofreading.operations import Operation
    from voxome.services.proofreading.session import Session

app = Verbs(help="Proofread label volumes; edits are made in Python, by voxome.proofread.", no_args_is_help=True)

Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE", help="File or address of the store, or proofread://STORE?branch=NAME.", autocompletion=uris
    ),
]
Author = Annotated[str | None, typer.Option(help="Who edits; default: the user of this machine.")]


def _parse_version(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() else text


def _version_option(help: str) -> Any:
    return typer.Option(parser=_parse_version, metavar="NUMBER|NAME", help=help)


@app.command("start")
def start(
    labels: Annotated[str, typer.Argument(help="URI or path of the supervoxels.", autocompletion=uris)],
    store: Annotated[str, typer.Argument(metavar="STORE", help="File or address of the store; may exist.")],
    author: Author = None,
    json: Json = False,
) -> None:
    """Make the store of a label volume, which is read once."""
    from voxome.services.proofreading.session import Session
    from voxome.services.proofreading.verb import proofread

    session = proofread(labels, store, author=author)
    if not isinstance(session, Session):
        raise InvalidInput(f"{labels} needs no store: DVID keeps all edits itself")
    with session:
        counts = {"supervoxels": len(session.store.start.ids), "operations": len(session.history())}
        facts = {"uri": session.uri, "source": session.store.uri, **counts}
    if json:
        show_json(facts)
    else:
        show_facts(facts)


@app.command("history")
def history(store: Store, json: Json = False) -> None:
    """List all operations: number, what was done, by whom and when, and whether it is undone."""
    with _open(store) as session:
        rows = [_facts(one, session) for one in session.history()]
    if json:
        show_json(rows)
    else:
        names = ["number", "action", "segments", "author", "time", "status"]
        show_table(names, [[_cell(row[name]) for name in names] for row in rows])


@app.command("undo")
def undo(
    store: Store,
    number: Annotated[Any, typer.Argument(parser=parse_count, metavar="NUMBER", help="Operation, as in history.")],
    author: Author = None,
    json: Json = False,
) -> None:
    """Take an operation back, of anybody, if no later one depends on it; the undo of an undo is a redo."""
    with _open(store, author) as session:
        _show_operation(session.undo(number), session, json)


@app.command("redo")
def redo(
    store: Store,
    number: Annotated[Any, typer.Argument(parser=parse_count, metavar="NUMBER", help="Operation that was undone.")],
    author: Author = None,
    json: Json = False,
) -> None:
    """Do again what was undone."""
    with _open(store, author) as session:
        _show_operation(session.redo(number), session, json)


@app.command("versions")
def versions(
    store: Store,
    name: Annotated[str | None, typer.Option(help="Give a version this name.")] = None,
    version: Annotated[Any | None, _version_option("Version to name; default: now.")] = None,
    author: Author = None,
    json: Json = False,
) -> None:
    """List branches and named versions, or name one."""
    if version is not None and name is None:
        raise typer.BadParameter("--version needs --name, the name to give it")
    with _open(store, author) as session:
        if name is not None:
            session.name_version(name, version)
        rows = [
            {"name": one.name, "type": "branch", "number": one.fork, "branch": one.parent, "author": one.author}
            for one in session.branches.values()
        ]
        rows += [
            {"name": one.name, "type": "version", "number": one.version, "branch": one.branch, "author": one.author}
            for one in session.versions.values()
        ]
    if json:
        show_json(rows)
    else:
        show_table(["name", "type", "number", "branch", "author"], [list(row.values()) for row in rows])


@app.command("changes")
def changes(
    store: Store,
    since: Annotated[Any, _version_option("Version to compare with.")],
    until: Annotated[Any | None, _version_option("Version to compare; default: now.")] = None,
    json: Json = False,
) -> None:
    """List the supervoxels whose segment differs between two versions; 0: does not exist."""
    with _open(store) as session:
        table = session.changes(since, until)
    rows = list(zip(*(column.tolist() for column in table.values()), strict=True))
    if json:
        show_json([id_texts(dict(zip(table, row, strict=True))) for row in rows])
    else:
        show_table(list(table), rows)


@app.command("compare")
def compare(store: Store, json: Json = False) -> None:
    """Compare the label volume with what it was when the store was made, and list the boxes that differ.

    The volume is read once. The exit status is 1 if a box differs.
    """
    with _open(store) as session:
        boxes = [str(box) for box in session.compare_source()]
        source = session.store.uri
    if json:
        show_json([{"box": box} for box in boxes])
    elif boxes:
        show_table(["box"], [[box] for box in boxes])
    else:
        print_stderr(f"{source} is what it was when the store was made")
    if boxes:
        raise typer.Exit(1)


@app.command("export")
def export(
    store: Store,
    destination: Annotated[str, typer.Argument(help="URI, such as zarr://PATH.", autocompletion=uris)],
    version: Annotated[Any | None, _version_option("Version to export; default: now.")] = None,
    since: Annotated[
        Any | None, _version_option("Version that the destination has: write only what has changed since.")
    ] = None,
    levels: Annotated[
        Any | None, typer.Option(parser=parse_count, metavar="N", help="Number of levels of a new volume.")
    ] = None,
    chunk: NewChunk = None,
    dtype: Annotated[str | None, typer.Option(help="Data type of a new volume; ids must not change.")] = None,
    workers: CoreWorkers = None,
    json: Json = False,
) -> None:
    """Write the segments into another store: as a new volume, or what has changed into an existing one."""
    new: Mapping[str, Any] = {"levels": levels, "chunk": chunk, "dtype": dtype, "workers": workers}
    options = {name: value for name, value in new.items() if value is not None}
    with _open(store) as session:
        source = session.uri
        count = session.export(destination, version=version, since=since, **options)
    if json:
        show_json({"source": source, "destination": destination, "run": count})
    else:
        what = "blocks" if since is None else "chunks that had changed"
        print_stderr(f"Wrote {count} {what} to {destination}")


@app.command("suggestions")
def suggestions(
    store: Store,
    status: Annotated[
        Any | None,
        typer.Option(parser=parse_as(Status), metavar="|".join(get_args(Status)), help="Only these; default: all."),
    ] = None,
    json: Json = False,
) -> None:
    """List the suggested edits of a branch, those with the highest scores first."""
    with _open(store) as session:
        rows = [{**vars(one), "arguments": _arguments(one.arguments)} for one in session.suggestions.list(status)]
    if json:
        show_json(rows)
    else:
        names = ["number", "action", "arguments", "score", "status", "author", "decided_by"]
        show_table(names, [[_cell(row[name]) for name in names] for row in rows])


def _open(store: str, author: str | None = None) -> Session:
    from voxome.contracts.uri import Uri
    from voxome.services.proofreading.verb import open_session

    return open_session(Uri.parse(store if store.startswith("proofread://") else f"proofread://{store}"), author)


def _arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: id_texts(one) if name in ("id", "ids", "supervoxels") else one for name, one in arguments.items()}


def _facts(one: Operation, session: Session) -> dict[str, Any]:
    return {
        "number": one.number,
        "branch": one.branch,
        "action": one.action,
        "target": one.target,
        "segments": id_texts(one.segments),
        "author": one.author,
        "time": one.time,
        "status": session.status(one),
    }


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_cell(one)}" for name, one in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _show_operation(one: Operation, session: Session, json: bool) -> None:
    facts = _facts(one, session)
    if json:
        show_json(facts)
    else:
        print_stderr(f"Operation {one.number}: {one.action} of operation {one.target}")
