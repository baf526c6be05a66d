"""Run one tool over a volume as a single step; this is what a CWL runner starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

from voxome.contracts.handle import Handle
from voxome.contracts.ports import port_of
from voxome.contracts.tool import Tool, ToolSpec
from voxome.registry import load
from voxome.workflow.chain import ChainOptions, chain_of, run_chain
from voxome.workflow.graph import Graph


def graph_of(spec: ToolSpec) -> Graph:
    """Return the workflow that has the tool as its only step."""
    return chain_of(spec.name, spec)


def run_tool(
    name: str, values: Mapping[str, object], *, store: str | Path, **how: Unpack[ChainOptions]
) -> dict[str, Handle]:
    """Run the tool `name` block by block; repeat the same call to resume one that was interrupted.

    Parameters
    ----------
    name : str
        Name of the tool.
    values : mapping of str to values
        Inputs (handle files, paths, URIs) and parameters.
    store : str or path
        Results are written to the folder ``<name>-<step key>`` below this folder or address
        (``s3://bucket/prefix?endpoint=…``). Ledger and log are there too, or, if the store is not on this machine,
        below ``VOXOME_STATE`` or the user's cache folder.
    **how
        See `voxome.workflow.chain.ChainOptions`.

    Returns
    -------
    dict of str to Handle
        Locations of the outputs.

    Raises
    ------
    UnknownName, PlanError, RunLocked, RunFailed
    """
    tool: Tool = load("voxome.tools", name)
    by_port = {port_of(name): value for name, value in values.items()}
    return run_chain(graph_of(tool.spec), by_port, store=store, **how)
