"""Write the results of a workflow under their names: the last step of one that another CWL runner runs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from voxome.contracts.formats import RUN
from voxome.contracts.handle import Handle
from voxome.contracts.report import FinishedRun, Result
from voxome.contracts.run_record import RunRecord
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, StoreError
from voxome.records.folder import write_json
from voxome.registry import targets
from voxome.resources.open import open_source
from voxome.storage.atomic import storing
from voxome.storage.find import GROUP, storage_at, storage_path
from voxome.storage.path import StoragePath
from voxome.storage.temporary_names import temporary_path
from voxome.workflow.foreign.results import remove_tree
from voxome.workflow.frames import frame_of_tables, frame_of_volumes
from voxome.workflow.inputs import read_handle
from voxome.workflow.results import load_report, write_report
from voxome.workflow.run import package_versions


def gather(
    results: Mapping[str, str | Sequence[str]],
    *,
    names: Mapping[str, str] | None = None,
    report: str | None = None,
    workflow: str = "results",
    inputs: Mapping[str, str] | None = None,
    folder: str | Path = ".",
) -> dict[str, Path]:
    """Write results into a folder, under their names.

    Files and arrays on this machine are hard links to those in the store, or copies where there can be none; a file in
    another store is copied; what is a folder there, as arrays are, stays, and its handle is written. If that fails,
    none of them is left.

    Parameters
    ----------
    results : mapping of str to str or sequence of str
        Names of results → their handle files; those of an array, as of a scattered step, get their indices at the end
        of their names: ``masks_0``, ``masks_1``, …
    names : mapping of str to str, optional
        Names of results → file names without extension, where they differ.
    report : str, optional
        Name of the report to write, from the registry group ``voxome.reports``.
    workflow : str
        What the report calls the workflow.
    inputs : mapping of str to str, optional
        Inputs of the workflow that the report shows → their URIs or handle files.
    folder : path
        Where to write; it is created.

    Returns
    -------
    dict of str to Path
        The files and folders by the names of the results, and the report as ``report``.

    Raises
    ------
    NotFound, InvalidInput
        If a result does not exist, a name is of none, or leads out of the folder, two would be written to the same
        file, or the report lacks one.
    AlreadyExists
        If a file of that name is there.
    UnknownName
        If there is no such report.
    StoreError
        If the disk fails.
    """
    target = Path(folder)
    _require_names(results, dict(names or {}))
    single, chosen = _elements(results, dict(names or {}))
    handles = {name: read_handle(file) for name, file in single.items()}
    shown = {name: _input(one) for name, one in (inputs or {}).items()}
    reported = {name: _result(handle) for name, handle in handles.items()}
    if report is not None and (problems := list(load_report(report).check(shown, reported))):
        raise InvalidInput("\n".join(problems))
    sources = {name: _source(handle) for name, handle in handles.items()}
    files = {name: _file(source, target / chosen.get(name, name)) for name, source in sources.items()}
    _require_free(files)
    with storing(target), _all_or_none(files.values()):
        target.mkdir(parents=True, exist_ok=True)
        for name, handle in handles.items():
            _write(handle, sources[name], files[name])
        if report is not None:
            write_report(report, FinishedRun(target, _record(workflow, shown), reported, is_moved=True))
            files["report"] = target / "report.html"
    return files


@contextmanager
def _all_or_none(new: Iterable[Path]) -> Iterator[None]:
    """Remove files and folders, none of which was there, if the body fails."""
    try:
        yield
    except BaseException:
        for path in new:
            remove_tree(path)
        raise


def _elements(
    results: Mapping[str, str | Sequence[str]], names: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the handle files and the file names of all results, each element of an array being one.

    Raises
    ------
    InvalidInput
        If two have the same name.
    """
    files: dict[str, str] = {}
    chosen: dict[str, str] = {}
    for name, value in results.items():
        elements = {"": value} if isinstance(value, str) else {f"_{index}": one for index, one in enumerate(value)}
        for element, file in elements.items():
            if f"{name}{element}" in files:
                raise InvalidInput(f"two results are called {name}{element}; give one of them another name")
            files[f"{name}{element}"] = file
            chosen[f"{name}{element}"] = f"{names.get(name, name)}{element}"
    return files, chosen


def _input(text: str) -> Handle:
    return read_handle(text) if text.endswith(".handle.json") else Handle("volume", text)


def _result(handle: Handle) -> Result:
    frame = frame_of_tables({"": handle})
    if handle.type == "volume":
        frame = frame_of_volumes({"": handle}, {"": open_source(handle.uri).spec})
    return Result(handle.type, handle.uri, frame)


def _require_names(results: Mapping[str, object], names: Mapping[str, str]) -> None:
    """Refuse names of unknown results, and those that are not file names."""
    unknown = sorted(names.keys() - results.keys())
    if unknown:
        raise InvalidInput(f"{', '.join(unknown)} is given a name, but is not a result; expected {', '.join(results)}")
    for name in (names.get(result, result) for result in results):
        if "/" in name or name in ("", ".", ".."):
            raise InvalidInput(f"{name!r} is not a name for a result; expected a file name without folders")


def _require_free(files: Mapping[str, Path]) -> None:
    """Refuse files that are there, or that are those of two results."""
    for name, file in files.items():
        if os.path.lexists(file):
            raise AlreadyExists(f"{file} exists already; remove it, or work in another folder")
        others = [other for other, path in files.items() if path == file and other != name]
        if others:
            raise InvalidInput(f"{name} and {others[0]} would both be {file.name}; give one of them another name")


def _source(handle: Handle) -> StoragePath:
    """Return where the data of a result are."""
    uri = Uri.parse(handle.uri)
    source = storage_at(handle.uri) if uri.scheme in ("", *targets(GROUP)) else storage_path(uri)
    if not source.exists() and not source.taken():
        raise NotFound(f"{handle.uri} does not exist; run the step that computes it again")
    return source


def _file(source: StoragePath, base: Path) -> Path:
    """Return `base` with the extension of what is written for a result."""
    is_here = source.is_local or source.exists()
    extension = source.name.partition(".")[2] if is_here else "handle.json"
    return base.with_name(f"{base.name}.{extension}" if extension else base.name)


def _write(handle: Handle, source: StoragePath, target: Path) -> None:
    """Write a result, which appears complete."""
    partial = temporary_path(target)
    try:
        if source.exists() and source.is_local:
            _link(source.path, str(partial))
        elif source.exists():
            with source.open_file() as stored, partial.open("xb") as file:
                shutil.copyfileobj(stored, file)
        elif source.is_local:
            shutil.copytree(source.path, partial, copy_function=_link)
        else:
            write_json(partial, handle.to_json())
        partial.rename(target)
    except shutil.Error as error:  # of the files of a folder: source, target and reason of each
        raise StoreError(f"cannot write {target}: {error.args[0][0][2]}") from error
    finally:
        remove_tree(partial)


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
