"""``voxome annotations``: find, copy, convert and edit annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.info import show_info
from voxome.cli.table import show_table
from voxome.cli.values import parse_count, parse_index, parse_lengths_nm, parse_whole
from voxome.contracts.spec import parse_dtype
from voxome.errors import InvalidInput

if TYPE_CHECKING:
    from voxome.contracts.shapes import Annotations

_OPEN = 1e15
"""End of a box, in nm, that is left out."""
_BOX = "Z0:Z1,Y0:Y1,X0:X1"


def _parse_box(text: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Parse a box in nm, as ``0:4000,:,100.5:200``."""
    try:
        ends = [part.split(":") for part in str(text).split(",")]
        start, stop = zip(*((float(low or -_OPEN), float(high or _OPEN)) for low, high in ends), strict=True)
    except ValueError:
        start = stop = ()
    if len(start) != 3 or any(low > high for low, high in zip(start, stop, strict=True)):
        raise typer.BadParameter(f"{text!r}: expected three rising ranges in nm, such as 0:4000,:,100.5:200")
    return start, stop


def _parse_dtype(text: Any) -> tuple[str, str]:
    """Parse a property and a dtype, as ``score=float32``."""
    name, equals, dtype = str(text).rpartition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r}: expected PROPERTY=DTYPE, such as score=float32")
    try:
        parse_dtype(dtype)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None
    return name, dtype


def points(
    source: Annotated[
        str,
        typer.Argument(help="URI of annotations, or a .csv or .parquet file.", metavar="SOURCE", autocompletion=uris),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="URI",
            help="Where to write them, or those that are found: precomputed://FOLDER, dvid://HOST/UUID/INSTANCE, "
            "FILE.parquet or FILE.csv.",
        ),
    ] = None,
    box: Annotated[
        Any | None,
        typer.Option("--box", parser=_parse_box, metavar=_BOX, help="Find those that meet a box, in nm."),
    ] = None,
    id: Annotated[
        list[Any] | None,
        typer.Option("--id", parser=parse_index, metavar="ID", help="Find an annotation. Repeatable."),
    ] = None,
    segment: Annotated[
        int | None,
        typer.Option("--segment", parser=parse_index, metavar="ID", help="Find those that are related to a segment."),
    ] = None,
    relation: Annotated[
        str | None, typer.Option("--relation", metavar="NAME", help="Relation to the segment; default: any.")
    ] = None,
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="URI", help="Add annotations, or replace those with the same ids."),
    ] = None,
    delete: Annotated[
        list[Any] | None,
        typer.Option("--delete", parser=parse_index, metavar="ID", help="Delete an annotation. Repeatable."),
    ] = None,
    fold: Annotated[
        bool, typer.Option("--fold", help="Write the edits that are kept beside the indices into these.")
    ] = False,
    voxel_size: Annotated[
        Any | None,
        typer.Option(
            "--voxel-size",
            parser=parse_lengths_nm,
            metavar="Z,Y,X",
            help="With --out: voxel size in nm of the volume, the unit of the stored positions.",
        ),
    ] = None,
    dtype: Annotated[
        list[Any] | None,
        typer.Option(
            "--dtype",
            parser=_parse_dtype,
            metavar="PROPERTY=DTYPE",
            help="With --out: convert a property, as score=float32, which Neuroglancer shows. Repeatable.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="URI", help="With --out: relate them to the segments at their positions."),
    ] = None,
    relate: Annotated[
        str | None,
        typer.Option(
            "--relate", metavar="URI", help="Relate them to the segments that labels have at their positions now."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", parser=parse_count, metavar="N", help="With --out: annotations in a cell of the index, at most."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", parser=parse_whole, metavar="N", help="Random seed of the order from afar.")
    ] = 0,
    json: Json = False,
) -> None:
    """Find, copy, convert and edit annotations.

    Without a query, --out copies all of them, in bounded memory; without --out, their number, properties and bounds are
    shown.
    """
    from voxome.resources.open import open
    from voxome.resources.shapes import Points
    from voxome.services.annotations.create import create_annotations
    from voxome.services.annotations.edit import edit_annotations
    from voxome.services.annotations.find import find_annotations
    from voxome.services.annotations.sources import with_scheme
    from voxome.services.describe import info

    finds = box is not None or bool(id) or segment is not None
    edits = write is not None or bool(delete) or relate is not None or fold
    if relation is not None and segment is None:
        raise InvalidInput("--relation says by which relation --segment is found; give --segment ID, too")
    only_out = {
        "--voxel-size": voxel_size,
        "--dtype": dtype,
        "--labels": labels,
        "--limit": limit,
        "--seed": seed or None,
    }
    if out is None and (unused := [name for name, value in only_out.items() if value]):
        raise InvalidInput(f"{unused[0]} concerns annotations that are written; give --out URI, too, or leave it out")
    if edits and (finds or out is not None):
        raise InvalidInput(
            "--write, --delete, --relate and --fold edit annotations; find or copy them in a command of its own"
        )
    if edits:
        count = edit_annotations(source, write=write, delete=delete or (), relate=relate, fold=fold)
        return show_json({"uri": source, "edits": count}) if json else print_stderr(f"{source}: {count:,} edits")
    if not finds and out is None:
        facts = info(open(with_scheme(source), expect=Points))
        return show_json(facts) if json else show_info(facts)
    found = None
    if finds:
        collection = open(with_scheme(source), expect=Points)
        found = find_annotations(collection, box=box, ids=id or None, segment=segment, relation=relation)
    if out is None:
        assert found is not None
        return show_json(_as_json(source, found)) if json else _show(found)
    written = create_annotations(
        out,
        source if found is None else found,
        voxel_size_nm=voxel_size,
        dtypes=dict(dtype or ()),
        labels=labels,
        limit=limit,
        seed=seed,
    )
    if json:
        collections = [{"uri": one.uri, "geometry": one.shape} for one in written]
        return show_json({"source": source, "collections": collections})
    for one in written:
        print_stderr(f"{one.uri}: annotations of shape {one.shape}")
    return None


def _as_json(source: str, found: Annotations) -> dict[str, Any]:
    """Return annotations as JSON values; ids are texts, since other programs read large numbers as floats."""
    rows = [
        {
            "id": str(id),
            "positions_nm": positions,
            "properties": {name: values[row].tolist() for name, values in found.properties.items()},
            "relations": {
                name: [str(label) for label in labels[row].tolist()] for name, labels in found.relations.items()
            },
        }
        for row, (id, positions) in enumerate(zip(found.ids.tolist(), found.positions_nm.tolist(), strict=True))
    ]
    return {"uri": source, "geometry": found.shape, "annotations": rows}


def _show(found: Annotations) -> None:
    from voxome.contracts.position_columns import position_columns

    columns = ["id", *position_columns(found.shape), *found.properties, *found.relations]
    places = len(columns) - 1 - len(found.properties) - len(found.relations)
    positions = found.positions_nm.reshape(len(found), places).tolist()
    rows = [
        [
            id,
            *(f"{at:g}" if at != int(at) else int(at) for at in positions[row]),
            *(values[row] for values in found.properties.values()),
            *(" ".join(map(str, labels[row].tolist())) for labels in found.relations.values()),
        ]
        for row, id in enumerate(found.ids.tolist())
    ]
    show_table(columns, rows)
