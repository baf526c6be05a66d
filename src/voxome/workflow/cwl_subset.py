"""The part of CWL that voxome understands: every other field, type and requirement is a problem with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxome.contracts.ports import HOST_OPTIONS, option_of

TOOL_HINT = "https://voxome.org/cwl#Tool"
"""Class of the hint that names the voxome tool which a CommandLineTool runs."""

_DOCUMENT = frozenset({"id", "class", "cwlVersion", "label", "doc", "intent", "inputs", "outputs", "hints"})
FIELDS: Mapping[str, frozenset[str]] = {
    "workflow": _DOCUMENT | {"requirements", "steps"},
    "workflow input": frozenset({"id", "label", "doc", "type", "default", "streamable"}),
    "workflow output": frozenset({"id", "label", "doc", "type", "outputSource", "streamable"}),
    "step": frozenset({"id", "label", "doc", "in", "out", "run", "requirements", "hints", "inputs", "outputs"}),
    "step input": frozenset({"id", "label", "source", "default"}),
    "step output": frozenset({"id"}),
    "tool": _DOCUMENT | {"requirements", "baseCommand"},
    "tool input": frozenset({"id", "label", "doc", "type", "default", "inputBinding", "streamable"}),
    "tool output": frozenset({"id", "label", "doc", "type", "outputBinding", "streamable"}),
}
"""Part of a document → fields that are understood; ``inputs`` and ``outputs`` of a step are cwltool's own."""

REQUIREMENTS = frozenset(
    {
        "SubworkflowFeatureRequirement",
        "ScatterFeatureRequirement",
        "MultipleInputFeatureRequirement",
        "StepInputExpressionRequirement",
        "InlineJavascriptRequirement",
    }
)
"""Requirements that only allow other fields of a document."""

SCALARS = frozenset({"null", "boolean", "int", "long", "float", "double", "string", "File"})
"""Types of inputs, besides folders, enums and arrays of these."""

SECRETS = "http://commonwl.org/cwltool#Secrets"
"""Class of the hint that names the inputs of a process which must not be written."""
WRITTEN = (
    "inputs of steps of blocks are written for workers: leave it out, and let the program read a variable of the "
    "machine, as with --environment 'native?variables=NAME'"
)
"""Why steps of blocks get no secrets, and what to do, as the end of a sentence."""
_METADATA = ("$", "http://", "https://")
_CWLTOOL = "http://commonwl.org/cwltool#"
_ADDED_BY_CWLTOOL = f"{_CWLTOOL}original_cwlVersion"


def unknown_fields(part: str, name: str, item: Any) -> Iterator[str]:
    """Yield the fields of a part of a document that voxome does not understand.

    Parameters
    ----------
    part : str
        A key of `FIELDS`.
    name : str
        What messages call it: ``step mark``.
    item : mapping
        The part, as cwltool resolved it.
    """
    if isinstance(item, str):
        return
    for key, value in item.items():
        metadata = key.startswith(_METADATA) and not key.startswith(_CWLTOOL)
        if value is None or metadata or key == _ADDED_BY_CWLTOOL or key in FIELDS[part]:
            continue
        yield at(item, key, f"{name} has {short(key)!r}; supported fields: {_listed(part)}")


def unknown_requirements(name: str, item: Any) -> Iterator[str]:
    """Yield the requirements, and secrets, of a workflow, step or tool that voxome cannot keep."""
    for one in item.get("requirements") or ():
        if one["class"] not in REQUIREMENTS:
            known = ", ".join(sorted(REQUIREMENTS))
            yield at(one, "class", f"{name} requires {short(one['class'])}; supported: {known}; or make it a hint")
    for one in item.get("hints") or ():
        if secret_inputs(one):
            yield at(one, "class", f"{name} has cwltool:Secrets, but {WRITTEN}")


