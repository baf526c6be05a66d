"""``voxome score``: compare results with ground truth."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.console import Json, show_json
from voxome.cli.table import show_facts

if TYPE_CHECKING:
    from voxome.geometry import Box

app = typer.Typer(help="Score results against ground truth.", no_args_is_help=True)

LabelsUri = Annotated[str, typer.Option(metavar="URI", help="Label volume.")]
TablePath = Annotated[str, typer.Option(metavar="PARQUET", help="Path or address of a Parquet table.")]
BoxText = Annotated[
    str | None, typer.Option("--box", metavar="Z0:Z1,Y0:Y1,X0:X1", help="Box to compare, in store coordinates.")
]


@app.command("segmentation")
def segmentation(truth: LabelsUri, result: LabelsUri, box: BoxText = None, json: Json = False) -> None:
    """Variation of information (bits) and adapted Rand error; voxels without ground truth are ignored."""
    from voxome.reports import score

    _show(score.segmentation(truth, result, _box(box)), json)


@app.command("detections")
def detections(
    truth: TablePath,
    result: TablePath,
    tolerance_nm: Annotated[
        float, typer.Option(metavar="NM", help="Largest distance at which two points can match.")
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
    json: Json = False,
) -> None:
    """Precision, recall and F1 of connected pairs of neurons, matched by overlap."""
    from voxome.reports import score

    _show(score.graph(truth, result, truth_labels, result_labels, _box(box)), json)


def _box(text: str | None) -> Box | None:
    from voxome.geometry import Box

    return None if text is None else Box.parse(text)


def _show(score: Any, json: bool) -> None:
    values = asdict(score)
    if json:
        show_json(values)
    else:
        show_facts({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in values.items()})
