"""Run a few tools one after the other, as one command does that needs no CWL."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from voxome.blocks.runner import run_step
from voxome.blocks.step import Step, inputs_from_outside
from voxome.config.folders import state_folder
from voxome.config.machine import worker_count
from voxome.contracts.cwl_type import cwl_type
from voxome.contracts.formats import PRIVATE
from voxome.contracts.handle import STORE, Handle, within
from voxome.contracts.parameter import Parameter
from voxome.contracts.ports import port_of
from voxome.contracts.records import Ledger
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
from voxome.workflow.target_locks import lock_targets
from voxome.workflow.write_into import write_into

_LOG = logging.getLogger(__name__)


def chain_of(name: str, *specs: ToolSpec) -> Graph:
    """Return the workflow that has these tools as its steps, one after the other.

    An input of a tool that has the name of an output of a tool before it comes from there; all other inputs and
    parameters are inputs of the workflow, those of several tools that have one name only once. The outputs of the
    workflow are those of the last tool, and of all before whose outputs no tool takes.

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
    taken = {source.step for node in nodes for source in node.inputs.values() if isinstance(source, FromStep)}
    ends = [spec for spec in specs if spec.name not in taken]
    outputs = {output: FromStep(spec.name, output) for spec in ends for output in spec.outputs}
    return Graph(name, inputs, tuple(nodes), outputs)


def _graph_input(port: str, one: Input | Parameter) -> GraphInput:
    if isinstance(one, Input):
        return GraphInput(port, ("File", "string"), one.required)
    cwl = cwl_type(one.annotation)
    types = (cwl if isinstance(cwl, str) else str(cwl["type"]),)
    return GraphInput(port, types, one.required, doc=one.summary)


class ChainOptions(TypedDict, total=False):
    """How a chain runs.

    Attributes
    ----------
    workers : int, optional
        Number of processes; by default the cores that this process may use.
    options : RunOptions, optional
        Block, box, level, voxel size.
    engine, records : optional
        What runs the jobs, and what keeps events and finished jobs; see `voxome.run`.
    progress : function of a StepReport, optional
        Called after every job.
    into : mapping of str to str, optional
        Outputs of the last step → URIs to write them into. Existing arrays are written again by every call, unless it
        resumes one that was interrupted.
    overwrite : bool
        Whether meshes, skeletons and tables of other calls, at these URIs, are replaced. They are removed when the last
        step begins to write.
    temporary : bool
        Whether the folders of the steps in `store` are removed when the outputs are complete.
    fresh : bool
        Whether to remove what earlier calls of the same have computed, and start again.
    """

    workers: int | None
    options: RunOptions | None
    engine: EngineChoice | None
    records: RecordsChoice | None
    progress: Progress | None
    into: Mapping[str, str] | None
    overwrite: bool
    temporary: bool
    fresh: bool


def run_chain(
    graph: Graph, values: Mapping[str, object], *, store: str | Path, **how: Unpack[ChainOptions]
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
    **how
        See `ChainOptions`.

    Returns
    -------
    dict of str to Handle
        Locations of the outputs of the graph.

    Raises
    ------
    PlanError, RunLocked, RunFailed
    """
    workers, overwrite, fresh = worker_count(how.get("workers")), how.get("overwrite", False), how.get("fresh", False)
    plan = make_plan(graph, values, replace(how.get("options") or RunOptions(), home=STORE))
    *before, last = plan.steps
    writers = workers if how.get("engine") is None else max(workers, 2)
    last = write_into(last, how.get("into") or {}, writers, overwrite=overwrite)
    address = store_address(store, Path(store))
    outside = inputs_from_outside(plan.steps)
    with lock_targets(last, address):
        if _is_complete(last, address) and not fresh:
            _warn_of_reuse(last, outside)
        else:
            for step in (*before, last):
                _run(step, address, outside, workers, how)
        if how.get("temporary"):
            for step in (*before, last):
                storage_at(within(step.folder, address)).delete()
    steps = {step.name: step for step in (*before, last)}
    ends = {name: one for name, one in graph.outputs.items() if isinstance(one, FromStep)}
    return {name: steps[one.step].output(one.output).within(address) for name, one in ends.items()}


def _warn_of_reuse(step: Step, outside: Mapping[str, Handle]) -> None:
    """Warn that a result is not computed again although its inputs may have changed."""
    for handle in outside.values():
        if handle.unpinned:
            _LOG.warning(
                "%s is kept, as %s has the same version as before; its store does not report changes of its data: "
                "after one, compute it again (--fresh, fresh=True)",
                ", ".join(step.into.values()),
                handle.uri,
            )


def _discard(step: Step, address: str, *, overwrite: bool) -> None:
    for kind, target in step.targets(address):
        if target.existing:
            kind.discard(replace(target, replacing=overwrite))


def _is_complete(step: Step, address: str) -> bool:
    """Whether all that a step writes elsewhere is there; a volume that exists is always written again."""
    targets = [(kind, target) for kind, target in step.targets(address) if target.existing]
    return bool(targets) and all(kind.is_complete(target) and not kind.is_volume for kind, target in targets)


def _run(step: Step, address: str, outside: Mapping[str, Handle], workers: int, how: ChainOptions) -> None:
    folder = _ledger_folder(step, address)
    log = folder / PRIVATE / "workers.log"
    engines = StepEngines(how.get("engine"), [step.name], workers=workers, log=log, store=address)
    open_records = records_opener(how.get("records"))
    with (
        map_disk_errors(folder),
        lock_folder(folder),
        lock_results(within(step.folder, address), folder),
        open_records(folder / PRIVATE, "step") as opened,
        engines,
    ):
        run = run_id(folder)
        ledger = ledger_of(opened, run)
        if how.get("fresh"):
            _forget(step, address, ledger)
        _discard(step, address, overwrite=how.get("overwrite", False))
        progress = how.get("progress")
        run_step(step, address, engines[step.name], ledger, log=log, progress=progress, run=run, outside=outside)
        if any(kind.is_volume and target.existing for kind, target in step.targets(address)):
            ledger.forget(step.key)


def _forget(step: Step, address: str, ledger: Ledger) -> None:
    """Remove what earlier calls have computed of a step; existing arrays stay, and are written again."""
    ledger.forget(step.key)
    for kind, target in step.targets(address):
        if not (kind.is_volume and target.existing):
            kind.remove(target)


def _ledger_folder(step: Step, address: str) -> Path:
    """Return the folder of ledger and log: that of the step, or a state folder if the store is remote."""
    folder = within(step.folder, address)
    if storage_at(address).is_local:
        return Path(folder)
    return state_folder() / f"{step.name}-{step.key}-{hashlib.sha256(folder.encode()).hexdigest()[:16]}"
