"""Run a few tools one after the other, as one command does that needs no CWL."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from voxome.blocks.runner import run_step
from voxome.blocks.step import Step, inputs_from_outside
from voxome.config.folders import state_folder
from voxome.config.machine import worker_count
from voxome.contracts.cwl_type import cwl_type
from voxome.contracts.formats import PRIVATE
from voxome.contracts.handle import STORE, Handle, within
from voxome.contracts.parameter import Parameter
from voxome.contracts.ports import port_of
from voxome.contracts.tool import Input, ToolSpec
from voxome.engines.choice import EngineChoice, StepEngines
from voxome.records.choice import RecordsChoice, records_opener
from voxome.records.folder import lock_folder, map_disk_errors
from voxome.records.scoped import ledger_of
from voxome.storage.find import storage_at
from voxome.workflow.graph import FromInput, FromStep, Graph, GraphInput, Node, Source
from voxome.workflow.options import RunOptions
from voxome.workflow.plan import make_plan
from voxome.workflow.run import Progress
from voxome.workflow.store import lock_results, run_id, store_address
from voxome.workflow.write_into import write_into


def chain_of(name: str, *specs: ToolSpec) -> Graph:
    """Return the workflow that has these tools as its steps, one after the other.

    An input of a tool that has the name of an output of a tool before it comes from there; all other inputs and
    parameters are inputs of the workflow, those of several tools that have one name only once. The outputs of the
    workflow are those of the last tool.

    Parameters
    ----------
    name : str
        Name of the workflow.
    specs : ToolSpec
        The tools.
    """
    inputs: dict[str, GraphInput] = {}
    made: dict[str, FromStep] = {}
    nodes: list[Node] = []
    for spec in specs:
        sources: dict[str, Source] = {port_of(one): made[one] for one in spec.inputs if one in made}
        ports: list[Input | Parameter] = [*spec.inputs.values(), *spec.parameters.values()]
        for one in ports:
            if one.name not in made:
                port = port_of(one.name)
                inputs.setdefault(port, _graph_input(port, one))
                sources[port] = FromInput(port)
        nodes.append(Node(spec.name, spec.name, spec.version, sources))
        made |= {output: FromStep(spec.name, output) for output in spec.outputs}
    last = specs[-1]
    return Graph(name, inputs, tuple(nodes), {output: FromStep(last.name, output) for output in last.outputs})


def _graph_input(port: str, one: Input | Parameter) -> GraphInput:
    if isinstance(one, Input):
        return GraphInput(port, ("File", "string"), one.required)
    cwl = cwl_type(one.annotation)
    types = (cwl if isinstance(cwl, str) else str(cwl["type"]),)
    return GraphInput(port, types, one.required, doc=one.summary)


def run_chain(
    graph: Graph,
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
    """Run the steps of a graph in order, block by block; repeat the same call to resume one that was interrupted.

    Parameters
    ----------
    graph : Graph
        See `chain_of`.
    values : mapping of str to values
        Inputs of the graph: handle files, paths, URIs, numbers.
    store : str or path
        Folder or address below which every step has a folder ``<name>-<key>``, with its ledger and log if it is on this
        machine.
    workers, options, engine, records, progress : optional
        See `voxome.workflow.run_tool.run_tool`.
    into : mapping of str to str, optional
        Outputs of the last step → URIs to write them into.

    Returns
    -------
    dict of str to Handle
        Locations of the outputs of the last step.

    Raises
    ------
    PlanError, RunLocked, RunFailed
    """
    count = worker_count(workers)
    plan = make_plan(graph, values, replace(options or RunOptions(), home=STORE))
    *before, last = plan.steps
    last = write_into(last, into or {}, count if engine is None else max(count, 2))
    address = store_address(store, Path(store))
    if not _is_complete(last, address):
        outside = inputs_from_outside(plan.steps)
        for step in (*before, last):
            _run(step, address, outside, count, engine, records, progress)
    return {name: last.output(name).within(address) for name in graph.outputs}


def _is_complete(step: Step, address: str) -> bool:
    """Whether all that a step writes elsewhere is there; a volume that exists is always written again."""
    targets = [(kind, target) for kind, target in step.targets(address) if target.existing]
    return bool(targets) and all(kind.is_complete(target) and not kind.is_volume for kind, target in targets)


def _run(
    step: Step,
    address: str,
    outside: Mapping[str, Handle],
    workers: int,
    engine: EngineChoice | None,
    records: RecordsChoice | None,
    progress: Progress | None,
) -> None:
    folder = _ledger_folder(step, address)
    log = folder / PRIVATE / "workers.log"
    engines = StepEngines(engine, [step.name], workers=workers, log=log)
    open_records = records_opener(records)
    with (
        map_disk_errors(folder),
        lock_folder(folder),
        lock_results(within(step.folder, address), folder),
        open_records(folder / PRIVATE, "step") as opened,
        engines,
    ):
        run = run_id(folder)
        ledger = ledger_of(opened, run)
        run_step(step, address, engines[step.name], ledger, log=log, progress=progress, run=run, outside=outside)
        if any(kind.is_volume and target.existing for kind, target in step.targets(address)):
            ledger.forget(step.key)


def _ledger_folder(step: Step, address: str) -> Path:
    """Return the folder of ledger and log: that of the step, or a state folder if the store is remote."""
    folder = within(step.folder, address)
    if storage_at(address).is_local:
        return Path(folder)
    return state_folder() / f"{step.name}-{step.key}-{hashlib.sha256(folder.encode()).hexdigest()[:16]}"
