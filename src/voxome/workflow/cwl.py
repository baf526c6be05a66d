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
from voxome.extras import require
from voxome.workflow.graph import Constant, FromInput, FromStep, Graph, GraphInput, Node, Source
from voxome.workflow.hint import RUN_HINT, RunHint, hint_problems

HINT = "https://voxome.org/cwl#Tool"
"""Class of the hint that names the voxome tool which a CommandLineTool runs."""

_UNWRAPPED = "100000"

_UNSUPPORTED = ("scatter", "when", "loop", "http://commonwl.org/cwltool#loop")
_UNSUPPORTED_OF_INPUTS = ("valueFrom", "pickValue", "loadContents", "loadListing")


def load(path: str | Path) -> Graph:
    """Read a workflow.

    Parameters
    ----------
    path : path
        A CWL document, v1.0 to v1.2; ``FILE#main`` names one process of a packed document.

    Raises
    ------
    NotFound
        If the file does not exist.
    InvalidInput
        If it is not valid CWL, or uses features that voxome does not support; the message has file and line.
    """
    workflow = _parse(str(path))
    if workflow.tool["class"] != "Workflow":
        found = workflow.tool["class"]
        raise InvalidInput(f"{path} is a {found}; expected a Workflow. Run a single tool with: voxome tool NAME")
    problems: list[str] = []
    scope = {entry["id"]: FromInput(_short(entry["id"])) for entry in workflow.tool["inputs"]}
    steps, outputs = _flatten(workflow, "", scope, problems)
    hint = _run_hint(workflow.tool, outputs, problems)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise InvalidInput(f"voxome does not support all of {path}; change it, or run it with cwltool:\n{lines}")
    inputs = {_short(entry["id"]): _input(entry) for entry in workflow.tool["inputs"]}
    return Graph(Path(str(path).partition("#")[0]).stem, inputs, tuple(steps), outputs, hint)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of cwltool about unknown hints, and keep it from wrapping messages."""
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
    """Load the process in `path` with cwltool."""
    require("em", "cwltool")
    from cwltool.context import LoadingContext
    from cwltool.load_tool import load_tool
    from cwltool.workflow import default_make_tool
    from schema_salad.exceptions import SchemaSaladException

    file = path.partition("#")[0]
    if not urlsplit(file).scheme and not Path(file).is_file():
        raise NotFound(f"{file} does not exist; expected the path of a CWL file")
    context = LoadingContext({"doc_cache": False, "construct_tool_object": default_make_tool})
    with _quiet():
        try:
            return load_tool(path, context)
        except RecursionError as error:
            raise InvalidInput(f"{file} contains itself as a step") from error
        except Exception as error:
            if isinstance(error, SchemaSaladException | OSError) or type(error).__module__.startswith("cwl"):
                raise InvalidInput(f"{file} is not valid CWL:\n{error}") from error
            if isinstance(error, ValueError | StopIteration):
                raise InvalidInput(f"{file} is not CWL; expected cwlVersion, class, inputs, steps") from error
            raise


def _flatten(
    workflow: Any, prefix: str, scope: Mapping[str, Source], problems: list[str]
) -> tuple[list[Node], dict[str, Source]]:
    """Return the steps of `workflow`, in order, and its outputs; `scope` maps ids of its inputs to their sources."""
    known: dict[str, Source] = dict(scope)
    nodes: list[Node] = []
    for step in _ordered(workflow):
        name = prefix + _short(step.id)
        unsupported = [key for key in _UNSUPPORTED if key in step.tool]
        problems += [_at(step.tool, key, f"step {name} has {_short(key)!r}") for key in unsupported]
        bound: dict[str, Source] = {}
        for entry in step.tool["in"]:
            source = _source(entry, "source", known, f"step {name}", problems)
            if source is not None:
                bound[_short(entry["id"])] = source
        inner = step.embedded_tool
        ports = {_short(entry["id"]) for entry in inner.tool["inputs"]}
        problems += [
            _at(step.tool, "in", f"step {name} has no input {port!r}; its inputs: {', '.join(sorted(ports))}")
            for port in sorted(bound.keys() - ports)
        ]
        if inner.tool["class"] == "Workflow":
            inner_nodes, results = _flatten(inner, f"{name}.", _inner_scope(inner, bound), problems)
            nodes += inner_nodes
        else:
            nodes.append(_node(name, step, bound, problems))
            results = {_short(entry["id"]): FromStep(name, _short(entry["id"])) for entry in inner.tool["outputs"]}
        known.update({out: results[_short(out)] for out in _out(step) if _short(out) in results})
    outputs = {}
    for entry in workflow.tool["outputs"]:
        source = _source(entry, "outputSource", known, f"output {_short(entry['id'])}", problems)
        if source is not None:
            outputs[_short(entry["id"])] = source
    return nodes, outputs


def _ordered(workflow: Any) -> list[Any]:
    """Sort the steps so that each follows those that it needs; cwltool has refused cycles."""
    steps = {step.id: step for step in sorted(workflow.steps, key=lambda step: str(step.id))}
    producers = {out: name for name, step in steps.items() for out in _out(step)}
    inputs = {name: [_sources(entry, "source") for entry in step.tool["in"]] for name, step in steps.items()}
    needs = {
        name: [producers[source] for sources in lists for source in sources if source in producers]
        for name, lists in inputs.items()
    }
    return [steps[name] for name in TopologicalSorter(needs).static_order()]


def _inner_scope(workflow: Any, bound: Mapping[str, Source]) -> dict[str, Source]:
    """Map the inputs of a sub-workflow to their sources: what its step binds, else their defaults."""
    scope: dict[str, Source] = {}
    for entry in workflow.tool["inputs"]:
        source = _or_default(bound.get(_short(entry["id"])), entry.get("default"))
        if source is not None:
            scope[entry["id"]] = source
    return scope


def _source(entry: Any, key: str, known: Mapping[str, Source], where: str, problems: list[str]) -> Source | None:
    """Return the source of `entry` (a step input or a workflow output); None if it has none."""
    unsupported = [name for name in _UNSUPPORTED_OF_INPUTS if entry.get(name)]
    problems += [_at(entry, name, f"{where} has {name!r} at {_short(entry['id'])!r}") for name in unsupported]
    sources = _sources(entry, key)
    if len(sources) > 1:
        problems.append(_at(entry, key, f"{where} joins {len(sources)} sources at {_short(entry['id'])!r}"))
        return None
    return _or_default(known.get(sources[0]) if sources else None, entry.get("default"))


def _sources(entry: Any, key: str) -> list[str]:
    sources = entry.get(key)
    return [] if sources is None else [sources] if isinstance(sources, str) else list(sources)


def _or_default(source: Source | None, default: Any) -> Source | None:
    """Return `source`, with `default` where it can be empty."""
    if default is None:
        return source
    if source is None:
        return Constant(_plain(default))
    if isinstance(source, FromInput) and source.default is None:
        return replace(source, default=_plain(default))
    return source


def _node(name: str, step: Any, bound: Mapping[str, Source], problems: list[str]) -> Node:
    inner = step.embedded_tool.tool
    hint: Mapping[str, Any] = next((h for h in inner.get("hints", ()) if h.get("class") == HINT), {})
    if "name" not in hint:
        problems.append(_at(step.tool, "run", f"step {name} does not run a voxome tool: it has no hint voxome:Tool"))
    return Node(name, _short(str(hint.get("name", ""))), str(hint.get("version", "1")), bound)


def _run_hint(workflow: Any, outputs: Mapping[str, Source], problems: list[str]) -> RunHint:
    """Read the hint about reports, scores and file names of results."""
    hint: Mapping[str, Any] = next((one for one in workflow.get("hints", ()) if one.get("class") == RUN_HINT), {})
    wrong = list(hint_problems(hint, outputs))
    problems += [_at(hint, name, problem) for name, problem in wrong]
    if wrong:
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
    """Convert a CWL value to plain Python; a File becomes its path or URI."""
    if isinstance(value, Mapping) and value.get("class") == "File":
        location = str(value.get("location") or value.get("path"))
        return unquote(urlsplit(location).path) if location.startswith("file:") else location
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _out(step: Any) -> list[str]:
    """Return the full ids of the outputs of a step."""
    return [entry if isinstance(entry, str) else str(entry["id"]) for entry in step.tool["out"]]


def _short(identifier: str) -> str:
    """Return the last part of an identifier such as ``file:///a.cwl#step/port``."""
    return identifier.rpartition("#")[2].rpartition("/")[2]


def _at(item: Any, key: str, message: str) -> str:
    """Return `message` with the file and line of `key` in `item`."""
    from schema_salad.sourceline import SourceLine

    return str(SourceLine(item, key).makeError(message))


__all__ = ["HINT", "Constant", "FromInput", "FromStep", "Graph", "GraphInput", "Node", "Source", "load"]
