"""Run one tool over a volume as a single step; this is what a CWL runner starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voxome.contracts.handle import Handle
from voxome.contracts.ports import port_of
from voxome.contracts.tool import Tool, ToolSpec
from voxome.engines.choice import EngineChoice
from voxome.records.choice import RecordsChoice
from voxome.registry import load
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.graph import Graph
from voxome.workflow.options import RunOptions
from voxome.workflow.run import Progress


def graph_of(spec: ToolSpec) -> Graph:
    """Return the workflow that has the tool as its only step."""
    return chain_of(spec.name, spec)


def run_tool(
    name: str,
    values: Mapping[str, object],
    *,
    store: str | Path,
    workers: int | None = None,
    options: RunOptions | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    progress: Progress | None = None,
    into: Mapping[str, str] | None = None,
) -> dict[str, Handle]:
    """Run the tool `name` block by block; repeat the same call to resume one that was interrupted.

    Parameters
    ----------
    values : mapping of str to values
        Inputs (handle files, paths, URIs) and parameters.
    store : str or path
        Results are written to the folder ``<name>-<step key>`` below this folder or address
        (``s3://bucket/prefix?endpoint=…``). Ledger and log are there too, or, if the store is not on this machine,
        below ``VOXOME_STATE`` or the user's cache folder.
    workers : int, optional
        Number of processes; by default the cores that this process may use.
    options : RunOptions, optional
        Block, box, level, voxel size.
    engine, records : optional
        What runs the jobs, and what keeps events and finished jobs; see `voxome.run`.
    progress : function of a StepReport, optional
        Called after every job.
    into : mapping of str to str, optional
        Outputs → URIs of existing arrays to write them into. They are written again by every call, unless it resumes
        one that was interrupted.

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
    return run_chain(
        graph_of(tool.spec),
        by_port,
        store=store,
        workers=workers,
        options=options,
        engine=engine,
        records=records,
        progress=progress,
        into=into,
    )
