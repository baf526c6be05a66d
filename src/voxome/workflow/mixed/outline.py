"""Read a workflow whose steps are of voxome and others: what can be planned, and what is known only during a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxome.errors import InvalidInput
from voxome.workflow.blocks_hint import parse_blocks_hint
from voxome.workflow.command_step import blocks_hint, command_nodes
from voxome.workflow.command_step import tool_problems as blocks_problems
from voxome.workflow.cwl import (
    or_default,
    ordered_steps,
    output_ids,
    parse_process,
    read_graph,
    read_run_hint,
    require_evaluation,
    source_ids,
    tool_node,
    tool_sources,
    workflow_input,
    workflow_name,
)
from voxome.workflow.cwl_subset import SECRETS, WRITTEN, secret_inputs, short, tool_hint, tool_name, tool_problems
from voxome.workflow.gather_hint import gathers
from voxome.workflow.graph import FromInput, FromStep, Graph, Node, PendingStep, Source
from voxome.workflow.hint import RunHint
from voxome.workflow.mixed.files import read_files_hint

_IN_ENTRIES = ("valueFrom", "linkMerge", "pickValue", "loadContents", "loadListing")
"""Fields of an input of a step, or of an output, whose value is known only during a run."""
_RUNS_AS = {"CommandLineTool": "command", "ExpressionTool": "expression"}


def read_workflow(path: str | Path) -> Graph:
    """Read a workflow of voxome, or one that has other steps, too.

    Parameters
    ----------
    path : path
        A CWL document, v1.0 to v1.2; ``FILE#main`` names one process of a packed document.

    Returns
    -------
    Graph
        With pending steps if it has any of other tools, scatter, conditions, or expressions.

    Raises
    ------
    NotFound, InvalidInput
        As by `voxome.workflow.cwl.load`; in a workflow with pending steps, for what is wrong with tools of voxome.
    """
    process = parse_process(str(path))
    require_evaluation(path, process)
    return _mixed_graph(path, process) if _is_mixed(process) else read_graph(path, process)


def is_tool(tool: Mapping[str, Any]) -> bool:
    """Return whether the block runner takes over a CommandLineTool."""
    return tool["class"] == "CommandLineTool" and (tool_hint(tool) is not None or blocks_hint(tool) is not None)


@dataclass(frozen=True)
class _Later:
    """A value that is known only during a run, after these steps, or made of these inputs of the workflow."""

    steps: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


_Value = Source | _Later


@dataclass(frozen=True)
class _Around:
    """What the sub-workflows around a step add to it.

    Attributes
    ----------
    prefix : str
        Beginning of the names of its steps.
    scatter : tuple of str
        Inputs over which they scatter.
    is_conditional : bool
        Whether they may be skipped.
    """

    prefix: str = ""
    scatter: tuple[str, ...] = ()
    is_conditional: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether how often their steps run is known only during a run."""
        return bool(self.scatter) or self.is_conditional


