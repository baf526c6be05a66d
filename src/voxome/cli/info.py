"""``voxome info``: show the metadata of a volume."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.complete import uris
from voxome.cli.console import Json, show_json
from voxome.cli.table import show_facts
from voxome.errors import VoxomeError

if TYPE_CHECKING:
    from voxome.contracts.abilities import SupportsLevels
    from voxome.resources.shapes import Meshes, Points, Skeletons
    from voxome.resources.volume import Volume


def info(
    uri: Annotated[str, typer.Argument(help="URI or path, or a level (?level=2).", autocompletion=uris)],
    json: Json = False,
) -> None:
    """Describe a volume (shape, dtype, axes, voxel size, offset, chunks, levels, kind, format), meshes or points."""
    from voxome.resources.open import open
    from voxome.resources.volume import Volume

    resource = open(uri)
    facts = describe_volume(resource) if isinstance(resource, Volume) else describe_shapes(resource)
    if json:
        show_json(facts)
    else:
        show_facts({_label(name): _text(value) for name, value in facts.items()})


def describe_shapes(resource: Meshes | Skeletons | Points) -> dict[str, Any]:
    """Return the facts of meshes, skeletons or points as JSON values."""
    from voxome.resources.shapes import Points

    facts: dict[str, Any] = {
        "uri": resource.uri,
        "format": resource.uri.partition("://")[0],
        "kind": type(resource).__name__.lower(),
    }
    if isinstance(resource, Points):
        facts |= {"shape": resource.shape, "relations": list(resource.relations)}
    return facts


def describe_volume(volume: Volume) -> dict[str, Any]:
    """Return the metadata of a volume as JSON values."""
    from voxome.contracts.abilities import SupportsLevels, ability

    spec = volume.spec
    pyramid = ability(volume.source, SupportsLevels)
    return {
        "uri": volume.uri,
        "format": volume.uri.partition("://")[0],
        "kind": spec.kind,
        "shape": list(volume.shape),
        "dtype": str(volume.dtype),
        "axes": list(volume.axes),
        "start": list(spec.domain.start),
        "voxel_size_nm": spec.voxel_size_nm and list(spec.voxel_size_nm),
        "offset_nm": list(spec.offset_nm),
        "chunks": spec.read_chunk and list(spec.read_chunk),
        "write_chunk": spec.write_chunk and list(spec.write_chunk),
        "bytes": volume.nbytes,
        "levels": [] if pyramid is None else [_describe_level(pyramid, n) for n in range(len(pyramid.levels))],
    }


def _describe_level(pyramid: SupportsLevels, number: int) -> dict[str, Any]:
    """Return the facts of one level; of one that cannot be opened, the reason."""
    level = pyramid.levels[number]
    facts: dict[str, Any] = {
        "shape": None,
        "voxel_size_nm": level.voxel_size_nm and list(level.voxel_size_nm),
        "offset_nm": list(level.offset_nm),
        "scale": level.scale and list(level.scale),
        "problem": None,
    }
    try:
        facts["shape"] = list(pyramid.level(number).spec.domain.shape)
    except VoxomeError as error:
        facts["problem"] = str(error)
    return facts


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(f"{number}: {_level_text(level)}" for number, level in enumerate(value))
    if isinstance(value, list):
        return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value) or "none"
    return str(value)


def _level_text(level: dict[str, Any]) -> str:
    if level["problem"]:
        return f"cannot be opened: {level['problem']}"
    size = f"voxel size (nm) {_text(level['voxel_size_nm'])}"
    return f"{_text(level['shape'])}, {size}, " + (
        f"scale {_text(level['scale'])}" if level["scale"] else "no whole scale"
    )


def _label(name: str) -> str:
    """Return a metadata key as a label: ``voxel_size_nm`` is "voxel size (nm)"."""
    return re.sub(r" nm$", " (nm)", name.replace("_", " "))
