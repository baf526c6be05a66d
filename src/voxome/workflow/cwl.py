"""Read a CWL workflow into a flat graph of tools; cwltool parses and validates it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from voxome.errors import InvalidInput, NotFound
from voxome.workflow.graph import Constant, FromInput, FromStep, Graph, GraphInput, Node, Source
from voxome.workflow.hint import RUN_HINT, RunHint, hint_problems

HINT = "https://voxome.org/cwl#Tool"
"""Class of the hint by which a CommandLineTool says which of our tools it runs."""

_UNWRAPPED = "100000"

NOT_TAKEN = ("scatter", "when", "loop", "http://commonwl.org/cwltool#loop")
NOT_TAKEN_OF_INPUTS = ("valueFrom", "pickValue", "loadContents", "loadListing")


def load(path: str | Path) -> Graph:
    """Read a workflow.

    Parameters
    ----------
    path : path
        Of a CWL document, v1.0 to v1.2; ``FILE#main`` takes one process of a packed document.

    Raises
    ------
    NotFound
        If there is no such file.
    InvalidInput
        If it is no valid CWL, or holds what voxome does not run itself; the message gives file and line.
    """
    workflow = _parse(str(path))
    if workflow.tool["class"] != "Workflow":
        kind = workflow.tool["class"]
        raise InvalidInput(f"{path} is a {kind}, not a Workflow; run a single tool with: voxome tool NAME")
    faults: list[str] = []
    scope = {entry["id"]: FromInput(_short(entry["id"])) for entry in workflow.tool["inputs"]}
    steps, outputs = _flatten(workflow, "", scope, faults)
    hint = _run_hint(workflow.tool, outputs, faults)
    if faults:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        raise InvalidInput(f"voxome cannot run {path}; run it with cwltool, or change it:\n{lines}")
    inputs = {_short(entry["id"]): _input(entry) for entry in workflow.tool["inputs"]}
    return Graph(Path(str(path).partition("#")[0]).stem, inputs, tuple(steps), outputs, hint)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep cwltool from telling of hints that it does not know, and from wrapping its messages."""
    loggers = [logging.getLogger(name) for name in ("cwltool", "salad")]
    levels = [logger.level for logger in loggers]
    columns = os.environ.get("COLUMNS")
    try:
        os.environ["COLUMNS"] = _UNWRAPPED
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def _parse(path: str) -> Any:
    """The process in `path`, as cwltool sees it."""
    from cwltool.context import LoadingContext
    from cwltool.load_tool import load_tool
    from cwltool.workflow import default_make_tool
    from schema_salad.exceptions import SchemaSaladException

    file = path.partition("#")[0]
    if not urlsplit(file).scheme and not Path(file).is_file():
        raise NotFound(f"there is no workflow {file}; give the path of a CWL file")
    context = LoadingContext({"doc_cache": False, "construct_tool_object": default_make_tool})
    with _quiet():
        try:
            return load_tool(path, context)
        except RecursionError as error:
            raise InvalidInput(f"{file} runs itself") from error
        except Exception as error:
            if isinstance(error, SchemaSaladException | OSError) or type(error).__module__.startswith("cwl"):
                raise InvalidInput(f"{file} is no valid CWL:\n{error}") from error
            raise


def _flatten(
    workflow: Any, prefix: str, scope: Mapping[str, Source], faults: list[str]
) -> tuple[list[Node], dict[str, Source]]:
    """The steps of `workflow`, in order, and its outputs; `scope` has where its inputs come from, by id."""
    known: dict[str, Source] = dict(scope)
    nodes: list[Node] = []
    for step in _ordered(workflow):
        name = prefix + _short(step.id)
        given = [key for key in NOT_TAKEN if key in step.tool]
        faults += [_at(step.tool, key, f"step {name} has {_short(key)!r}") for key in given]
        bound: dict[str, Source] = {}
        for entry in step.tool["in"]:
            found = _source(entry, "source", known, f"step {name}", faults)
            if found is not None:
                bound[_short(entry["id"])] = found
        inner = step.embedded_tool
        taken = {_short(entry["id"]) for entry in inner.tool["inputs"]}
        faults += [
            _at(step.tool, "in", f"step {name} is given {port!r}; it takes {', '.join(sorted(taken))}")
            for port in sorted(bound.keys() - taken)
        ]
        if inner.tool["class"] == "Workflow":
            below, results = _flatten(inner, f"{name}.", _inner_scope(inner, bound), faults)
            nodes += below
        else:
            nodes.append(_node(name, step, bound, faults))
            ports = [_short(entry["id"]) for entry in inner.tool["outputs"]]
            results = {port: FromStep(name, port) for port in ports}
        known.update({out: results[_short(out)] for out in _out(step) if _short(out) in results})
    outputs = {}
    for entry in workflow.tool["outputs"]:
        found = _source(entry, "outputSource", known, f"output {_short(entry['id'])}", faults)
        if found is not None:
            outputs[_short(entry["id"])] = found
    return nodes, outputs


