"""``voxome info``: show the metadata of a volume."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.table import show_facts, show_table
from voxome.contracts.json_text import json_text
from voxome.geometry.notation import comma_text
from voxome.redaction import redact

_COLUMNS = ("time", "service", "way", "tool", "version", "parameters", "inputs", "run")
"""Members of an entry of provenance, as a table has them."""


def info(
    uri: Annotated[str, typer.Argument(help="URI or path, or a level (?level=2).", autocompletion=uris)],
    provenance: Annotated[bool, typer.Option("--provenance", help="Show what made it, as its store says.")] = False,
    json: Json = False,
) -> None:
    """Describe a volume (shape, dtype, axes, voxel size, offset, chunks, levels, kind, format), meshes or points."""
    from voxome.services import describe

    if provenance:
        _show_provenance(uri, json=json)
        return
    facts = describe.info(uri)
    if json:
        show_json(facts)
    else:
        show_info(facts)


def show_info(facts: Mapping[str, Any]) -> None:
    """Print the facts of `voxome.info`, one a line."""
    show_facts({_label(name): _text(value) for name, value in facts.items()})


def _show_provenance(uri: str, *, json: bool) -> None:
    """Print the entries of a resource, oldest first."""
    from voxome.services.provenance import provenance

    entries = [one.to_json() for one in provenance(uri)]
    if json:
        show_json({"uri": redact(uri), "provenance": entries})
    elif entries:
        show_table(_COLUMNS, [[_value_text(one[name]) for name in _COLUMNS] for one in entries], least=("version",))
    else:
        print_stderr(f"{uri}: no provenance is recorded, or its format has no place for it")


def _value_text(value: Any) -> str | None:
    """Return the value of an entry as a cell: mappings as ``name=value``, of inputs name, address and version."""
    if isinstance(value, Mapping):
        texts = {name: one if isinstance(one, str) else json_text(one, name) for name, one in value.items()}
        return ", ".join(f"{name}={text}" for name, text in texts.items())
    if isinstance(value, list):
        return ", ".join(f"{one['name']} {one['uri']} {one['version'] or '(version unknown)'}" for one in value)
    return None if value is None else str(value)


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return " to ".join(map(_text, value))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(f"{number}: {_level_text(level)}" for number, level in enumerate(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (comma_text(value) or "none") if isinstance(value, list) else str(value)


def _level_text(level: dict[str, Any]) -> str:
    if level["problem"]:
        return f"cannot be opened: {level['problem']}"
    size = f"{_text(level['shape'])} voxels of {_text(level['voxel_size_nm'])} nm"
    return f"{size}, scale {_text(level['scale'])}" if level["scale"] else f"{size}, no whole scale"


def _label(name: str) -> str:
    """Return a metadata key as a label: ``voxel_size_nm`` is "voxel size (nm)"."""
    return re.sub(r" nm$", " (nm)", name.replace("_", " "))
