"""Steps that run a CommandLineTool with the hint ``voxome:Blocks``, and those that join its labels over blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from voxome.blocks.command.spec import OVERLAP
from voxome.contracts.command_tool import CommandDefinition, CommandParameter
from voxome.contracts.ports import port_of
from voxome.workflow.blocks_hint import BLOCKS_HINT, BlocksHint, parse_blocks_hint
from voxome.workflow.command_line import CommandTemplate
from voxome.workflow.cwl_subset import SCALARS, SECRETS, WRITTEN, at, short, tool_name
from voxome.workflow.graph import Constant, FromStep, Node, Source

REQUIREMENTS = frozenset(
    {
        "DockerRequirement",
        "EnvVarRequirement",
        "InitialWorkDirRequirement",
        "InlineJavascriptRequirement",
        "NetworkAccess",
        "ResourceRequirement",
        "SchemaDefRequirement",
        "ShellCommandRequirement",
        "SoftwareRequirement",
        "ToolTimeLimit",
        "WorkReuse",
    }
)
"""Requirements of a tool that are kept."""
_CUDA = "http://commonwl.org/cwltool#CUDARequirement"
_MIB = 1 << 20
_FILES = {"File", "Directory"}


def blocks_hint(tool: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the hint ``voxome:Blocks`` of a process; None if it has none."""
    return next((one for one in tool.get("hints") or () if one.get("class") == BLOCKS_HINT), None)


def command_nodes(
    name: str, process: Any, sources: Mapping[str, Source], problems: list[str]
) -> tuple[list[Node], dict[str, Source]]:
    """Return the steps that run a tool over blocks, and the sources of its outputs.

    Parameters
    ----------
    name : str
        Name of the step.
    process : cwltool's CommandLineTool
        The tool.
    sources : mapping of str to Source
        Sources of its ports.
    problems : list of str
        Problems are added to it.
    """
    tool = process.tool
    if tool["class"] != "CommandLineTool":
        problems.append(at(tool, "class", f"voxome:Blocks is a hint of a {tool['class']}; expected a CommandLineTool"))
        return [], {}
    before = len(problems)
    hint = parse_blocks_hint(blocks_hint(tool) or {}, tool, problems)
    problems += tool_problems(tool, hint)
    if hint is None or len(problems) > before:
        return [], {short(port["id"]): FromStep(name, short(port["id"])) for port in tool["outputs"]}
    definition = _definition(name, process, hint)
    inputs = {port_of(port): source for port, source in sources.items()}
    if hint.block is not None:
        inputs["block"] = Constant(",".join(map(str, hint.block)))
    template = CommandTemplate(definition, process)
    nodes = [Node(name, definition.name, definition.version, inputs, command=template)]
    outputs: dict[str, Source] = {one: FromStep(name, one) for one in (*definition.volumes, *definition.tables)}
    for output, volume in definition.volumes.items():
        if volume.stitch is not None and volume.stitch.rule != "none":
            nodes += _stitch_nodes(name, output, volume.stitch.rule, volume.stitch.fraction)
            outputs[output] = FromStep(nodes[-1].name, "result")
    return nodes, outputs


def tool_problems(tool: Any, hint: BlocksHint | None) -> Iterator[str]:
    """Yield what the block runner cannot keep of a tool."""
    for one in tool.get("requirements") or ():
        if one["class"] not in REQUIREMENTS:
            known = ", ".join(sorted(REQUIREMENTS))
            yield at(one, "class", f"a tool of blocks requires {short(one['class'])}; supported: {known}")
    for one in (*(tool.get("requirements") or ()), *(tool.get("hints") or ())):
        if one.get("class") == "ResourceRequirement":
            for field, value in one.items():
                if isinstance(value, float) and not math.isfinite(value):
                    yield at(one, field, f"{field} of ResourceRequirement is {value}; expected a finite number")
        if one.get("class") == SECRETS:
            yield at(one, "class", f"a tool of blocks has cwltool:Secrets, but {WRITTEN}")
        if one.get("class") == "DockerRequirement":
            if "dockerPull" not in one and "dockerImageId" not in one:
                yield at(one, "class", "DockerRequirement names no image; give its dockerImageId or dockerPull")
            if "dockerOutputDirectory" in one:
                yield at(one, "dockerOutputDirectory", "dockerOutputDirectory is not kept for a tool of blocks")
    for port in tool["inputs"]:
        is_volume = hint is not None and short(port["id"]) in hint.inputs
        yield from _input_problems(port, is_volume)
    for port in tool["outputs"]:
        types = set(_alternatives(port["type"])) if isinstance(port["type"], list | str) else set()
        title = f"the output {short(port['id'])!r} of a tool of blocks"
        if not types or types - _FILES:
            yield at(port, "type", f"{title} has the type {port['type']}; expected File, or Directory for zarr")
        for field in set(port.get("outputBinding") or {}) - {"glob"}:
            yield at(port, "outputBinding", f"{title} has {field}; expected only glob")
        if port.get("secondaryFiles"):
            yield at(port, "secondaryFiles", f"{title} has secondaryFiles, which are not kept")


