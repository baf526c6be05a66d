"""Run one tool over a volume as a single step; this is what a CWL runner starts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from voxome.blocks.runner import run_step
from voxome.blocks.step import Step
from voxome.config.folders import state_folder
from voxome.config.machine import worker_count
from voxome.contracts.cwl_type import cwl_type
from voxome.contracts.formats import PRIVATE
from voxome.contracts.handle import STORE, Handle, within
from voxome.contracts.ports import port_of
from voxome.contracts.tool import Tool, ToolSpec
from voxome.engines.choice import EngineChoice, StepEngines
from voxome.records.choice import RecordsChoice, records_opener
from voxome.records.folder import lock_folder, map_disk_errors
from voxome.records.scoped import ledger_of
from voxome.registry import load
from voxome.storage.find import storage_at
from voxome.workflow.graph import FromInput, FromStep, Graph, GraphInput, Node
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.run import Progress
from voxome.workflow.store import lock_results, run_id, store_address
from voxome.workflow.write_into import write_into


def graph_of(spec: ToolSpec) -> Graph:
    """Return the workflow that has the tool as its only step."""
    inputs: dict[str, GraphInput] = {}
    for name, one in spec.inputs.items():
        port = port_of(name)
        inputs[port] = GraphInput(port, ("File", "string"), one.required)
    for name, parameter in spec.parameters.items():
        cwl = cwl_type(parameter.annotation)
        types = (cwl if isinstance(cwl, str) else str(cwl["type"]),)
        port = port_of(name)
        inputs[port] = GraphInput(port, types, parameter.required, doc=parameter.summary)
    node = Node(spec.name, spec.name, spec.version, {port: FromInput(port) for port in inputs})
    return Graph(spec.name, inputs, (node,), {name: FromStep(spec.name, name) for name in spec.outputs})


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
    count = worker_count(workers)
    by_port = {port_of(name): value for name, value in values.items()}
    plan = make_plan(graph_of(tool.spec), by_port, replace(options or RunOptions(), home=STORE))
    step = write_into(plan.steps[0], into or {}, count if engine is None else max(count, 2))
    address = store_address(store, Path(store))
    folder = _ledger_folder(step, address)
    log = folder / PRIVATE / "workers.log"
    engines = StepEngines(engine, [step.name], workers=count, log=log)
    open_records = records_opener(records)
    with (
        map_disk_errors(folder),
        lock_folder(folder),
        lock_results(within(step.folder, address), folder),
        open_records(folder / PRIVATE, "step") as opened,
        engines,
    ):
        ledger = ledger_of(opened, run_id(folder))
        run_step(step, address, engines[step.name], ledger, log=log, progress=progress)
        if step.into:
            ledger.forget(step.key)
    return {output: step.output(output).within(address) for output in plan.outputs}


def _ledger_folder(step: Step, address: str) -> Path:
    """Return the folder of ledger and log: that of the step, or a state folder if the store is remote."""
    folder = within(step.folder, address)
    if storage_at(address).is_local:
        return Path(folder)
    return state_folder() / f"{step.name}-{step.key}-{hashlib.sha256(folder.encode()).hexdigest()[:16]}"
