"""Tools as CWL CommandLineTools, for any CWL runner; ``python -m voxome.workflow.describe`` writes them all."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from voxome.contracts.parameter import REQUIRED, Parameter
from voxome.contracts.ports import HOST_OPTIONS, option_of, port_of
from voxome.contracts.tool import Input, ToolSpec
from voxome.registry import BUILT_IN, load

FOLDER = Path("pipelines/tools")
NAMESPACES = {"voxome": "https://voxome.org/cwl#"}
_SCALARS = {bool: "boolean", int: "int", float: "double", str: "string"}
_HOST = {
    "store": ("string", "Folder (absolute path) or address for results."),
    "block": ("string?", "Block shape in voxels, Z,Y,X."),
    "workers": ("int?", "Number of processes."),
}


def describe(spec: ToolSpec) -> dict[str, Any]:
    """Return the CWL v1.2 document of a tool.

    Every input is a handle file, or the path or URI of a volume or table; every output is a handle file with the
    location of the result under ``store``. Parameters that are not set have the tool's default. The part of a version
    after ``+``, such as the digest of a model, is left out.

    Raises
    ------
    TypeError
        If CWL has no type for a parameter.
    """
    inputs: dict[str, Any] = {port_of(name): _input(one) for name, one in spec.inputs.items()}
    inputs.update((port_of(name), _parameter(one)) for name, one in spec.parameters.items())
    for name, (cwl, doc) in _HOST.items():
        inputs[name] = {"type": cwl, "doc": doc, "inputBinding": {"prefix": HOST_OPTIONS[name]}}
    return {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "$namespaces": dict(NAMESPACES),
        "doc": spec.summary,
        "hints": {"voxome:Tool": _hint(spec)},
        "baseCommand": ["voxome", "tool", spec.name],
        "inputs": inputs,
        "outputs": {name: {"type": "File", "outputBinding": {"glob": f"{name}.handle.json"}} for name in spec.outputs},
    }


def _hint(spec: ToolSpec) -> dict[str, Any]:
    """Return the hint that voxome reads: name and version of the tool, limits and choices of its parameters."""
    hint: dict[str, Any] = {"name": spec.name, "version": spec.version.partition("+")[0]}
    limits: dict[str, Any] = {}
    for name, one in spec.parameters.items():
        limit = {**(one.range.to_json() if one.range else {}), **({"enum": list(one.choices)} if one.choices else {})}
        if limit:
            limits[port_of(name)] = limit
    return {**hint, "parameters": limits} if limits else hint


def _input(one: Input) -> dict[str, Any]:
    kinds = ["File", "string"] if one.required else ["null", "File", "string"]
    return {"type": kinds, "inputBinding": {"prefix": option_of(port_of(one.name))}}


def _parameter(one: Parameter) -> dict[str, Any]:
    kind = cwl_type(one.annotation)
    described: dict[str, Any] = {"type": kind}
    if one.default is not REQUIRED:
        described["type"] = f"{kind}?" if isinstance(kind, str) else ["null", kind]
        if one.default is not None:
            described["default"] = list(one.default) if isinstance(one.default, tuple) else one.default
    doc = f"{one.summary} Allowed: {one.range}." if one.range else one.summary
    if doc:
        described["doc"] = doc.lstrip()
    described["inputBinding"] = _binding(port_of(one.name), kind)
    return described


def _binding(port: str, kind: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return how a value is passed on the command line; booleans are spelled out, as a flag cannot be false."""
    if kind == "boolean":
        return {"valueFrom": f"{option_of(port)}=$(self)"}
    if isinstance(kind, Mapping) and kind["type"] == "array":
        return {"prefix": option_of(port), "itemSeparator": ","}
    return {"prefix": option_of(port)}


def cwl_type(annotation: Any) -> str | dict[str, Any]:
    """Return the CWL type of a Python annotation, never optional.

    A ``Literal`` is a string: CWL enums of two documents are never compatible, and the tool checks the value itself.

    Raises
    ------
    TypeError
        If there is none.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if origin is Annotated:
        return cwl_type(arguments[0])
    if origin is Literal and all(isinstance(value, str) for value in arguments):
        return "string"
    if origin in (Union, types.UnionType):
        alternatives = [one for one in arguments if one is not type(None)]
        if len(alternatives) == 1:
            return cwl_type(alternatives[0])
    if origin in (tuple, list) and arguments:
        items = {str(cwl_type(one)) for one in arguments if one is not Ellipsis}
        if len(items) == 1:
            return {"type": "array", "items": items.pop()}
    raise TypeError(f"CWL has no type for {annotation}; use int, float, str, bool, Literal, or a tuple of one of them")


def document(spec: ToolSpec) -> str:
    """Return the text of the CWL file of a tool."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 110
    out = StringIO()
    yaml.dump(describe(spec), out)
    return f"# Generated by `make cwl` from the tool's code.\n{out.getvalue()}"


def documents() -> dict[str, str]:
    """Return file name → text of the CWL files of all built-in tools."""
    return {f"{name}.cwl": document(load("voxome.tools", name).spec) for name in sorted(BUILT_IN["voxome.tools"])}


def write(folder: Path) -> None:
    """Write the CWL file of every built-in tool into `folder`, and remove those of tools that no longer exist."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = documents()
    for stale in set(folder.glob("*.cwl")) - {folder / name for name in texts}:
        stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