def _input_problems(port: Any, is_volume: bool) -> Iterator[str]:
    title = f"the input {short(port['id'])!r} of a tool of blocks"
    types = [one for one in _alternatives(port["type"]) if one != "null"]
    if is_volume:
        if len(types) != 1 or types[0] not in _FILES:
            yield at(port, "type", f"{title} is a volume; expected the type File, or Directory for zarr")
    elif len(types) != 1 or not _is_parameter(types[0]):
        known = ", ".join(sorted(SCALARS - {"null"}))
        message = f"{title} has the type {port['type']}; expected {known}, an enum or an array of scalars"
        yield at(port, "type", f"{message}; name volumes in voxome:Blocks")
    for field in ("secondaryFiles", "loadContents", "loadListing"):
        if port.get(field) or (port.get("inputBinding") or {}).get(field):
            yield at(port, field, f"{title} has {field}, which is not kept")


def _alternatives(kind: Any) -> list[Any]:
    return list(kind) if isinstance(kind, list) else [kind]


def _is_parameter(kind: Any) -> bool:
    if isinstance(kind, Mapping):
        items = kind.get("items")
        return kind["type"] == "enum" or (
            kind["type"] == "array" and isinstance(items, str) and items in SCALARS - _FILES
        )
    return isinstance(kind, str) and kind in SCALARS


def _definition(name: str, process: Any, hint: BlocksHint) -> CommandDefinition:
    tool = process.tool
    types = {short(port["id"]): _alternatives(port["type"]) for port in tool["inputs"]}
    resources, _ = process.get_requirement("ResourceRequirement")
    docker, _ = process.get_requirement("DockerRequirement")
    image = None if docker is None else docker.get("dockerImageId") or docker.get("dockerPull")
    cuda: Mapping[str, Any] = next((one for one in tool.get("hints") or () if one.get("class") == _CUDA), {})
    return CommandDefinition(
        name=tool_name(tool, name),
        version=hint.version,
        summary=_text(tool.get("label") or tool.get("doc")),
        halo=hint.halo,
        block=hint.block,
        inputs=hint.inputs,
        optional=tuple(port for port in hint.inputs if "null" in types[port]),
        volumes=hint.volumes,
        tables=hint.tables,
        parameters={
            short(port["id"]): _parameter(port, types[short(port["id"])])
            for port in tool["inputs"]
            if short(port["id"]) not in hint.inputs
        },
        image=image,
        may_pull=image is not None and image == (docker or {}).get("dockerPull"),
        memory_bytes=_number(resources, "ramMin", 0) * _MIB,
        cpus=max(1, _number(resources, "coresMin", 1)),
        gpus=_number(cuda, "cudaDeviceCountMin", 0),
    )


def _parameter(port: Any, types: list[Any]) -> CommandParameter:
    kind = next(one for one in types if one != "null")
    if isinstance(kind, Mapping):
        symbols = {"symbols": [short(symbol) for symbol in kind["symbols"]]} if kind["type"] == "enum" else {}
        kind = {"type": kind["type"], **symbols, **({"items": kind["items"]} if "items" in kind else {})}
    return CommandParameter(type=kind, optional="null" in types, summary=_text(port.get("doc") or port.get("label")))


def _number(mapping: Mapping[str, Any] | None, name: str, default: int) -> int:
    """Return a number that the tool declares; the default if it is an expression."""
    value = (mapping or {}).get(name)
    return int(value) if isinstance(value, int | float) else default


def _text(value: Any) -> str:
    """Return a text on one line."""
    lines = value if isinstance(value, list) else [value or ""]
    return " ".join(" ".join(lines).split())


def _stitch_nodes(name: str, output: str, rule: str, fraction: float) -> list[Node]:
    """Return the steps that join labels of different blocks; the last one has the output ``result``."""
    final = f"{name}.{output}"
    labels = FromStep(name, output)
    if rule == "overlap":
        overlap = FromStep(name, f"{output}{OVERLAP}")
        pairs = Node(
            f"{final}_pairs",
            "common.block_overlaps",
            "1",
            {"overlap": overlap, "fraction": Constant(fraction)},
            blocks_of=name,
        )
    else:
        pairs = Node(f"{final}_pairs", "common.block_contacts", "1", {"labels": labels}, blocks_of=name)
    lookup = Node(f"{final}_union", "common.union", "1", {"pairs": FromStep(pairs.name, "pairs")}, blocks_of=name)
    relabelled: dict[str, Source] = {
        "labels": labels,
        "lookup": FromStep(lookup.name, "lookup"),
        "keep": Constant(True),
    }
    return [pairs, lookup, Node(final, "common.relabel", "1", relabelled, blocks_of=name)]
