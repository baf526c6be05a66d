"""Spec of a tool that is a foreign program."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from voxome import kinds
from voxome.blocks.command.formats import ARRAY_FORMATS
from voxome.contracts.command_tool import CommandDefinition, CommandParameter, HaloNm, TableOutput, VolumeFile
from voxome.contracts.kinds import Kind, Parameters
from voxome.contracts.parameter import REQUIRED, Parameter
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import HaloLike, HaloOf, Input, ToolSpec
from voxome.errors import NotFound
from voxome.storage.find import storage_at

OVERLAP = "_overlap"
"""End of the name of the output that has the labels of blocks with their halo."""
_PROCESS_BYTES, _BYTES_PER_VOXEL = 160_000_000, 40
_TYPES: Mapping[str, Any] = {
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
    "File": str,
}


def spec_of(definition: CommandDefinition) -> ToolSpec:
    """Return the spec by which the block runner knows a program."""
    return ToolSpec(
        name=definition.name,
        version=definition.version,
        scope="block",
        inputs={
            name: Input(name, _input_kind(file), name not in definition.optional)
            for name, file in definition.inputs.items()
        },
        parameters={name: _parameter(name, one) for name, one in definition.parameters.items()},
        outputs=dict(_outputs(definition)),
        halo=_halo(definition.halo),
        invariance="none",
        check=partial(_problems, definition),
        memory=lambda voxels, _: _PROCESS_BYTES + definition.memory_bytes + _BYTES_PER_VOXEL * voxels,
        content=partial(_digest_of_files, definition) if _files(definition) else None,
        cpus=definition.cpus,
        gpus=definition.gpus,
        summary=definition.summary,
    )


def table_columns(table: TableOutput) -> dict[str, str]:
    """Return the columns of a table and their dtypes: those of positions are float64 unless declared."""
    positions = () if table.positions is None else table.positions.columns
    missing = {name: "float64" for name in positions if name not in table.columns}
    return {**missing, **table.columns}


def _outputs(definition: CommandDefinition) -> Iterator[tuple[str, Kind]]:
    for name, output in definition.volumes.items():
        if output.kind == "labels":
            yield name, kinds.Labels()
            if output.stitch is not None and output.stitch.rule == "overlap":
                yield f"{name}{OVERLAP}", kinds.BlockArrays()
        else:
            yield name, kinds.Image(output.dtype, channels=output.channels, kind=output.kind)
    for name, table in definition.tables.items():
        yield name, kinds.Table(table_columns(table), key=table.key, fold=table.fold)


def _input_kind(file: VolumeFile) -> Kind:
    channels = 1 if "c" in file.axes else None
    if file.kind == "labels":
        return kinds.Labels(dtype=None)
    if file.kind == "probability" and file.dtype == "uint8":
        return kinds.Probability(channels=channels)
    return kinds.Image("uint8" if file.dtype == "uint8" else None, channels=channels, kind=file.kind)


def _parameter(name: str, one: CommandParameter) -> Parameter:
    annotation = _annotation(one.type)
    if one.optional:
        return Parameter(name, annotation | None, None, one.summary)
    return Parameter(name, annotation, REQUIRED, one.summary)


def _annotation(type_: str | Mapping[str, Any]) -> Any:
    """Return the Python type of a CWL type: a scalar, an enum or an array of scalars."""
    if isinstance(type_, str):
        return _TYPES[type_]
    if type_["type"] == "enum":
        return Literal[tuple(type_["symbols"])]
    item: Any = _TYPES[type_["items"]]
    return tuple[item, ...]


def _halo(halo: int | tuple[int, int, int] | HaloNm) -> HaloLike | HaloOf:
    if not isinstance(halo, HaloNm):
        return halo
    lengths = halo.nm
    return lambda _, scale: tuple(math.ceil(nm / size - 1e-9) for nm, size in zip(lengths, scale, strict=True))


def _problems(definition: CommandDefinition, volumes: Mapping[str, VolumeSpec], _: Parameters) -> Iterator[str]:
    """Yield what makes volumes unsuitable for their files, and what the tables need of them."""
    for name, spec in volumes.items():
        file = definition.inputs[name]
        dtype, kind, stored = file.dtype, file.kind, np.dtype(file.dtype or spec.dtype).name
        if stored in ARRAY_FORMATS[file.format].refuses:
            yield f"{name} is {stored}, which {file.format} cannot store; give another dtype in the hint, such as uint8"
        if kind == "labels" and spec.dtype.kind not in "biu":
            yield f"{name} must have labels, but its dtype is {spec.dtype}"
        if dtype is not None and kind != "labels" and not np.can_cast(spec.dtype, dtype, "safe"):
            yield f"{name} is {spec.dtype}, which {dtype}, as the hint says, cannot hold; convert it (voxome convert)"
    first = next(iter(volumes.values()), None)
    sized = [name for name, table in definition.tables.items() if table.positions and table.positions.unit == "nm"]
    if sized and first is not None and first.voxel_size_nm is None:
        yield f"positions of {', '.join(sized)} are in nm, but the volume has no voxel size; give --voxel-size Z,Y,X"


def _files(definition: CommandDefinition) -> list[str]:
    return [name for name, one in definition.parameters.items() if one.type == "File"]


def _digest_of_files(definition: CommandDefinition, parameters: Parameters) -> str:
    """Return the digest of the files that parameters name.

    Raises
    ------
    NotFound
        If one does not exist.
    """
    digest = hashlib.sha256()
    for name in _files(definition):
        address = parameters[name]
        content = None if address is None else storage_at(address).read_bytes()
        if address is not None and content is None:
            raise NotFound(f"the file {address} ({name} of {definition.name}) does not exist")
        digest.update(hashlib.sha256(b"-" if content is None else b"+" + content).digest())
    return digest.hexdigest()
