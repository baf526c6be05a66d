"""``voxome score``: compare results with ground truth."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from voxome.cli.console import Json, show_json
from voxome.cli.logs import Verbs
from voxome.cli.options import BOX, Unfinished
from voxome.cli.table import show_facts
from voxome.cli.values import parse_box, parse_not_negative

app = Verbs(help="Score results against ground truth.", no_args_is_help=True)

LabelsUri = Annotated[str, typer.Option(metavar="URI", help="Label volume.")]
TablePath = Annotated[str, typer.Option(metavar="PARQUET", help="Path or address of a Parquet table.")]
BoxText = Annotated[
    str | None,
    typer.Option("--box", parser=parse_box, metavar=BOX, help="Box to compare, in store coordinates."),
]


@app.command("segmentation")
def segmentation(
    truth: LabelsUri,
    result: LabelsUri,
    box: BoxText = None,
    count_background: Annotated[
        bool, typer.Option("--count-background", help="Count the true label 0 as an object.")
    ] = False,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Variation of information (bits) and adapted Rand error; true labels 0, -1 and 2^64 - 1 are ignored."""
    from voxome.reports import score

    _show(score.segmentation(truth, result, box, count_background=count_background, force=force), json)


@app.command("detections")
def detections(
    truth: TablePath,
    result: TablePath,
    tolerance_nm: Annotated[
        float,
        typer.Option(parser=parse_not_negative, metavar="NM", help="Largest distance at which two points can match."),
    ] = 150.0,
    json: Json = False,
) -> None:
    """Precision, recall and F1 of points (z_nm, y_nm, x_nm), matched one to one."""
    from voxome.reports import score

    _show(score.detections(truth, result, tolerance_nm), json)


@app.command("graph")
def graph(
    truth: TablePath,
    result: TablePath,
    truth_labels: LabelsUri,
    result_labels: LabelsUri,
    box: BoxText = None,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Precision, recall and F1 of connected pairs of neurons, matched by overlap."""
    from voxome.reports import score

    _show(score.graph(truth, result, truth_labels, result_labels, box, force=force), json)


def _show(score: Any, json: bool) -> None:
    values = asdict(score)
    if json:
        show_json(values)
    else:
        show_facts({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in values.items()})
