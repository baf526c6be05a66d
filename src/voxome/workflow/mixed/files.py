"""Hint ``voxome:Files`` of a CommandLineTool: the files in which it gets arrays and tables of voxome."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from voxome.blocks.command.formats import ARRAY_FORMATS
from voxome.blocks.command.volumes import write_volume
from voxome.contracts.command_tool import VolumeFile
from voxome.contracts.handle import Handle
from voxome.contracts.validation import describe_problem
from voxome.errors import InvalidInput, UnknownName, describe_value
from voxome.resources.open import open_source
from voxome.resources.table import TableFile
from voxome.storage.atomic import storing
from voxome.storage.temporary_names import remove_abandoned, temporary_path
from voxome.workflow.blocks_hint import plain_hint
from voxome.workflow.cwl_subset import at, short

FILES_HINT = "https://voxome.org/cwl#Files"
"""Class of the hint."""
_TABLES = ("csv", "parquet")
FileSpec = VolumeFile | Literal["csv", "parquet"]
"""The file of an array, or the format of a table."""


def read_files_hint(tool: Mapping[str, Any], problems: list[str]) -> dict[str, FileSpec]:
    """Return the inputs that a tool gets as files, and what these are; empty without the hint.

    Parameters
    ----------
    tool : mapping
        Its document, as cwltool resolved it.
    problems : list of str
        What is wrong with the hint is added to it, with file and line.
    """
    hint = next((one for one in tool.get("hints") or () if one.get("class") == FILES_HINT), None)
    if hint is None:
        return {}
    inputs = plain_hint(hint.get("inputs", {}))
    if not isinstance(inputs, Mapping) or set(hint) - {"class", "inputs"}:
        problems.append(at(hint, "class", "voxome:Files has inputs only: names of inputs and their files"))
        return {}
    ports = [short(port["id"]) for port in tool["inputs"]]
    specs: dict[str, FileSpec] = {}
    for name, one in inputs.items():
        if name not in ports:
            problems.append(at(hint, "inputs", str(UnknownName.of("input of the tool", str(name), ports))))
            continue
        try:
            specs[str(name)] = _spec(one)
        except (InvalidInput, ValueError, TypeError) as error:
            problems.append(at(hint, "inputs", f"voxome:Files, {name}: {error}"))
    return specs


def write_file(handle: Handle, spec: FileSpec, folder: Path, port: str) -> dict[str, str]:
    """Write an array or a table to a file, unless it is there, and return it as CWL has files.

    Parameters
    ----------
    handle : Handle
        The array or table, which is read whole.
    spec : FileSpec
        What the file is.
    folder : path
        Folder of such files.
    port : str
        Name of the input.

    Raises
    ------
    InvalidInput
        If the format is not one of its kind, or cannot hold a value.
    StoreError
        If the disk fails.
    """
    is_table = isinstance(spec, str)
    if is_table != (handle.type == "table"):
        wanted = "a table" if is_table else "an array"
        raise InvalidInput(f"The input {port} is a {handle.type}; its hint voxome:Files is that of {wanted}")
    described = json.dumps([handle.uri, handle.key, spec if isinstance(spec, str) else asdict(spec), port])
    target = folder / hashlib.sha256(described.encode()).hexdigest()[:16]
    suffix = f".{spec}" if isinstance(spec, str) else ARRAY_FORMATS[spec.format].suffix
    path = target / f"{port}{suffix}"
    if not target.exists():
        with storing(path), _complete_folder(target) as partial:
            if isinstance(spec, str):
                _write_table(handle, spec, partial / path.name)
            else:
                write_volume(np.asarray(_voxels(handle)), spec, partial / path.name, port)
    return {"class": "Directory" if path.is_dir() else "File", "location": path.as_uri(), "basename": path.name}


@contextmanager
def _complete_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder, which becomes `target` if the body succeeds and nobody else was faster."""
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target)
    partial = temporary_path(target)
    partial.mkdir()
    try:
        yield partial
        try:
            partial.rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _spec(value: Any) -> FileSpec:
    from pydantic import TypeAdapter, ValidationError

    if isinstance(value, Mapping) and value.get("format") in _TABLES:
        if set(value) != {"format"}:
            raise InvalidInput(f"a table of {value['format']} has no {', '.join(sorted(set(value) - {'format'}))}")
        return "csv" if value["format"] == "csv" else "parquet"
    try:
        spec = TypeAdapter(VolumeFile).validate_python(value)
    except ValidationError as error:
        named = [f"{'.'.join(map(str, one['loc']))} is {describe_value(one['input'])}" for one in error.errors()]
        reasons = [describe_problem(one) for one in error.errors()]
        raise InvalidInput(
            "; ".join(f"{name}: {reason}" for name, reason in zip(named, reasons, strict=True))
        ) from None
    if sorted(spec.axes.replace("1", "").replace("c", "")) != ["x", "y", "z"]:
        raise InvalidInput(f"the axes are {spec.axes!r}; expected z, y and x in any order, c for channels, 1 for none")
    if spec.kind == "labels":
        raise InvalidInput("whole volumes keep their ids: leave out kind: labels, and give a dtype that holds them")
    return spec


def _voxels(handle: Handle) -> Any:
    source = open_source(handle.uri)
    return source.read(source.spec.domain)


def _write_table(handle: Handle, format: str, path: Path) -> None:
    if format == "parquet":
        path.write_bytes(Path(handle.uri).read_bytes())
        return
    import csv

    columns = TableFile(handle.uri).read()
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True))
