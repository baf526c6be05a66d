"""Options shared by several commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from voxome.cli.complete import uris
from voxome.cli.values import (
    parse_as,
    parse_box,
    parse_count,
    parse_failures,
    parse_index,
    parse_lengths_nm,
    parse_shape,
    parse_step_shape,
)
from voxome.services.transfer.choices import Droppable

if TYPE_CHECKING:
    from voxome.workflow.graph import Graph
    from voxome.workflow.options import IntoOptions, RunOptions

BOX = "Z0:Z1,Y0:Y1,X0:X1"
"""Metavar of a box."""


Workflow = Annotated[str, typer.Argument(help="CWL workflow.", metavar="WORKFLOW")]
Job = Annotated[
    str | None, typer.Argument(help="CWL job file (YAML or JSON) with the workflow's inputs.", metavar="JOB.yml")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Workflow input: a URI, path or number; overrides that of the job file. Repeatable.",
    ),
]
Blocks = Annotated[
    list[Any] | None,
    typer.Option(
        "--block",
        parser=parse_step_shape,
        metavar="[STEP=]Z,Y,X",
        help="Block shape in voxels, for all steps or for one. Repeatable.",
        show_default=False,
    ),
]
BoxText = Annotated[
    str | None,
    typer.Option(
        "--box",
        parser=parse_box,
        metavar=BOX,
        help="Box to process, in store coordinates; an end left out is that of the volume, as in 10:,:,100:200.",
    ),
]
Level = Annotated[
    int, typer.Option("--level", parser=parse_index, metavar="N", help="Pyramid level of the inputs; 0 is the finest.")
]
VoxelSize = Annotated[
    Any | None,
    typer.Option(
        "--voxel-size",
        parser=parse_lengths_nm,
        metavar="Z,Y,X",
        help="Voxel size in nm; overrides that of the volumes.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Run even if a tool rejects its inputs as unsuitable.")]
AllowNetwork = Annotated[
    bool, typer.Option("--allow-network", help="Fetch documents from the network to which the workflow refers.")
]
MaxFailures = Annotated[
    str | None,
    typer.Option(
        "--max-failures",
        parser=parse_failures,
        metavar="N|P%",
        help="Jobs of a step that may fail before the rest is cancelled; default: 15. The step fails in any case, and "
        "rerunning resumes.",
    ),
]
Unfinished = Annotated[bool, typer.Option("--force", help="Take what an interrupted run has not finished.")]
Source = Annotated[str, typer.Argument(help="URI or path of the source.", autocompletion=uris)]
Destination = Annotated[str, typer.Argument(help="URI of the destination, such as zarr://PATH.", autocompletion=uris)]
CopyBox = Annotated[
    str | None,
    typer.Option("--box", parser=parse_box, metavar=BOX, help="Box to copy, in the coordinates of the level."),
]
SourceLevel = Annotated[
    int, typer.Option("--level", parser=parse_index, metavar="N", help="Pyramid level of the source; 0 is the finest.")
]


def levels_option(help: str) -> Any:
    """Return the option for the number of levels of a destination."""
    return typer.Option("--levels", parser=parse_count, metavar="N", help=help)


def drop_option(help: str) -> Any:
    """Return the option for properties that are left out."""
    return typer.Option("--drop", parser=parse_as(Droppable), metavar="|".join(get_args(Droppable)), help=help)


NewLevels = Annotated[int, levels_option("Number of levels of the destination.")]
NewChunk = Annotated[
    Any | None,
    typer.Option("--chunk", parser=parse_shape, metavar="Z,Y,X", help="Chunk shape of the destination."),
]
Dropped = Annotated[list[Any] | None, drop_option("Property to leave out, if the format cannot store it. Repeatable.")]
State = Annotated[
    Path | None, typer.Option("--state", help="Folder for transfer progress; default: VOXOME_STATE or a cache folder.")
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers", parser=parse_count, metavar="N", help="Number of processes; results do not depend on it."
    ),
]
CoreWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        parser=parse_count,
        metavar="N",
        help="Number of processes; results do not depend on it. Default: the cores that this process may use.",
    ),
]
EnvironmentName = Annotated[
    str | None,
    typer.Option(
        "--environment",
        metavar="NAME[?OPTION=VALUE]",
        help="Where foreign programs run: native, podman, docker or apptainer; default: that of the settings.",
    ),
]
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
Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="DIR|URI", help="Where results and intermediate data are kept, if not in the run folder."
    ),
]
Truth = Annotated[
    Path | None,
    typer.Option(
        "--truth",
        help="Folder with ground truth to score the results against, as written by voxome phantom.",
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Remove what earlier runs in this folder have computed, and start again.")
]
Cache = Annotated[
    str | None,
    typer.Option("--cache", metavar="DIR", help="Folder of results of commands, for this and other runs."),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace what another call of voxome wrote at OUT, and the table; it is removed when the new begins to be "
        "written, after all blocks.",
    ),
]
FreshCall = Annotated[
    bool, typer.Option("--fresh", help="Remove what earlier calls of the same have computed, and start again.")
]
Records = Annotated[
    str | None,
    typer.Option(
        "--records",
        metavar="NAME[?OPTION=VALUE]",
        help="What keeps events and finished jobs; default: sqlite.",
    ),
]


@dataclass(frozen=True)
class RunArguments:
    """Arguments of a run, of the command line and of a job file, which the command line overrides."""

    inputs: dict[str, Any]
    options: RunOptions
    store: str | None
    workers: int | None


def read_arguments(
    graph: Graph,
    workflow: str,
    job: str | None,
    settings: list[str] | None,
    options: RunOptions,
    store: str | None,
    workers: int | None,
) -> RunArguments:
    """Combine the command line with a job file; an empty value of ``--set`` means not set."""
    from voxome.workflow.job_file import JobFile, read_job

    file = JobFile() if job is None else read_job(job, workflow, graph)
    values = {**file.inputs, **read_settings(settings, graph)}
    return RunArguments(
        {name: value for name, value in values.items() if value is not None},
        replace(options, block=options.block or file.block),
        store if store is not None else file.store,
        workers if workers is not None else file.workers,
    )


def read_settings(texts: list[str] | None, graph: Graph) -> dict[str, Any]:
    """Parse ``NAME=VALUE`` settings as values of the workflow's input types; an empty value is None."""
    values: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set {text}: expected NAME=VALUE")
        if name in values:
            raise typer.BadParameter(f"--set {name}: set twice")
        values[name] = None if not value else graph.inputs[name].read(value) if name in graph.inputs else value
    return values


def read_options(
    block: list[tuple[str, tuple[int, int, int]]] | None = None,
    box: str | None = None,
    level: int = 0,
    voxel_size: tuple[float, float, float] | None = None,
    force: bool = False,
    into: list[tuple[str, str]] | None = None,
    copies: IntoOptions | None = None,
    environment: str | None = None,
) -> RunOptions:
    """Return the options of a run."""
    from voxome.workflow.options import IntoOptions, RunOptions

    shapes: Mapping[str, tuple[int, int, int]] = dict(block or ())
    destinations = dict(into or ())
    if len(destinations) < len(into or ()):
        raise typer.BadParameter("--into: an output is named twice")
    return RunOptions(
        block=shapes.get(""),
        blocks={step: shape for step, shape in shapes.items() if step},
        box=box,
        level=level,
        voxel_size_nm=voxel_size,
        force=force,
        into=destinations,
        into_options=copies or IntoOptions(),
        environment=environment,
    )