@dataclass
class _Outline:
    """Steps that were read so far."""

    nodes: list[Node] = field(default_factory=list)
    pending: list[PendingStep] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    delivered: set[str] = field(default_factory=set)
    """Steps of voxome."""

    def read(self, workflow: Any, scope: Mapping[str, _Value], around: _Around) -> dict[str, _Value]:
        """Read the steps of a workflow, and return its outputs; `scope` maps ids of its inputs to their values."""
        known: dict[str, _Value] = dict(scope)
        for step in ordered_steps(workflow):
            results = self._read_step(step, known, around)
            known.update({out: results[short(out)] for out in output_ids(step) if short(out) in results})
        return {short(entry["id"]): _value(entry, "outputSource", known) for entry in workflow.tool["outputs"]}

    def _read_step(self, step: Any, known: Mapping[str, _Value], around: _Around) -> dict[str, _Value]:
        name, inner = around.prefix + short(step.id), step.embedded_tool
        values = {short(entry["id"]): _value(entry, "source", known) for entry in step.tool["in"]}
        scatter = step.tool.get("scatter") or []
        names = tuple(short(one) for one in ([scatter] if isinstance(scatter, str) else scatter))
        here = _Around(
            f"{name}.", (*around.scatter, *names), around.is_conditional or step.tool.get("when") is not None
        )
        values = {port: _later(value) if port in names else value for port, value in values.items()}
        if inner.tool["class"] == "Workflow":
            return self.read(inner, _scope(inner, values), here)
        together = _later(*values.values())
        ports = {short(entry["id"]) for entry in inner.tool["outputs"]}
        is_ours = is_tool(inner.tool)
        if is_ours:
            self.delivered.add(name)
        bound = {port: value for port, value in values.items() if not isinstance(value, _Later)}
        if is_ours and not here.is_pending and len(bound) == len(values):
            return self._plannable(name, step, bound)
        if is_ours:
            self.problems += _problems(inner.tool)
        else:
            read_files_hint(inner.tool, self.problems)
        runs_as = "blocks" if is_ours else _RUNS_AS.get(inner.tool["class"], "command")
        self.pending.append(
            PendingStep(
                name,
                tool_name(inner.tool, name),
                runs_as,
                together.steps,
                here.scatter,
                here.is_conditional,
                together.inputs,
            )
        )
        return dict.fromkeys(ports, _Later((name,)))

    def _plannable(self, name: str, step: Any, bound: Mapping[str, Source]) -> dict[str, _Value]:
        """Read a step whose inputs are known before a run."""
        inner = step.embedded_tool
        ports = {short(entry["id"]) for entry in inner.tool["inputs"]}
        given = {port: source for port, source in bound.items() if port in ports}
        if blocks_hint(inner.tool) is not None:
            nodes, outputs = command_nodes(name, inner, tool_sources(inner.tool, given), self.problems)
            self.nodes += nodes
            return dict(outputs)
        self.nodes.append(tool_node(name, step, given, self.problems))
        return {short(entry["id"]): FromStep(name, short(entry["id"])) for entry in inner.tool["outputs"]}


def _mixed_graph(path: str | Path, workflow: Any) -> Graph:
    outline = _Outline()
    scope: dict[str, _Value] = {entry["id"]: FromInput(short(entry["id"])) for entry in workflow.tool["inputs"]}
    outputs = outline.read(workflow, scope, _Around())
    known = {name: value for name, value in outputs.items() if isinstance(value, FromStep)}
    hint = read_run_hint(workflow.tool, outputs, outline.problems)
    secrets = secret_inputs(workflow.get_requirement(SECRETS)[0])
    outline.problems += _secret_problems(outline.nodes, secrets)
    deliveries = dict(_deliveries(workflow, outline.delivered))
    scattered = {deliveries[key] for key in deliveries for one in outline.pending if one.name == key[0] and one.scatter}
    outline.problems += _name_problems({short(entry["id"]) for entry in workflow.tool["outputs"]}, scattered, hint)
    if outline.problems:
        lines = "\n".join(f"  - {problem}" for problem in dict.fromkeys(outline.problems))
        raise InvalidInput(f"{path} has tools that cannot run:\n{lines}")
    inputs = {short(entry["id"]): workflow_input(entry) for entry in workflow.tool["inputs"]}
    return Graph(
        workflow_name(path),
        inputs,
        tuple(outline.nodes),
        dict(known),
        hint,
        tuple(outline.pending),
        deliveries,
        str(path) if "://" in str(path) else str(Path(path).absolute()),
        secrets,
    )


def _secret_problems(nodes: Sequence[Node], secrets: Sequence[str]) -> Iterator[str]:
    """Yield the steps of voxome that would get secrets; those that are planned during a run are checked then."""
    for node in nodes:
        given = {one.name for one in node.inputs.values() if isinstance(one, FromInput)}
        for name in sorted(given.intersection(secrets)):
            yield f"step {node.name} is given the input {name}, a secret (cwltool:Secrets), but {WRITTEN}"


