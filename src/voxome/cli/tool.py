"""``voxome tool NAME``: run one tool; each tool is a command whose options are its inputs and parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.logs import Verbs, with_log_options
from voxome.cli.options import (
    BoxText,
    CoreWorkers,
    EngineName,
    Force,
    FreshCall,
    Level,
    Records,
    VoxelSize,
    read_options,
)
from voxome.cli.values import parse_output, parse_shape
from voxome.contracts.parameter import Parameter
from voxome.contracts.ports import option_of, port_of
from voxome.contracts.tool import ToolSpec
from voxome.errors import InvalidInput, UnknownName
from voxome.geometry.notation import comma_text

Out = Annotated[
    str | None, typer.Option("--out", metavar="DIR|URI", help="Folder or address under which results are written.")
]
Block = Annotated[
    Any | None, typer.Option("--block", parser=parse_shape, metavar="Z,Y,X", help="Block shape in voxels.")
]


Into = Annotated[
    list[Any] | None,
    typer.Option(
        "--into",
        parser=parse_output,
        metavar="OUTPUT=URI",
        help="Existing array, or folder of shapes or table, to write an output into. Repeatable.",
    ),
]
_Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace meshes, skeletons or a table of another call of voxome at the URIs of --into; they are removed "
        "when the tool begins to write.",
    ),
]
CheckInvariance = Annotated[
    bool,
    typer.Option(
        "--check-invariance",
        help="Only run the tool on a small part (or --box) with several block shapes, and compare the results.",
    ),
]
_COMMON: dict[str, tuple[Any, Any]] = {
    "out": (Out, None),
    "into": (Into, None),
    "block": (Block, None),
    "workers": (CoreWorkers, None),
    "engine": (EngineName, None),
    "records": (Records, None),
    "box": (BoxText, None),
    "level": (Level, 0),
    "voxel_size": (VoxelSize, None),
    "force": (Force, False),
    "overwrite": (_Overwrite, False),
    "fresh": (FreshCall, False),
    "check_invariance": (CheckInvariance, False),
    "json": (Json, False),
}
"""Options of every tool: annotation and default."""
_METAVARS = {"boolean": "true|false", "int": "N", "double": "NUMBER", "string": "TEXT", "array": "VALUE,…"}


class ToolGroup(TyperGroup):
    """The tools of the registry, loaded when they are needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the tools that can be loaded."""
        from voxome.registry import TOOLS, load_all

        return sorted(name for name, _ in load_all(TOOLS))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a tool.

        Raises
        ------
        BadParameter
            If there is no such tool; the message suggests the closest match.
        """
        from voxome.registry import TOOLS, load, targets

        known = targets(TOOLS)
        if cmd_name not in known:
            raise typer.BadParameter(str(UnknownName.of("tool", cmd_name, known)), ctx=ctx)
        one = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
        one.command(cmd_name)(with_log_options(command_of(load(TOOLS, cmd_name).spec)))
        return typer.main.get_command(one)


app = Verbs(
    cls=ToolGroup,
    help="Run one tool over a volume, block by block; write the location of each result to OUTPUT.handle.json "
    "in the working directory.",
    no_args_is_help=True,
)


def command_of(spec: ToolSpec) -> Callable[..., None]:
    """Return the command of a tool, with a signature from which Typer builds its options."""

    def command(**values: Any) -> None:
        _run(spec, values)

    options = [*_ports(spec), *(_option(name, *one) for name, one in _COMMON.items())]
    command.__doc__ = spec.summary
    command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in options}
    return command


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _ports(spec: ToolSpec) -> Iterator[inspect.Parameter]:
    from voxome.workflow.run_tool import graph_of

    inputs = graph_of(spec).inputs
    for one in spec.inputs.values():
        port = port_of(one.name)
        shown = typer.Option(option_of(port), metavar="URI", help="Handle file, path or URI.")
        yield _option(port, *_optional(str, shown, one.required))
    for parameter in spec.parameters.values():
        port = port_of(parameter.name)
        shown = typer.Option(
            option_of(port),
            parser=_reader(parameter, inputs[port].read),
            metavar="|".join(map(str, parameter.choices)) or _METAVARS.get(inputs[port].types[0], "VALUE"),
            help=_help(parameter),
        )
        yield _option(port, *_optional(Any, shown, parameter.required))


def _check_invariance(spec: ToolSpec, inputs: dict[str, Any], values: dict[str, Any]) -> None:
    """Print how the results depend on the blocks; fail if the tool declares that they do not."""
    from voxome.workflow.invariance import check_invariance

    report = check_invariance(
        spec.name,
        inputs,
        box=values["box"],
        level=values["level"],
        voxel_size_nm=values["voxel_size"],
        force=values["force"],
    )
    if values["json"]:
        show_json({**asdict(report), "box": str(report.box), "is_consistent": report.is_consistent})
    shapes = "; ".join(map(comma_text, report.blocks))
    print_stderr(f"{spec.name} on {report.box} with blocks of {shapes}; declared invariance: {report.declared}")
    for output in report.not_compared:
        print_stderr(f"not compared: {output!r}, which is neither a table nor a volume of the voxels of the inputs")
    for difference in report.differences:
        print_stderr(difference)
    if len(report.not_compared) == len(spec.outputs):
        print_stderr("no output could be compared, so the check says nothing about this tool")
    elif not report.differences:
        print_stderr("the results are equal")
    if not report.is_consistent:
        raise typer.Exit(1)


def _optional(value: Any, shown: Any, required: bool) -> tuple[Any, Any]:
    """Return annotation and default of an option that must be given, or need not."""
    return (Annotated[value, shown], inspect.Parameter.empty) if required else (Annotated[value | None, shown], None)


def _reader(parameter: Parameter, read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the parser of a parameter, which also checks its type and range."""

    def parse(text: str) -> Any:
        value = read(text)
        try:
            parameter.check(value)
        except InvalidInput as error:
            raise typer.BadParameter(str(error)) from None
        return value

    return parse


def _help(parameter: Parameter) -> str:
    notes = [str(parameter.range)] if parameter.range else []
    if not parameter.required and parameter.default is not None:
        notes.append(f"default: {_text(parameter.default)}")
    return f"{parameter.summary} ({'; '.join(notes)})".strip() if notes else parameter.summary


def _text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _run(spec: ToolSpec, values: dict[str, Any]) -> None:
    from voxome.cli.progress import progress_bars
    from voxome.records.folder import write_json
    from voxome.workflow.run_tool import run_tool

    block = None if values["block"] is None else [("", values["block"])]
    options = read_options(block, values["box"], values["level"], values["voxel_size"], values["force"])
    bound = {name: values[port] for port, name in spec.ports.items() if values[port] is not None}
    if values["check_invariance"]:
        _check_invariance(spec, bound, values)
        return
    if values["out"] is None:
        raise typer.BadParameter("Missing option '--out'; give a folder or address for the results", param_hint="--out")
    with progress_bars([spec.name]) as progress:
        handles = run_tool(
            spec.name,
            bound,
            store=values["out"],
            workers=values["workers"],
            options=options,
            engine=values["engine"],
            records=values["records"],
            progress=progress,
            into=dict(values["into"] or ()),
            overwrite=values["overwrite"],
            fresh=values["fresh"],
        )
    documents = {output: handle.to_json() for output, handle in handles.items()}
    for output, document in documents.items():
        write_json(Path(f"{output}.handle.json"), document)
    if values["json"]:
        show_json(documents)
    else:
        for output, handle in handles.items():
            print_stderr(f"{output}: {handle.uri}; handle in {output}.handle.json")
