"""Options shared by several commands, and their parsing."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from voxome.workflow.graph import Graph
    from voxome.workflow.options import RunOptions

E = TypeVar("E", bound=StrEnum)

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Workflow input: a URI, path or number. Repeatable."),
]
Blocks = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[STEP=]Z,Y,X", help="Block shape in voxels, for all steps or for one. Repeatable.", show_default=False
    ),
]
BoxText = Annotated[
    str | None,
    typer.Option("--box", metavar="Z0:Z1,Y0:Y1,X0:X1", help="Box to process, in store coordinates."),
]
Level = Annotated[int, typer.Option(min=0, help="Pyramid level of the inputs; 0 is the finest.")]
VoxelSize = Annotated[
    str | None, typer.Option(metavar="Z,Y,X", help="Voxel size in nm; overrides that of the volumes.")
]
Force = Annotated[bool, typer.Option("--force", help="Run even if a tool rejects its inputs as unsuitable.")]
Workers = Annotated[int, typer.Option(min=1, help="Number of processes; results do not depend on it.")]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME[?OPTION=VALUE]", help="What runs the jobs; default: local processes."),
]
Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        metavar="[STEP=]NAME[?OPTION=VALUE]",
        help="What runs the jobs, of all steps or of one; default: local processes. Repeatable.",
        show_default=False,
    ),
]
Records = Annotated[
    str | None,
    typer.Option(metavar="NAME[?OPTION=VALUE]", help="What keeps events and finished jobs; default: sqlite."),
]


def read_settings(texts: list[str] | None, graph: Graph) -> dict[str, Any]:
    """Parse ``NAME=VALUE`` settings as values of the workflow's input types; an empty value means not set."""
    values: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set {text}: expected NAME=VALUE")
        if name in values:
            raise typer.BadParameter(f"--set {name}: set twice")
        if value:
            values[name] = graph.inputs[name].read(value) if name in graph.inputs else value
    return values


def read_options(
    block: list[str] | None = None,
    box: str | None = None,
    level: int = 0,
    voxel_size: str | None = None,
    force: bool = False,
) -> RunOptions:
    """Return the options of a run."""
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


def choice(option: str, text: str, enum: type[E]) -> E:
    """Return the member of `enum` whose value is `text`."""
    if text not in list(enum):
        raise typer.BadParameter(f"{option} {text}: expected one of {', '.join(enum)}")
    return enum(text)


def voxels(option: str, text: str) -> tuple[int, int, int]:
    """Parse three integers, in voxels."""
    try:
        z, y, x = (int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: expected three integers, such as 64,128,128") from None
    if min(z, y, x) < 1:
        raise typer.BadParameter(f"{option} {text}: expected at least 1 voxel along every axis")
    return z, y, x


def lengths(option: str, text: str) -> tuple[float, float, float]:
    """Parse three lengths, in nm."""
    try:
        z, y, x = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: expected three lengths in nm, such as 8,8,8") from None
    if not all(0 < length < float("inf") for length in (z, y, x)):
        raise typer.BadParameter(f"{option} {text}: expected lengths greater than 0")
    return z, y, x
