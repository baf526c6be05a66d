"""Values of a workflow as CWL has them: files with locations, and the handles of results of voxome."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxome.workflow.cwl_files import file_address, is_file
from voxome.workflow.graph import Graph, GraphInput

HANDLE_SUFFIX = ".handle.json"
"""End of the names of handle files."""
_FILES = ("File", "Directory")


def cwl_inputs(graph: Graph, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a workflow as an input object of CWL.

    Parameters
    ----------
    graph : Graph
        The workflow.
    values : mapping of str to values
        Paths, URIs, numbers, and what a job file has.
    """
    return {name: _cwl_value(value, graph.inputs[name]) for name, value in values.items() if value is not None}


def located(value: Any, folder: Path) -> Any:
    """Return a value of a job file with absolute locations; they are relative to its folder."""
    if isinstance(value, Mapping):
        inner = {str(name): located(one, folder) for name, one in value.items()}
        if not is_file(value) or not file_address(value):
            return inner
        inner.pop("path", None)
        return {**inner, "location": _location(file_address(value, folder.absolute()))}
    return [located(one, folder) for one in value] if isinstance(value, list) else value


def missing_files(value: Any) -> list[str]:
    """Return the paths of files and folders in an input object that are not on this machine."""
    if isinstance(value, Mapping):
        inner = [path for one in value.values() for path in missing_files(one)]
        location = str(value.get("location", "")) if is_file(value) else ""
        path = file_address(value) if location.startswith("file:") else ""
        is_there = not path or Path(path).exists() or Path(path.partition("?")[0]).exists()
        return inner if is_there else [path, *inner]
    return [path for one in value for path in missing_files(one)] if isinstance(value, list) else []


def _cwl_value(value: Any, one: GraphInput) -> Any:
    if isinstance(value, list | tuple):
        return [_file(item, one.items) for item in value]
    return _file(value, one.types)


def _file(value: Any, types: tuple[str, ...]) -> Any:
    """Return a path or URI as a File or Directory, if its input takes one."""
    kinds = [kind for kind in _FILES if kind in types]
    if not isinstance(value, str) or not kinds:
        return value
    is_address = "://" in value and not value.startswith("file://")
    path = Path(value.removeprefix("file://"))
    if "string" in types and (is_address or not path.exists()):
        return value
    kind = "Directory" if not is_address and path.is_dir() and "Directory" in kinds else kinds[0]
    return {"class": kind, "location": value if is_address else _location(str(path.absolute()))}


def _location(address: str) -> str:
    """Return the location of a path, with the options that may follow it; a URI is one already."""
    if "://" in address:
        return address
    if Path(address).exists():
        return Path(address).as_uri()
    path, mark, options = address.partition("?")
    return f"{Path(path).as_uri()}{mark}{options}"
