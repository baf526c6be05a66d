"""``voxome info``: show the metadata of a volume."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, show_json
from voxome.cli.table import show_facts
from voxome.geometry.notation import comma_text


def info(
    uri: Annotated[str, typer.Argument(help="URI or path, or a level (?level=2).", autocompletion=uris)],
    json: Json = False,
) -> None:
    """Describe a volume (shape, dtype, axes, voxel size, offset, chunks, levels, kind, format), meshes or points."""
    from voxome.services import describe

    facts = describe.info(uri)
    if json:
        show_json(facts)
    else:
        show_facts({_label(name): _text(value) for name, value in facts.items()})


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
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
