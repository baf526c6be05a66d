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
from voxome.contracts.tool import Tool, ToolSpec
from voxome.errors import UnknownName

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}


def tool(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A tool; voxome tools lists them, voxome tool NAME --help its options.", autocompletion=tools
        ),
    ],
) -> None:
    """Run one tool over a volume, block by block; where each result is, is written to OUTPUT.handle.json here."""
    from voxome.registry import load

    found: Tool = load("voxome.tools", name)
    asked = _read(_parser(found.spec), [_as_option(text) for text in context.args])
    options = read_options(
        [asked["block"]] if asked["block"] else None, asked["box"], asked["level"], asked["voxel_size"], asked["force"]
    )
    from voxome.cli.progress import progress_bars
    from voxome.records.folder import write_json
    from voxome.workflow.run_tool import graph_of, run_tool

    inputs, ports = graph_of(found.spec).inputs, found.spec.ports
    given = {ports[port]: inputs[port].read(asked[port]) for port in inputs if asked[port] is not None}
    with progress_bars([name]) as progress:
        handles = run_tool(
            name,
            given,
            store=asked["store"],
            workers=asked["workers"],
            options=options,
            engine=asked["engine"],
            records=asked["records"],
            progress=progress,
            into=dict(asked["into"]),
        )
    told = {output: handle.to_json() for output, handle in handles.items()}
    for output, values in told.items():
        write_json(Path(f"{output}.handle.json"), values)
    if asked["json"]:
        show_json(told)
    else:
        for output, handle in handles.items():
            print_stderr(f"{output}: {handle.uri}")


def _read(parser: argparse.ArgumentParser, texts: list[str]) -> dict[str, Any]:
    """The values of the options; an unknown one ends with exit status 2 and the nearest name."""
    asked, unknown = parser.parse_known_args(texts)
    if unknown:
        name = unknown[0].partition("=")[0]
        parser.error(str(UnknownName.of("option", name, parser._option_string_actions)))
    return vars(asked)


def _as_option(text: str) -> str:
    """``--min_voxels`` is taken for ``--min-voxels``."""
    found = re.match(r"--[A-Za-z_]+", text)
    return text if found is None else found.group().replace("_", "-") + text[found.end() :]


def _parser(spec: ToolSpec) -> argparse.ArgumentParser:
    """The options of a tool; wrong ones end with exit status 2."""
    parser = argparse.ArgumentParser(f"voxome tool {spec.name}", description=spec.summary, allow_abbrev=False)
    for one in spec.inputs.values():
        port = port_of(one.name)
        add(parser, option_of(port), "a handle file, path or URI", dest=port, required=one.required)
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
        "an array that is there already, which an output goes into; repeatable",
        metavar="OUTPUT=URI",
        type=_target,
        action="append",
        default=[],
    )
    add(parser, "--block", "write box in voxels", metavar="Z,Y,X")
    add(parser, "--workers", "processes at a time", metavar="N", type=_count, default=1)
    add(parser, "--engine", "what runs the jobs (default: local processes)", metavar="NAME[?OPTION=VALUE]")
    add(parser, "--records", "what keeps events and finished jobs (default: sqlite)", metavar="NAME[?OPTION=VALUE]")
    add(parser, "--box", "the part to run, in the store's coordinates", metavar="Z0:Z1,Y0:Y1,X0:X1")
    add(parser, "--level", "level of the pyramid of the inputs", metavar="N", type=int, default=0)
    add(parser, "--voxel-size", "voxel size in nm, in place of what the volumes say", metavar="Z,Y,X")
    add(parser, "--force", "run inputs that the tool's own check finds unfit", action="store_true")
    add(parser, "--json", "print the handles as JSON", action="store_true")
    return parser


def add(parser: argparse.ArgumentParser, name: str, text: str, **settings: Any) -> None:
    """Add an option whose help may hold a percent sign."""
    parser.add_argument(name, help=text.replace("%", "%%"), **settings)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1 is needed")
    return int(text)


def _target(text: str) -> tuple[str, str]:
    output, equals, uri = text.partition("=")
    if not (output and equals and uri):
        raise argparse.ArgumentTypeError(f"{text}: write OUTPUT=URI")
    return output, uri


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
