"""``voxome score``: compare results with ground truth."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from voxome.cli.console import Json, show_json
from voxome.cli.logs import Verbs
from voxome.cli.options import BOX, Unfinished
from voxome.cli.table import show_facts, show_table
from voxome.cli.values import parse_as, parse_box, parse_fraction, parse_not_negative, parse_number

app = Verbs(help="Score results against ground truth.", no_args_is_help=True)

LabelsUri = Annotated[str, typer.Option(metavar="URI", help="Label volume.")]
VolumeUri = Annotated[str, typer.Option(metavar="URI", help="Mask, labels or probability.")]
TruthThreshold = Annotated[
    float | None, typer.Option(parser=parse_number, metavar="VALUE", help="Value above which the truth is inside.")
]
Threshold = Annotated[
    float | None, typer.Option(parser=parse_number, metavar="VALUE", help="Value above which the result is inside.")
]
BranchesPath = Annotated[
    str | None, typer.Option(metavar="PARQUET", help="Table of branches with length_nm; of both or neither.")
]
TablePath = Annotated[str, typer.Option(metavar="PARQUET", help="Path or address of a Parquet table.")]
PointsPath = Annotated[str, typer.Option(metavar="PARQUET|URI", help="Parquet table, or annotations of points.")]
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
    truth: PointsPath,
    result: PointsPath,
    tolerance_nm: Annotated[
        float,
        typer.Option(parser=parse_not_negative, metavar="NM", help="Largest distance at which two points can match."),
    ] = 150.0,
    json: Json = False,
) -> None:
    """Precision, recall and F1 of points (z_nm, y_nm, x_nm), matched one to one."""
    from voxome.reports import score

    _show(score.detections(truth, result, tolerance_nm), json)


@app.command("cells")
def cells(
    truth: PointsPath,
    result: PointsPath,
    tolerance_um: Annotated[
        float,
        typer.Option(parser=parse_not_negative, metavar="UM", help="Largest distance at which two cells can match."),
    ] = 6.5,
    border: Annotated[
        str,
        typer.Option(
            parser=parse_as(Literal["count", "ignore"]),
            metavar="count|ignore",
            help="Whether cells at most the tolerance away from a face of --volume count.",
        ),
    ] = "count",
    volume: Annotated[str | None, typer.Option(metavar="URI", help="Volume whose faces --border ignore means.")] = None,
    box: Annotated[
        str | None,
        typer.Option("--box", parser=parse_box, metavar=BOX, help="Box of --volume whose faces are meant."),
    ] = None,
    json: Json = False,
) -> None:
    """Precision, recall and F1 of cells, matched one to one, and errors of their place, size and number."""
    from voxome.reports import score

    _show(score.cells(truth, result, tolerance_um, border=border, volume=volume, box=box), json)


@app.command("mask")
def mask(
    truth: VolumeUri,
    result: VolumeUri,
    box: BoxText = None,
    truth_threshold: TruthThreshold = None,
    threshold: Threshold = None,
    beta: Annotated[
        float, typer.Option(parser=parse_not_negative, metavar="BETA", help="Weight of recall in F-beta.")
    ] = 1.0,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Dice, IoU, precision, recall and F-beta of a mask; inside is more than 0, or than a threshold."""
    from voxome.reports import score

    _show(
        score.mask(truth, result, box, truth_threshold=truth_threshold, threshold=threshold, beta=beta, force=force),
        json,
    )


@app.command("vessels")
def vessels(
    truth: VolumeUri,
    result: VolumeUri,
    truth_lines: TablePath,
    result_lines: TablePath,
    truth_branches: BranchesPath = None,
    result_branches: BranchesPath = None,
    box: BoxText = None,
    truth_threshold: TruthThreshold = None,
    threshold: Threshold = None,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Centre-line Dice (clDice) of vessels from masks and voxels (z, y, x) of their lines, and the error of length."""
    from voxome.reports import score

    found = score.vessels(
        truth,
        result,
        truth_lines,
        result_lines,
        box,
        truth_branches=truth_branches,
        result_branches=result_branches,
        truth_threshold=truth_threshold,
        threshold=threshold,
        force=force,
    )
    _show(found, json)


@app.command("instances")
def instances(
    truth: LabelsUri,
    result: LabelsUri,
    box: BoxText = None,
    iou: Annotated[
        list[float] | None,
        typer.Option(
            parser=parse_fraction, metavar="IOU", help="Least IoU of a pair; repeatable. By default 0.5, 0.55, …, 0.95."
        ),
    ] = None,
    force: Unfinished = False,
    json: Json = False,
) -> None:
    """Average precision, TP / (TP + FP + FN), of objects that are matched by their IoU."""
    from voxome.metrics.instances import IOU_THRESHOLDS
    from voxome.reports import score

    found = score.instances(truth, result, box, iou or IOU_THRESHOLDS, force=force)
    if json:
        show_json(asdict(found))
        return
    rows = [asdict(one) for one in found.thresholds]
    show_table(list(rows[0]), [[_text(value) for value in row.values()] for row in rows])
    show_facts({"average_precision": _text(found.average_precision)})


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
        show_facts({name: _text(value) for name, value in values.items()})


def _text(value: object) -> object:
    return f"{value:.4f}" if isinstance(value, float) else value
