"""Steps of voxome that are planned during a run, when their inputs are there."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from voxome.blocks.progress import StepReport
from voxome.blocks.removal import remove_folder, remove_outputs
from voxome.blocks.runner import is_done, run_step
from voxome.blocks.step import Step, inputs_from_outside
from voxome.contracts.handle import Handle
from voxome.contracts.ports import HOST_PORTS
from voxome.contracts.records import Event, Ledger, RecordStore
from voxome.contracts.report import Result
from voxome.contracts.tool import Input, Tool
from voxome.engines.choice import StepEngines
from voxome.errors import PlanError
from voxome.records.folder import read_json_or_none, write_json
from voxome.registry import load
from voxome.workflow.command_step import blocks_hint, command_nodes
from voxome.workflow.cwl_files import file_address, is_file
from voxome.workflow.cwl_subset import WRITTEN, short, tool_hint
from voxome.workflow.foreign.digests import Digests
from voxome.workflow.graph import Constant, FromStep, Graph, Node, Source
from voxome.workflow.hint import RunHint
from voxome.workflow.inputs import bind_external, read_handle
from voxome.workflow.mixed.block_tool import BlockJob
from voxome.workflow.mixed.values import HANDLE_SUFFIX
from voxome.workflow.options import RunOptions
from voxome.workflow.pending import PENDING
from voxome.workflow.placement import clear_containers, require_capacity
from voxome.workflow.plan import make_plan


@dataclass(frozen=True, kw_only=True)
class RunPlaces:
    """Where a run keeps what it writes.

    Attributes
    ----------
    private : path
        Folder in the run folder for what is not a result.
    store : str
        Address of results and intermediate data.
    log : path
        Log of the workers.
    """

    private: Path
    store: str
    log: Path

    @property
    def handles(self) -> Path:
        """Folder of handle files."""
        return self.private / "handles"

    @property
    def files(self) -> Path:
        """Folder of arrays and tables that commands get as files."""
        return self.private / "files"

    @property
    def steps(self) -> Path:
        """Folder with the steps that were planned so far, one in a file."""
        return self.private / PENDING

    def step_file(self, step: Step) -> Path:
        """Return the file of a step; elements of a scatter with equal inputs have one each."""
        place = json.dumps(dict(step.published), sort_keys=True)
        element = f"-{hashlib.sha256(place.encode()).hexdigest()[:8]}" if step.published else ""
        return self.steps / f"{step.name}-{step.key}{element}.json"


@dataclass(kw_only=True)
class BlockRunner:
    """Plans and runs jobs of tools of voxome, block by block.

    Attributes
    ----------
    graph : Graph
        The workflow.
    options : RunOptions
        Blocks, voxel size, environment.
    places : RunPlaces
        Where results are.
    engines : StepEngines
        What runs the blocks of each step.
    records : RecordStore
        Records each step.
    ledger : Ledger
        Knows which blocks are done.
    run_id : str
        Id of the run.
    digests : Digests
        Knows the contents of files.
    scratch : path
        Folder for what cwltool writes.
    progress : function of a StepReport
        Called after every block.
    """

    graph: Graph
    options: RunOptions
    places: RunPlaces
    engines: StepEngines
    records: RecordStore
    ledger: Ledger
    run_id: str
    digests: Digests
    scratch: Path
    progress: Callable[[StepReport], None]
    failures: list[str] = field(default_factory=list)
    rows: list[tuple[Step, StepReport]] = field(default_factory=list)
    """Steps that have run, or were done."""
    results: dict[str, Result] = field(default_factory=dict)
    """Results of the run that tools of voxome have computed, by the names of the workflow's outputs."""

    def run(self, job: BlockJob) -> dict[str, Any]:
        """Run a job; return its output object, whose files are handle files.

        Raises
        ------
        PlanError, InvalidInput, RunFailed
            If its inputs do not suit the tool, or if blocks failed.
        """
        nodes, outputs = self._nodes(job)
        element = "".join(f"_{index}" for index in job.scatter_indices)
        delivered = {
            name: outputs[port]
            for (step, port), name in self.graph.deliveries.items()
            if step == job.step and port in outputs
        }
        published = {f"{name}{element}": source for name, source in delivered.items()}
        files = RunHint(
            results={f"{name}{element}": f"{self.graph.hint.file_name(name)}{element}" for name in delivered}
        )
        names = {node.name for node in nodes}
        graph = Graph(self.graph.name, {}, tuple(nodes), published, files)
        blocks = {name: shape for name, shape in self.options.blocks.items() if name in names}
        plan = make_plan(graph, {}, replace(self.options, blocks=blocks))
        steps = {step.name: step for step in plan.steps}
        ends = {port: (steps[one.step], one.output) for port, one in outputs.items() if isinstance(one, FromStep)}
        if self._are_done(plan.steps, ends):
            for step in plan.steps:
                self._note(step)
                self._keep(step)
        else:
            self._run(plan.steps)
        self.results |= plan.results
        return {port: self._file(step, output, port) for port, (step, output) in ends.items()}

    def _nodes(self, job: BlockJob) -> tuple[list[Node], dict[str, Source]]:
        """Return the steps of a job, and the sources of its outputs."""
        tool, hint = job.process.tool, tool_hint(job.process.tool)
        given = {port: value for port, value in job.inputs.items() if value is not None}
        if job.has_secrets:
            raise PlanError([f"step {job.step} is given a secret (cwltool:Secrets), but {WRITTEN}"])
        sources: dict[str, Source] = {port: Constant(_address(value)) for port, value in given.items()}
        if blocks_hint(tool) is not None:
            problems: list[str] = []
            nodes, outputs = command_nodes(job.step, job.process, sources, problems)
            if problems:
                raise PlanError(problems)
        else:
            name, version = short(str((hint or {}).get("name", ""))), str((hint or {}).get("version", "1"))
            nodes = [Node(job.step, name, version, sources)]
            outputs = {one: FromStep(job.step, one) for one in (short(port["id"]) for port in tool["outputs"])}
        first = nodes[0]
        loaded: Tool = load("voxome.tools", first.tool) if first.command is None else first.command.tool
        ports = {loaded.spec.ports.get(port, port): port for port in given if port not in HOST_PORTS}
        bound = {
            ports[name]: Constant(handle)
            for name, one in loaded.spec.inputs.items()
            if name in ports and (handle := self._handle(given[ports[name]], one)) is not None
        }
        return [replace(first, inputs={**first.inputs, **bound}), *nodes[1:]], outputs

    def _handle(self, value: Any, expected: Input) -> Handle | None:
        """Return the handle of what a step of this run has computed; None of what comes from outside."""
        address = _address(value)
        if not isinstance(address, str) or not _is_within(address, self.places.private):
            return None
        if address.endswith(HANDLE_SUFFIX) and _is_within(address, self.places.handles):
            return read_handle(address)
        handle, _ = bind_external(address, expected)
        content = json.dumps(self.digests.tree(address.partition("?")[0])).encode()
        key = f"content {hashlib.sha256(content).hexdigest()[:32]}"
        return replace(handle, key=key, voxel_size_nm=self.options.voxel_size_nm or handle.voxel_size_nm)

    def _are_done(self, steps: tuple[Step, ...], ends: Mapping[str, tuple[Step, str]]) -> bool:
        """Whether all blocks are done, and the outputs are there; data between the steps need not be."""
        if not all(is_done(step, self.ledger) for step in steps):
            return False
        wanted = {(step.key, output) for step, output in ends.values()}
        return all(
            kind.is_complete(target)
            for step in steps
            for kind, target in step.targets(self.places.store)
            if (step.key, target.name) in wanted or target.name in step.published
        )

    def _keep(self, step: Step) -> None:
        worker_s, peak_bytes = self.ledger.usage(step.key)
        report = StepReport(step.name, step.tool, step.key, step.total, reused=step.total, ended=True)
        report.worker_s, report.peak_bytes = worker_s, peak_bytes
        self.rows.append((step, report))
        self.progress(report)

    def _run(self, steps: tuple[Step, ...]) -> None:
        outside = inputs_from_outside(steps)
        unfinished = [step for step in steps if not is_done(step, self.ledger)]
        require_capacity(unfinished, lambda step: self.engines[self._owner(step.name)])
        clear_containers(steps, self.run_id, self.engines)
        for step in steps:
            self._adopt(step)
            self.records.append([Event(time.time(), "step started", step.name, {"key": step.key})])
            report = run_step(
                step,
                self.places.store,
                self.engines[self._owner(step.name)],
                self.ledger,
                log=self.places.log,
                progress=self.progress,
                run=self.run_id,
                outside=outside,
            )
            self.rows.append((step, report))
            self.records.append([Event(time.time(), "step ended", step.name, asdict(report))])

    def _owner(self, step: str) -> str:
        """Return the step of the workflow to which a step belongs, such as one that joins its labels."""
        names = {*(node.name for node in self.graph.steps), *(one.name for one in self.graph.pending)}
        while step not in names and "." in step:
            step = step.rpartition(".")[0]
        return step

    def _adopt(self, step: Step) -> None:
        """Note a step, and remove the results of another one in the place of its own, which was planned before."""
        now = self.places.step_file(step)
        for path in {path for address in step.published.values() for path in self._planned[address]} - {now}:
            self._remove(read_step(path), path)
        self._note(step)

    def _note(self, step: Step) -> None:
        file = self.places.step_file(step)
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            write_json(file, step.to_json())
        for address in step.published.values():
            self._planned[address].add(file)

    @cached_property
    def _planned(self) -> defaultdict[str, set[Path]]:
        """Address of each result under a name of the workflow → files of the steps that have it."""
        found: defaultdict[str, set[Path]] = defaultdict(set)
        for path in self.places.steps.glob("*.json"):
            for address in read_step(path).published.values():
                found[address].add(path)
        return found

    def remove_others(self) -> None:
        """Remove results under names of the workflow that no step of this run has, as of elements that are gone."""
        kept = {self.places.step_file(step) for step, _ in self.rows}
        for path in sorted({*self.places.steps.glob("*.json")} - kept):
            step = read_step(path)
            if step.published:
                self._remove(step, path)

    def _remove(self, step: Step, path: Path) -> None:
        """Remove a step, its file and its results, but no result that a step of this run has computed or taken over."""
        store, same = self.places.store, [one for one, _ in self.rows if one.key == step.key]
        remove_outputs(step, store, {target.uri for one in same for _, target in one.targets(store)})
        if all(step.folder != one.folder for one in same):
            remove_folder(step, store)
        path.unlink()
        for address in step.published.values():
            self._planned[address].discard(path)

    def _file(self, step: Step, output: str, port: str) -> dict[str, str]:
        """Return the handle file of an output, as CWL has files."""
        path = self.places.handles / self.places.step_file(step).stem / f"{port}{HANDLE_SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, step.output(output).within(self.places.store).to_json())
        return {"class": "File", "location": path.as_uri(), "basename": path.name}

    def handle_of(self, value: Any) -> Handle | None:
        """Return the handle in a file of an output object; None of other values."""
        address = _address(value) if is_file(value) else None
        if not isinstance(address, str) or not _is_within(address, self.places.handles):
            return None
        return read_handle(address)


def read_step(path: Path) -> Step:
    """Return the step in a file of `RunPlaces.steps`."""
    return Step.from_json(read_json_or_none(path) or {}, path)


def remove_step(step: Step, store: str) -> None:
    """Remove the results and intermediate data of a step."""
    remove_outputs(step, store)
    remove_folder(step, store)


def _address(value: Any) -> Any:
    """Return the path or address of a File or Directory, of all in a list; other values are as they are."""
    if is_file(value):
        return file_address(value)
    return [_address(one) for one in value] if isinstance(value, list) else value


def _is_within(address: str, folder: Path) -> bool:
    return "://" not in address and Path(address.partition("?")[0]).absolute().is_relative_to(folder)
