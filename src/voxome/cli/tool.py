"""``voxome tool NAME``: run one tool; its inputs and parameters are its options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.complete import tools
from voxome.cli.console import print_stderr, show_json
from voxome.cli.options import read_options
from voxome.contracts.ports import option_of, port_of
from voxome.contracts.tool import ToolSpec
from voxome.errors import UnknownName

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}


def tool(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="Tool name; voxome tools lists them, voxome tool NAME --help shows the options.",
            autocompletion=tools,
        ),
    ],
) -> None:
    """Run one tool over a volume, block by block; write the location of each result to OUTPUT.handle.json."""
    from voxome.registry import load

    spec = load("voxome.tools", name).spec
    values = _read(_parser(spec), [_as_option(text) for text in context.args])
    options = read_options(
        [values["block"]] if values["block"] else None,
        values["box"],
        values["level"],
        values["voxel_size"],
        values["force"],
    )
    from voxome.cli.progress import progress_bars
    from voxome.records.folder import write_json
    from voxome.workflow.run_tool import graph_of, run_tool

    inputs, ports = graph_of(spec).inputs, spec.ports
    bound = {ports[port]: inputs[port].read(values[port]) for port in inputs if values[port] is not None}
    with progress_bars([name]) as progress:
        handles = run_tool(
            name,
            bound,
            store=values["store"],
            workers=values["workers"],
            options=options,
            engine=values["engine"],
            records=values["records"],
            progress=progress,
            into=dict(values["into"]),
        )
    documents = {output: handle.to_json() for output, handle in handles.items()}
    for output, document in documents.items():
        write_json(Path(f"{output}.handle.json"), document)
    if values["json"]:
        show_json(documents)
    else:
        for output, handle in handles.items():
            print_stderr(f"{output}: {handle.uri}")


def _read(parser: argparse.ArgumentParser, texts: list[str]) -> dict[str, Any]:
    """Parse the options; an unknown one exits with status 2 and suggests the closest match."""
    values, unknown = parser.parse_known_args(texts)
    if unknown:
        name = unknown[0].partition("=")[0]
        parser.error(str(UnknownName.of("option", name, parser._option_string_actions)))
    return vars(values)


def _as_option(text: str) -> str:
    """Accept ``--min_voxels`` as ``--min-voxels``."""
    name = re.match(r"--[A-Za-z_]+", text)
    return text if name is None else name.group().replace("_", "-") + text[name.end() :]


def _parser(spec: ToolSpec) -> argparse.ArgumentParser:
    """Build the parser of a tool; invalid options exit with status 2."""
    parser = argparse.ArgumentParser(f"voxome tool {spec.name}", description=spec.summary, allow_abbrev=False)
    for one in spec.inputs.values():
        port = port_of(one.name)
        add(parser, option_of(port), "handle file, path or URI", dest=port, required=one.required)
    for parameter in spec.parameters.values():
        port = port_of(parameter.name)
        notes = [str(parameter.range)] if parameter.range else []
        notes += [] if parameter.required else [f"default: {_text(parameter.default)}"]
        add(
            parser,
            option_of(port),
            f"{parameter.summary} ({'; '.join(notes)})".strip() if notes else parameter.summary,
            dest=port,
            metavar="|".join(map(str, parameter.choices)) or "VALUE",
            required=parameter.required,
        )
    add(parser, "--store", "folder or address under which results are written", metavar="DIR|URI", required=True)
    add(
        parser,
        "--into",
        "existing array to write an output into; repeatable",
        metavar="OUTPUT=URI",
        type=_target,
        action="append",
        default=[],
    )
    add(parser, "--block", "block shape in voxels", metavar="Z,Y,X")
    add(parser, "--workers", "number of processes", metavar="N", type=_count, default=1)
    add(parser, "--engine", "what runs the jobs (default: local processes)", metavar="NAME[?OPTION=VALUE]")
    add(parser, "--records", "what keeps events and finished jobs (default: sqlite)", metavar="NAME[?OPTION=VALUE]")
    add(parser, "--box", "box to process, in store coordinates", metavar="Z0:Z1,Y0:Y1,X0:X1")
    add(parser, "--level", "pyramid level of the inputs; 0 is the finest", metavar="N", type=int, default=0)
    add(parser, "--voxel-size", "voxel size in nm; overrides that of the volumes", metavar="Z,Y,X")
    add(parser, "--force", "run even if the tool rejects its inputs as unsuitable", action="store_true")
    add(parser, "--json", "print the handles as JSON", action="store_true")
    return parser


def add(parser: argparse.ArgumentParser, name: str, text: str, **settings: Any) -> None:
    """Add an option; its help may contain a percent sign."""
    parser.add_argument(name, help=text.replace("%", "%%"), **settings)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected at least 1")
    return int(text)


def _target(text: str) -> tuple[str, str]:
    output, equals, uri = text.partition("=")
    if not (output and equals and uri):
        raise argparse.ArgumentTypeError(f"{text}: expected OUTPUT=URI")
    return output, uri


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
