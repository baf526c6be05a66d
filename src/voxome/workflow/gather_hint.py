"""Steps that write the results of a workflow under their names, for other CWL runners.

Their tool has the hint ``voxome:Gather``. `voxome.run` gives results their names itself, and skips such steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxome.workflow.cwl_subset import at, short
from voxome.workflow.graph import Source

GATHER_HINT = "https://voxome.org/cwl#Gather"
"""Class of the hint of a CommandLineTool that gathers results."""
_COMMAND = ["voxome", "gather"]


def gathers(tool: Mapping[str, Any]) -> bool:
    """Return whether a process gathers results."""
    return any(one.get("class") == GATHER_HINT for one in tool.get("hints") or ())


def gather_problems(tool: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a step with the hint cannot be skipped."""
    if tool.get("baseCommand") != _COMMAND:
        yield at(
            tool, "baseCommand", f"a tool with the hint voxome:Gather has another baseCommand; expected {_COMMAND}"
        )


def gathered(tool: Mapping[str, Any], bound: Mapping[str, Source]) -> dict[str, Source]:
    """Return the outputs of a tool that gathers results: the sources of its inputs of the same names."""
    return {name: bound[name] for name in map(short, (one["id"] for one in tool["outputs"])) if name in bound}


def files_of_gathering(workflow: Any) -> set[str]:
    """Return the ids of what such steps of a workflow write besides results, such as the report."""
    return {
        out
        for step in workflow.steps
        if gathers(step.embedded_tool.tool)
        for out in map(str, step.tool["out"])
        if short(out) not in {short(entry["id"]) for entry in step.tool["in"]}
    }
