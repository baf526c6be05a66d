"""Write the results of a workflow under their names: the last step of one that another CWL runner runs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from voxome.contracts.formats import RUN
from voxome.contracts.handle import Handle
from voxome.contracts.report import FinishedRun, Result
from voxome.contracts.run_record import RunRecord
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound
from voxome.records.folder import write_json
from voxome.registry import naming_plugin, targets
from voxome.resources.open import open_source
from voxome.storage.find import GROUP, storage_at, storage_path
from voxome.workflow.frames import frame_of_tables, frame_of_volumes
from voxome.workflow.inputs import read_handle
from voxome.workflow.results import load_report
from voxome.workflow.run import package_versions


def gather(
    results: Mapping[str, str],
    *,
    names: Mapping[str, str] | None = None,
    report: str | None = None,
    workflow: str = "results",
    inputs: Mapping[str, str] | None = None,
    folder: str | Path = ".",
) -> dict[str, Path]:
    """Write results into a folder, under their names.

    Files and arrays on this machine are hard links to those in the store, or copies where there can be none; a file in
    another store is copied; what is a folder there, as arrays are, stays, and its handle is written.

    Parameters
    ----------
    results : mapping of str to str
        Names of results → their handle files.
    names : mapping of str to str, optional
        Names of results → file names without extension, where they differ.
    report : str, optional
        Name of the report to write, from the registry group ``voxome.reports``.
    workflow : str
        What the report calls the workflow.
    inputs : mapping of str to str, optional
        Inputs of the workflow that the report shows → their URIs or handle files.
    folder : path
        Where to write.

    Returns
    -------
    dict of str to Path
        The files and folders by the names of the results, and the report as ``report``.

    Raises
    ------
    NotFound, InvalidInput
        If a result does not exist, or two would be written to the same file, or the report lacks one.
    AlreadyExists
        If a file of that name is there.
    UnknownName
        If there is no such report.
    """
    target = Path(folder)
    handles = {name: read_handle(file) for name, file in results.items()}
    shown = {name: _input(one) for name, one in (inputs or {}).items()}
    reported = {name: _result(handle) for name, handle in handles.items()}
    if report is not None and (problems := list(load_report(report).check(shown, reported))):
        raise InvalidInput("\n".join(problems))
    files: dict[str, Path] = {}
    for name, handle in handles.items():
        files[name] = _write(handle, target / (names or {}).get(name, name))
    if report is not None:
        with naming_plugin("voxome.reports", report, "failed"):
            load_report(report).write(FinishedRun(target, _record(workflow, shown), reported, is_moved=True))
        files["report"] = target / "report.html"
    return files


def _input(text: str) -> Handle:
    return read_handle(text) if text.endswith(".handle.json") else Handle("volume", text)


def _result(handle: Handle) -> Result:
    frame = frame_of_tables({"": handle})
    if handle.type == "volume":
        frame = frame_of_volumes({"": handle}, {"": open_source(handle.uri).spec})
    return Result(handle.type, handle.uri, frame)


def _write(handle: Handle, base: Path) -> Path:
    """Write a result to `base` with an extension, and return the path."""
    uri = Uri.parse(handle.uri)
    source = storage_at(handle.uri) if uri.scheme in ("", *targets(GROUP)) else storage_path(uri)
    extension = source.name.partition(".")[2]
    target = base.with_name(f"{base.name}.{extension}" if extension else base.name)
    is_folder = not source.exists()
    if is_folder and not source.taken():
        raise NotFound(f"{handle.uri} does not exist; run the step that computes it again")
    if is_folder and not source.is_local:
        target = base.with_name(f"{base.name}.handle.json")
    if os.path.lexists(target):
        raise AlreadyExists(f"{target} exists already; remove it, or work in another folder")
    if target.name.endswith(".handle.json"):
        write_json(target, handle.to_json())
    elif not source.is_local:
        with source.open_file() as stored, target.open("xb") as file:
            shutil.copyfileobj(stored, file)
    elif is_folder:
        shutil.copytree(source.path, target, copy_function=_link)
    else:
        _link(source.path, str(target))
    return target


def _link(source: str, target: str) -> None:
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


def _record(workflow: str, inputs: Mapping[str, Handle]) -> RunRecord:
    """Return what is known of the run: not the time and cost of its steps, which belong to another program."""
    content = {
        "workflow": workflow,
        "plan": "",
        "inputs": {name: handle.to_json() for name, handle in inputs.items()},
        "unpinned": [],
        "warnings": [],
        "changes": [],
        "versions": package_versions(),
        "engines": [],
        "started_s": time.time(),
        "wall_s": 0.0,
        "steps": [],
        "outputs": {},
        "store": None,
        "transfers": [],
    }
    return cast("RunRecord", RUN.stamp(content))