def secret_inputs(hint: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names of the inputs that a hint ``cwltool:Secrets`` names; none of another hint."""
    if hint is None or hint.get("class") != SECRETS:
        return ()
    return tuple(sorted(short(str(name)) for name in hint.get("secrets") or ()))


def unknown_type(name: str, entry: Any) -> Iterator[str]:
    """Yield what is wrong with the type of an input."""
    if not _is_type(entry["type"]):
        known = ", ".join(sorted(SCALARS))
        yield at(
            entry, "type", f"{name} has the type {_shown(entry['type'])}; supported: {known}, Directory, enum, array"
        )


def literal_files(name: str, entry: Any) -> Iterator[str]:
    """Yield a default that is a file without a location, or with others beside it."""
    values = entry.get("default")
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, Mapping) and (not _location(value) or "secondaryFiles" in value):
            yield at(entry, "default", f"{name} has a default that voxome cannot read; give the path of a File")


def tool_problems(tool: Any, hint: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a CommandLineTool differs from the one that ``voxome describe`` writes for the tool.

    Parameters
    ----------
    tool : mapping
        The document, as cwltool resolved it.
    hint : mapping
        Its hint ``voxome:Tool``.
    """
    name = short(str(hint["name"]))
    title = f"the tool {name}"
    yield from unknown_fields("tool", title, tool)
    yield from unknown_requirements(title, tool)
    expected = ["voxome", "tool", name]
    if tool.get("baseCommand") != expected:
        yield at(tool, "baseCommand", f"{title} has another baseCommand; expected {expected}")
    for entry in tool["inputs"]:
        yield from _tool_input(entry)
    for entry in tool["outputs"]:
        yield from _tool_output(entry)


def short(identifier: str) -> str:
    """Return the last part of an identifier such as ``file:///a.cwl#step/port``."""
    return identifier.rpartition("#")[2].rpartition("/")[2]


def tool_hint(tool: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the hint ``voxome:Tool`` of a process; None if it has none."""
    return next((one for one in tool.get("hints") or () if one.get("class") == TOOL_HINT and "name" in one), None)


def tool_name(tool: Mapping[str, Any], step: str) -> str:
    """Return the name of a tool of voxome, or of the document of another; that of the step if it is inline."""
    hint = tool_hint(tool)
    if hint is not None:
        return short(str(hint["name"]))
    document, _, fragment = str(tool.get("id", "")).partition("#")
    stem = document.rpartition("/")[2].removesuffix(".cwl")
    inline = not stem or stem.startswith("_:") or fragment.endswith("/run")
    return step.rpartition(".")[2] if inline else short(f"#{fragment}") if fragment else stem


def at(item: Any, key: str, message: str) -> str:
    """Return `message` with the file and line of `key` in `item`."""
    from schema_salad.sourceline import SourceLine

    return str(SourceLine(item, key).makeError(message))


def _tool_input(entry: Any) -> Iterator[str]:
    port = short(entry["id"])
    title = f"the tool's input {port!r}"
    yield from unknown_fields("tool input", title, entry)
    yield from unknown_type(title, entry)
    yield from literal_files(title, entry)
    option = HOST_OPTIONS.get(port, option_of(port))
    kinds = _kinds(entry["type"])
    if kinds == {"boolean"}:
        expected = {"valueFrom": f"{option}=$(self)"}
    elif kinds == {"array"}:
        expected = {"prefix": option, "itemSeparator": ","}
    else:
        expected = {"prefix": option}
    if dict(entry.get("inputBinding") or {}) != expected:
        yield at(entry, "inputBinding", f"{title} is passed in another way than voxome expects; expected {expected}")


def _tool_output(entry: Any) -> Iterator[str]:
    port = short(entry["id"])
    title = f"the tool's output {port!r}"
    yield from unknown_fields("tool output", title, entry)
    expected = {"glob": f"{port}.handle.json"}
    if entry["type"] != "File" or dict(entry.get("outputBinding") or {}) != expected:
        yield at(entry, "outputBinding", f"{title} is not the handle file of a result; expected a File with {expected}")


def _is_type(kind: Any) -> bool:
    if isinstance(kind, list):
        return all(map(_is_type, kind))
    if isinstance(kind, Mapping):
        array = kind["type"] == "array" and isinstance(kind["items"], str) and kind["items"] in SCALARS
        return kind["type"] == "enum" or array
    return kind in SCALARS or kind == "Directory"


def _kinds(kind: Any) -> set[str]:
    """Return the names of the alternatives of a type, without null."""
    alternatives = kind if isinstance(kind, list) else [kind]
    return {str(one["type"] if isinstance(one, Mapping) else one) for one in alternatives} - {"null"}


def _location(value: Mapping[str, Any]) -> object:
    return value.get("class") == "File" and (value.get("location") or value.get("path"))


def _shown(kind: Any) -> str:
    return " | ".join(sorted(_kinds(kind)))


def _listed(part: str) -> str:
    return ", ".join(sorted(FIELDS[part] - {"inputs", "outputs"} if part == "step" else FIELDS[part]))
