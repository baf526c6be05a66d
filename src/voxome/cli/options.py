"""Options that several verbs share, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from voxome.workflow.graph import Graph
    from voxome.workflow.options import RunOptions

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An input of the workflow: a URI, a path, a number. Repeatable."),
]
Blocks = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[STEP=]Z,Y,X", help="Write box in voxels, of all steps or of one. Repeatable.", show_default=False
    ),
]
BoxText = Annotated[
    str | None, typer.Option("--box", metavar="Z0:Z1,Y0:Y1,X0:X1", help="The part to run, in the store's coordinates.")
]
Level = Annotated[int, typer.Option(min=0, help="Level of the pyramid of the inputs; 0 is the finest.")]
VoxelSize = Annotated[
    str | None, typer.Option(metavar="Z,Y,X", help="Voxel size in nm, in place of what the volumes say.")
]
Force = Annotated[bool, typer.Option("--force", help="Run inputs that a tool's own check finds unfit.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes at a time; the result does not depend on it.")]


def read_settings(texts: list[str] | None, graph: Graph) -> dict[str, Any]:
    """``NAME=VALUE`` settings as values of the types of the workflow's inputs; an empty value is as not given."""
    given: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r}: write --set NAME=VALUE")
        if name in given:
            raise typer.BadParameter(f"{name} is set twice")
        if value:
            given[name] = graph.inputs[name].read(value) if name in graph.inputs else value
    return given


def read_options(
    block: list[str] | None = None,
    box: str | None = None,
    level: int = 0,
    voxel_size: str | None = None,
    force: bool = False,
) -> RunOptions:
    """What a run is asked for beside its inputs."""
    from voxome.geometry import Box
    from voxome.workflow.options import DEFAULT_BLOCK, RunOptions

    shape, shapes = DEFAULT_BLOCK, {}
    for text in block or ():
        step, equals, numbers = text.rpartition("=")
        if equals:
            shapes[step] = voxels("--block", numbers)
        else:
            shape = voxels("--block", numbers)
    return RunOptions(
        block=shape,
        blocks=shapes,
        box=None if box is None else Box.parse(box),
        level=level,
        voxel_size_nm=None if voxel_size is None else lengths("--voxel-size", voxel_size),
        force=force,
    )


def voxels(option: str, text: str) -> tuple[int, int, int]:
    """Three whole numbers of voxels."""
    try:
        z, y, x = (int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: write three whole numbers of voxels, such as 64,128,128") from None
    if min(z, y, x) < 1:
        raise typer.BadParameter(f"{option} {text}: at least 1 voxel is needed along every axis")
    return z, y, x


def lengths(option: str, text: str) -> tuple[float, float, float]:
    """Three lengths in nm."""
    try:
        z, y, x = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: write three lengths in nm, such as 8,8,8") from None
    if not all(0 < length < float("inf") for length in (z, y, x)):
        raise typer.BadParameter(f"{option} {text}: lengths in nm are more than 0")
    return z, y, x
