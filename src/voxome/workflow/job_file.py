"""CWL job files: the inputs of a workflow, as YAML or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxome.contracts.arguments import require_count
from voxome.errors import InvalidInput, NotFound
from voxome.geometry.notation import parse_shape
from voxome.storage.bounded_file import read_document
from voxome.workflow.cwl_files import file_address, is_file
from voxome.workflow.graph import Graph
from voxome.workflow.mixed.values import located

_METADATA = frozenset({"$namespaces", "$schemas"})
"""Keys about the document itself, which have no effect on a run."""
_WORKFLOW = "cwl:tool"
_OF_FILES = frozenset(
    {"class", "location", "path", "basename", "dirname", "nameroot", "nameext", "format", "size", "checksum"}
)
"""Fields of a File that need nothing from voxome; its size and checksum are those of a file, not of a volume."""


@dataclass(frozen=True)
class JobFile:
    """What a job file has.

    Attributes
    ----------
    inputs : dict of str to values
        Inputs of the workflow.
    store : str or None
        Where results and intermediate data are kept, as with ``--store``.
    block : (z, y, x) or None
        Block shape of all steps, as with ``--block``.
    workers : int or None
        Number of processes, as with ``--workers``.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    store: str | None = None
    block: tuple[int, int, int] | None = None
    workers: int | None = None


def read_job(path: str | Path, workflow: str | Path, graph: Graph) -> JobFile:
    """Read a job file of a workflow, as any CWL runner takes it; the paths of its files are relative to it.

    Parameters
    ----------
    path : path
        The job file.
    workflow : path
        The workflow's file, which is also the only one that ``cwl:tool`` may name.
    graph : Graph
        The workflow. Its inputs that are only passed on as ``store`` and ``workers`` are no inputs here, and neither is
        ``block`` if the workflow has no such input: they become options of the run.

    Raises
    ------
    NotFound
        If the file does not exist.
    InvalidInput
        If it is not a mapping of input names to values, or has keys that voxome does not support; names each.
    """
    file = Path(path)
    values = _load(file)
    problems = list(_problems(file, Path(str(workflow).partition("#")[0]), values, any_file=bool(graph.document)))
    if problems:
        raise InvalidInput("\n".join(problems))
    given = {
        str(name): located(value, file.parent) if graph.document else _value(value, file.parent)
        for name, value in values.items()
        if not str(name).startswith(("$", "cwl:")) and value is not None
    }
    options: dict[str, Any] = {}
    for name in list(given):
        port = graph.run_options.get(name, name if name == "block" and name not in graph.inputs else None)
        if port is not None:
            options[port] = _option(file, name, port, given.pop(name))
    return JobFile(given, **options)


def _load(file: Path) -> Mapping[Any, Any]:
    from ruamel.yaml import YAML

    from voxome.workflow.documents import require_bounded

    try:
        text = read_document(file).decode()
        require_bounded(text, str(file))
        values = YAML(typ="safe", pure=True).load(text)
    except FileNotFoundError:
        raise NotFound(f"{file} does not exist; expected a job file: YAML or JSON with the workflow's inputs") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read as a job file: {error.strerror or error}") from error
    except InvalidInput:
        raise
    except Exception as error:  # of values whose tag or form they do not have, whatever their constructor raises
        raise InvalidInput(f"{file} is not a job file of YAML or JSON: {error}") from error
    if not isinstance(values, Mapping):
        raise InvalidInput(f"{file} is not a job file: expected the names of inputs and their values, as raw: em.zarr")
    return values


def _problems(file: Path, workflow: Path, values: Mapping[Any, Any], *, any_file: bool) -> Iterator[str]:
    """Yield the keys that voxome does not support."""
    for key, value in values.items():
        name = str(key)
        if name == _WORKFLOW:
            named = Path(file_address({"location": value}, file.parent))
            if not _is_same(named, workflow):
                yield f"{file}: {_WORKFLOW} names {named}, not {workflow}; leave it out, or run that workflow"
        elif name.startswith(("$", "cwl:", "cwltool:")) and name not in _METADATA:
            yield f"{file}: voxome does not support {name}; leave it out, or run the workflow with cwltool"
        if not any_file:
            yield from (f"{file}: {name} {problem}" for problem in _file_problems(value))


def _is_same(named: Path, workflow: Path) -> bool:
    try:
        return named.resolve() == workflow.resolve()
    except ValueError:  # of a null byte, or of text that is not UTF-8
        return False


def _file_problems(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _file_problems(one)
    elif is_file(value):
        if not file_address(value):
            yield f"is a {value['class']} without a location or path, which voxome cannot read; write it to a file"
        for name in sorted(value.keys() - _OF_FILES):
            yield f"is a {value['class']} with {name}, which voxome does not support; leave it out"


def _value(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_value(one, folder) for one in value]
    return file_address(value, folder) if is_file(value) else value


def _option(file: Path, name: str, port: str, value: Any) -> Any:
    """Return the value of an option of the run."""
    try:
        if port == "block":
            return parse_shape(str(value))
        return require_count(name, value) if port == "workers" else str(value)
    except (InvalidInput, ValueError) as error:
        raise InvalidInput(f"{file}: {name}: {error}") from None