def _name_problems(outputs: set[str], scattered: set[str], hint: RunHint) -> Iterator[str]:
    """Yield the outputs whose file could be that of an element of an array, which has its index at the end."""
    for array in sorted(scattered):
        pattern = re.compile(rf"{re.escape(hint.file_name(array))}(_\d+)+")
        for name in sorted(outputs - {array}):
            if pattern.fullmatch(hint.file_name(name)):
                yield (
                    f"the output {name} and an element of the output {array} would both be written to "
                    f"{hint.file_name(name)}; choose another name in the hint voxome:Run"
                )


def _is_mixed(process: Any) -> bool:
    """Return whether a process has steps that are not of voxome, or whose jobs are known only during a run."""
    if process.tool["class"] != "Workflow":
        return False
    if any(_is_computed(entry, "outputSource") for entry in process.tool["outputs"]):
        return True
    for step in process.steps:
        inner = step.embedded_tool
        if step.tool.get("scatter") or step.tool.get("when") is not None:
            return True
        if any(_is_computed(entry, "source") for entry in step.tool["in"]):
            return True
        if _is_mixed(inner) if inner.tool["class"] == "Workflow" else not (is_tool(inner.tool) or gathers(inner.tool)):
            return True
    return False


def _is_computed(entry: Mapping[str, Any], key: str) -> bool:
    return len(source_ids(entry, key)) > 1 or any(entry.get(name) is not None for name in _IN_ENTRIES)


def _value(entry: Mapping[str, Any], key: str, known: Mapping[str, _Value]) -> _Value:
    """Return the value of an input of a step, or an output; one that is not set is later, as nothing is known of it."""
    values = [known.get(one, _Later()) for one in source_ids(entry, key)]
    later = [one for one in values if isinstance(one, _Later)]
    if _is_computed(entry, key) or later:
        return _later(*values)
    source = or_default(values[0] if values else None, entry.get("default"))  # type: ignore[arg-type]
    return _Later() if source is None else source


def _later(*values: _Value) -> _Later:
    """Return what is made of these values during a run."""
    steps: dict[str, None] = {}
    inputs: dict[str, None] = {}
    for value in values:
        if isinstance(value, _Later):
            steps |= dict.fromkeys(value.steps)
            inputs |= dict.fromkeys(value.inputs)
        elif isinstance(value, FromStep):
            steps[value.step] = None
        elif isinstance(value, FromInput):
            inputs[value.name] = None
    return _Later(tuple(steps), tuple(inputs))


def _scope(workflow: Any, values: Mapping[str, _Value]) -> dict[str, _Value]:
    """Return the values of the inputs of a sub-workflow by their ids."""
    scope: dict[str, _Value] = {}
    for entry in workflow.tool["inputs"]:
        value = values.get(short(entry["id"]))
        source = value if isinstance(value, _Later) else or_default(value, entry.get("default"))
        scope[entry["id"]] = _Later() if source is None else source
    return scope


def _deliveries(workflow: Any, steps: set[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield step and output of the tools of voxome that are outputs of the workflow, and the names of these."""
    for entry in workflow.tool["outputs"]:
        sources = source_ids(entry, "outputSource")
        found = None if _is_computed(entry, "outputSource") or not sources else _producer(workflow, sources[0], "")
        if found is not None and found[0] in steps:
            yield found, short(entry["id"])


def _producer(workflow: Any, source: str, prefix: str) -> tuple[str, str] | None:
    """Return the step, and its output, in a workflow or its sub-workflows that a source names."""
    for step in workflow.steps:
        if source in output_ids(step):
            name, inner = prefix + short(step.id), step.embedded_tool
            if inner.tool["class"] != "Workflow":
                return name, short(source)
            outputs = {short(entry["id"]): entry for entry in inner.tool["outputs"]}
            entry = outputs.get(short(source), {})
            sources: Sequence[str] = source_ids(entry, "outputSource")
            return _producer(inner, sources[0], f"{name}.") if len(sources) == 1 else None
    return None


def _problems(tool: Any) -> list[str]:
    """Return what is wrong with a tool of voxome, or its hint."""
    hint = blocks_hint(tool)
    if hint is None:
        return list(tool_problems(tool, tool_hint(tool) or {}))
    problems: list[str] = []
    read = parse_blocks_hint(hint, tool, problems)
    return [*problems, *blocks_problems(tool, read)]
