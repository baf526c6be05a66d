"""Read a CWL workflow into a flat graph of tools; cwltool parses and validates it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voxome.errors import InvalidInput, NotFound, VoxomeError
from voxome.extras import require
from voxome.workflow.command_step import blocks_hint, command_nodes
from voxome.workflow.cwl_files import file_address, is_file
from voxome.workflow.cwl_subset import (
    TOOL_HINT,
    at,
    literal_files,
    short,
    tool_problems,
    unknown_fields,
    unknown_requirements,
    unknown_type,
)
from voxome.workflow.gather_hint import files_of_gathering, gather_problems, gathered, gathers
from voxome.workflow.graph import Constant, FromInput, FromStep, Graph, GraphInput, Node, Source
from voxome.workflow.hint import RUN_HINT, RunHint, hint_problems

_UNWRAPPED = "100000"


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
        If it is a folder or not valid CWL, or uses features that voxome does not support; the message has file and
        line.
    """
    return read_graph(path, parse_process(str(path)))


def read_graph(path: str | Path, workflow: Any) -> Graph:
    """Return the graph of a process that `parse_process` has read; raise as `load` does."""
    require_evaluation(path, workflow)
    name = workflow_name(path)
    problems: list[str] = []
    scope = {entry["id"]: FromInput(short(entry["id"])) for entry in workflow.tool["inputs"]}
    if blocks_hint(workflow.tool) is not None:
        ports = {short(id): source for id, source in scope.items()}
        steps, outputs = command_nodes(name, workflow, tool_sources(workflow.tool, ports), problems)
    elif workflow.tool["class"] == "Workflow":
        steps, outputs = _flatten(workflow, "", scope, problems)
        problems += _lost_outputs(workflow, outputs)
    else:
        found = workflow.tool["class"]
        raise InvalidInput(f"{path} is a {found}; expected a Workflow. Run a single tool with: voxome tool NAME")
    hint = read_run_hint(workflow.tool, outputs, problems)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in dict.fromkeys(problems))
        raise InvalidInput(
            f"voxome does not support all of {path}; change it, or run it with `voxome cwl-runner`:\n{lines}"
        )
    inputs = {short(entry["id"]): workflow_input(entry) for entry in workflow.tool["inputs"]}
    return Graph(name, inputs, tuple(steps), outputs, hint)


def require_evaluation(path: str | Path, workflow: Any) -> None:
    """Refuse a process whose expressions cannot be evaluated on this machine; raise InvalidInput."""
    from voxome.workflow.foreign.javascript import javascript_problem

    missing = javascript_problem(workflow)
    if missing is not None:
        raise InvalidInput(f"{path}: {missing}")


def workflow_name(path: str | Path) -> str:
    """Return the name of the workflow in a file."""
    return Path(str(path).partition("#")[0]).stem


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


def parse_process(path: str) -> Any:
    """Load the process in `path` with cwltool; raise as `load` does."""
    require("em", "cwltool")
    from cwltool.context import LoadingContext
    from cwltool.load_tool import load_tool
    from cwltool.workflow import default_make_tool
    from schema_salad.exceptions import SchemaSaladException

    from voxome.workflow.documents import NETWORK, DocumentFetcher, may_fetch, refuse_recursion
    from voxome.workflow.foreign.javascript import has_javascript

    file = path.partition("#")[0]
    if Path(file).is_dir():
        raise InvalidInput(f"{file} is a folder; expected the path of a CWL file")
    if not urlsplit(file).scheme and not Path(file).is_file():
        raise NotFound(f"{file} does not exist; expected the path of a CWL file")
    allowed = may_fetch(file)
    context = LoadingContext({"doc_cache": False, "construct_tool_object": refuse_recursion(default_make_tool)})
    context.fetcher_constructor = partial(DocumentFetcher, allow_network=allowed, imports={})
    context.disable_js_validation = not has_javascript()
    with _quiet():
        try:
            return load_tool(path, context)
        except RecursionError as error:
            raise InvalidInput(f"{file} has too many workflows inside each other") from error
        except VoxomeError:
            raise
        except Exception as error:
            if isinstance(error, SchemaSaladException | OSError) or type(error).__module__.startswith("cwl"):
                refused = not allowed and re.search(r"undefined reference to '\w+://(?!/)", str(error))
                raise InvalidInput(f"{file} is not valid CWL:\n{error}{f'; {NETWORK}' if refused else ''}") from error
            # the libraries raise whatever they meet in a document that is malformed
            raise InvalidInput(f"{file} is not CWL; expected cwlVersion, class, inputs, steps") from error