def _ordered(workflow: Any) -> list[Any]:
    """Its steps, each after those that it needs; cwltool has made sure that there is no circle."""
    steps = {step.id: step for step in sorted(workflow.steps, key=lambda step: str(step.id))}
    made_by = {out: name for name, step in steps.items() for out in _out(step)}
    sources = {name: [_sources(entry, "source") for entry in step.tool["in"]] for name, step in steps.items()}
    needs = {
        name: [made_by[source] for found in lists for source in found if source in made_by]
        for name, lists in sources.items()
    }
    return [steps[name] for name in TopologicalSorter(needs).static_order()]


def _inner_scope(workflow: Any, bound: Mapping[str, Source]) -> dict[str, Source]:
    """Where the inputs of a sub-workflow come from: what its step binds, else their own defaults."""
    scope: dict[str, Source] = {}
    for entry in workflow.tool["inputs"]:
        source = _or_default(bound.get(_short(entry["id"])), entry.get("default"))
        if source is not None:
            scope[entry["id"]] = source
    return scope


def _source(entry: Any, key: str, known: Mapping[str, Source], where: str, faults: list[str]) -> Source | None:
    """Where `entry` (of a step's inputs or a workflow's outputs) comes from; None where nothing is said."""
    given = [name for name in NOT_TAKEN_OF_INPUTS if entry.get(name)]
    faults += [_at(entry, name, f"{where} has {name!r} at {_short(entry['id'])!r}") for name in given]
    sources = _sources(entry, key)
    if len(sources) > 1:
        faults.append(_at(entry, key, f"{where} joins {len(sources)} sources at {_short(entry['id'])!r}"))
        return None
    return _or_default(known.get(sources[0]) if sources else None, entry.get("default"))


def _sources(entry: Any, key: str) -> list[str]:
    found = entry.get(key)
    return [] if found is None else [found] if isinstance(found, str) else list(found)


def _or_default(source: Source | None, default: Any) -> Source | None:
    """`source`, falling to `default` where it can be empty."""
    if default is None:
        return source
    if source is None:
        return Constant(_plain(default))
    if isinstance(source, FromInput) and source.default is None:
        return replace(source, default=_plain(default))
    return source


def _node(name: str, step: Any, bound: Mapping[str, Source], faults: list[str]) -> Node:
    inner = step.embedded_tool.tool
    hint: Mapping[str, Any] = next((h for h in inner.get("hints", ()) if h.get("class") == HINT), {})
    if "name" not in hint:
        faults.append(_at(step.tool, "run", f"step {name} runs a tool that voxome does not know"))
    return Node(name, _short(str(hint.get("name", ""))), str(hint.get("version", "1")), bound)


def _run_hint(workflow: Any, outputs: Mapping[str, Source], problems: list[str]) -> RunHint:
    """What the workflow says is made of its results."""
    hint: Mapping[str, Any] = next((one for one in workflow.get("hints", ()) if one.get("class") == RUN_HINT), {})
    found = list(hint_problems(hint, outputs))
    problems += [_at(hint, name, problem) for name, problem in found]
    if found:
        return RunHint()
    return RunHint(hint.get("report"), hint.get("scorer"), _plain(hint.get("results", {})))


def _input(entry: Any) -> GraphInput:
    types = entry["type"] if isinstance(entry["type"], list) else [entry["type"]]
    names = [_short(t["type"] if isinstance(t, Mapping) else t) for t in types]
    default = _plain(entry.get("default"))
    doc = entry.get("doc") or entry.get("label") or ""
    return GraphInput(
        name=_short(entry["id"]),
        types=tuple(name for name in names if name != "null"),
        required="null" not in names and default is None,
        default=default,
        doc=doc if isinstance(doc, str) else "\n".join(doc),
    )


def _plain(value: Any) -> Any:
    """A CWL value as plain Python; a File as its path or URI."""
    if isinstance(value, Mapping) and value.get("class") == "File":
        location = str(value.get("location") or value.get("path"))
        return unquote(urlsplit(location).path) if location.startswith("file:") else location
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _out(step: Any) -> list[str]:
    """The full ids of its outputs."""
    return [entry if isinstance(entry, str) else str(entry["id"]) for entry in step.tool["out"]]


def _short(identifier: str) -> str:
    """The last part of an identifier such as ``file:///a.cwl#step/port``."""
    return identifier.rpartition("#")[2].rpartition("/")[2]


def _at(item: Any, key: str, message: str) -> str:
    """`message` with the file and line of `key` in `item`."""
    from schema_salad.sourceline import SourceLine

    return str(SourceLine(item, key).makeError(message))


__all__ = ["HINT", "Constant", "FromInput", "FromStep", "Graph", "GraphInput", "Node", "Source", "load"]