def _flatten(
    workflow: Any, prefix: str, scope: Mapping[str, Source], problems: list[str]
) -> tuple[list[Node], dict[str, Source]]:
    """Return the steps of `workflow`, in order, and its outputs; `scope` maps ids of its inputs to their sources."""
    known: dict[str, Source] = dict(scope)
    nodes: list[Node] = []
    problems += _workflow_problems(workflow.tool)
    for step in ordered_steps(workflow):
        name = prefix + short(step.id)
        problems += _step_problems(f"step {name}", step.tool)
        bound: dict[str, Source] = {}
        for entry in step.tool["in"]:
            problems += unknown_fields("step input", f"input {short(entry['id'])!r} of step {name}", entry)
            source = _source(entry, "source", known, f"step {name}", problems)
            if source is not None:
                bound[short(entry["id"])] = source
        inner = step.embedded_tool
        ports = {short(entry["id"]) for entry in inner.tool["inputs"]}
        problems += [
            at(step.tool, "in", f"step {name} has no input {port!r}; its inputs: {', '.join(sorted(ports))}")
            for port in sorted(bound.keys() - ports)
        ]
        if inner.tool["class"] == "Workflow":
            inner_nodes, results = _flatten(inner, f"{name}.", _inner_scope(inner, bound), problems)
            nodes += inner_nodes
        elif gathers(inner.tool):
            problems += gather_problems(inner.tool)
            results = gathered(inner.tool, bound)
        elif blocks_hint(inner.tool) is not None:
            inner_nodes, results = command_nodes(name, inner, tool_sources(inner.tool, bound), problems)
            nodes += inner_nodes
        else:
            nodes.append(tool_node(name, step, bound, problems))
            results = {short(entry["id"]): FromStep(name, short(entry["id"])) for entry in inner.tool["outputs"]}
        known.update({out: results[short(out)] for out in output_ids(step) if short(out) in results})
    outputs = {}
    for entry in workflow.tool["outputs"]:
        problems += unknown_fields("workflow output", f"the output {short(entry['id'])!r}", entry)
        source = _source(entry, "outputSource", known, f"output {short(entry['id'])}", problems)
        if source is not None:
            outputs[short(entry["id"])] = source
    return nodes, outputs


def _workflow_problems(workflow: Any) -> Iterator[str]:
    """Yield what voxome does not understand of a workflow and its inputs."""
    yield from unknown_fields("workflow", "the workflow", workflow)
    yield from unknown_requirements("the workflow", workflow)
    for entry in workflow["inputs"]:
        title = f"the input {short(entry['id'])!r}"
        yield from unknown_fields("workflow input", title, entry)
        yield from unknown_type(title, entry)
        yield from literal_files(title, entry)


def _step_problems(title: str, step: Any) -> Iterator[str]:
    """Yield what voxome does not understand of a step, besides its inputs."""
    yield from unknown_fields("step", title, step)
    yield from unknown_requirements(title, step)
    for entry in step["out"]:
        yield from unknown_fields("step output", f"an output of {title}", entry)
    for entry in step["in"]:
        yield from literal_files(f"input {short(entry['id'])!r} of {title}", entry)


def _lost_outputs(workflow: Any, outputs: Mapping[str, Source]) -> Iterator[str]:
    """Yield the outputs of a workflow that no step computes."""
    written = files_of_gathering(workflow)
    for entry in workflow.tool["outputs"]:
        name = short(entry["id"])
        if not isinstance(outputs.get(name), FromStep) and not written & set(source_ids(entry, "outputSource")):
            message = f"the output {name!r} is an input, or has no source; expected an output of a step"
            yield at(entry, "outputSource" if "outputSource" in entry else "id", message)


def ordered_steps(workflow: Any) -> list[Any]:
    """Sort the steps so that each follows those that it needs; cwltool has refused cycles."""
    steps = {step.id: step for step in sorted(workflow.steps, key=lambda step: str(step.id))}
    producers = {out: name for name, step in steps.items() for out in output_ids(step)}
    inputs = {name: [source_ids(entry, "source") for entry in step.tool["in"]] for name, step in steps.items()}
    needs = {
        name: [producers[source] for sources in lists for source in sources if source in producers]
        for name, lists in inputs.items()
    }
    return [steps[name] for name in TopologicalSorter(needs).static_order()]


def _inner_scope(workflow: Any, bound: Mapping[str, Source]) -> dict[str, Source]:
    """Map the inputs of a sub-workflow to their sources: what its step binds, else their defaults."""
    scope: dict[str, Source] = {}
    for entry in workflow.tool["inputs"]:
        source = or_default(bound.get(short(entry["id"])), entry.get("default"))
        if source is not None:
            scope[entry["id"]] = source
    return scope


def _source(entry: Any, key: str, known: Mapping[str, Source], where: str, problems: list[str]) -> Source | None:
    """Return the source of `entry` (a step input or a workflow output); None if it has none."""
    sources = source_ids(entry, key)
    if len(sources) > 1:
        problems.append(at(entry, key, f"{where} joins {len(sources)} sources at {short(entry['id'])!r}"))
        return None
    return or_default(known.get(sources[0]) if sources else None, entry.get("default"))


def source_ids(entry: Any, key: str) -> list[str]:
    """Return the ids of the sources of a step input or a workflow output."""
    sources = entry.get(key)
    return [] if sources is None else [sources] if isinstance(sources, str) else list(sources)


def or_default(source: Source | None, default: Any) -> Source | None:
    """Return `source`, with `default` where it can be empty."""
    if default is None:
        return source
    if source is None:
        return Constant(plain_value(default))
    if isinstance(source, FromInput) and source.default is None:
        return replace(source, default=plain_value(default))
    return source


def tool_node(name: str, step: Any, bound: Mapping[str, Source], problems: list[str]) -> Node:
    """Return the node of a step that runs a tool of voxome."""
    tool = step.embedded_tool.tool
    hint: Mapping[str, Any] = next((one for one in tool.get("hints", ()) if one.get("class") == TOOL_HINT), {})
    if tool["class"] == "CommandLineTool" and "name" in hint:
        problems += tool_problems(tool, hint)
    else:
        problems.append(at(step.tool, "run", f"step {name} does not run a voxome tool: it has no hint voxome:Tool"))
    inputs = tool_sources(tool, bound)
    return Node(name, short(str(hint.get("name", ""))), str(hint.get("version", "1")), inputs)


def tool_sources(tool: Any, bound: Mapping[str, Source]) -> dict[str, Source]:
    """Return the sources of the ports of a tool: what its step binds, else their defaults."""
    ports = {short(entry["id"]): entry.get("default") for entry in tool["inputs"]}
    sources = {port: or_default(bound.get(port), default) for port, default in ports.items()}
    return {port: source for port, source in sources.items() if source is not None}


def read_run_hint(workflow: Any, outputs: Mapping[str, object], problems: list[str]) -> RunHint:
    """Read the hint about reports, scores and file names of results."""
    hint: Mapping[str, Any] = next((one for one in workflow.get("hints", ()) if one.get("class") == RUN_HINT), {})
    wrong = list(hint_problems(hint, outputs))
    problems += [at(hint, name, problem) for name, problem in wrong]
    if wrong:
        return RunHint()
    return RunHint(hint.get("report"), hint.get("scorer"), plain_value(hint.get("results", {})))


def workflow_input(entry: Any) -> GraphInput:
    """Return an input of a workflow."""
    types = entry["type"] if isinstance(entry["type"], list) else [entry["type"]]
    names = [short(t["type"] if isinstance(t, Mapping) else t) for t in types]
    arrays = [one["items"] for one in types if isinstance(one, Mapping) and one["type"] == "array"]
    default = plain_value(entry.get("default"))
    doc = entry.get("doc") or entry.get("label") or ""
    return GraphInput(
        name=short(entry["id"]),
        types=tuple(name for name in names if name != "null"),
        required="null" not in names and default is None,
        default=default,
        doc=doc if isinstance(doc, str) else "\n".join(doc),
        items=tuple(short(one) for one in arrays if isinstance(one, str)),
    )


def plain_value(value: Any) -> Any:
    """Convert a CWL value to plain Python; a File or Directory becomes its path or URI."""
    if isinstance(value, Mapping):
        if is_file(value):
            return file_address(value)
        return {str(name): plain_value(one) for name, one in value.items()}
    return [plain_value(one) for one in value] if isinstance(value, list) else value


def output_ids(step: Any) -> list[str]:
    """Return the full ids of the outputs of a step."""
    return [entry if isinstance(entry, str) else str(entry["id"]) for entry in step.tool["out"]]


__all__ = ["Constant", "FromInput", "FromStep", "Graph", "GraphInput", "Node", "Source", "load"]
