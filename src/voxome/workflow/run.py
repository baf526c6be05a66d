"""Run a plan, and leave everything on record."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from voxome.blocks.pyramid import pyramid_steps
from voxome.blocks.runner import StepReport, run_step
from voxome.blocks.step import Step
from voxome.contracts.engine import Engine
from voxome.contracts.handle import Handle
from voxome.contracts.records import Event
from voxome.engines.local import LocalEngine
from voxome.errors import InvalidInput
from voxome.records.sql import SqlRecords
from voxome.resources.open import open_source
from voxome.workflow.cwl import load
from voxome.workflow.folder import OWN, keep_plan, locked, write_json
from voxome.workflow.plan import Options, Plan, make_plan
from voxome.workflow.report import scores_of, write_report

RECORDED_PACKAGES = ("voxome", "numpy", "numba", "tensorstore", "onnxruntime", "scipy", "pyarrow", "cwltool")
WORKER = (sys.executable, "-m", "voxome.blocks.worker")
Progress = Callable[[StepReport], None]


def run(
    workflow: str | Path | Plan,
    inputs: Mapping[str, Any] | None = None,
    *,
    out: str | Path,
    workers: int = 1,
    options: Options | None = None,
    progress: Progress | None = None,
    truth: str | Path | None = None,
) -> dict[str, Any]:
    """Run a workflow over a volume of any size, block by block.

    Give the same call again after it was interrupted, and it goes on where it was.

    Parameters
    ----------
    workflow : path or Plan
        A CWL file, or a plan made from one.
    inputs : mapping of str to values
        The workflow's inputs: URIs, paths, numbers; not with a plan.
    out : path
        The run folder; its results are there when ``run.json`` is.
    workers : int
        Processes at a time. The result does not depend on it.
    options : Options, optional
        Blocks, box, level, voxel size; not with a plan.
    progress : function of a StepReport, optional
        Called whenever something has ended.
    truth : path, optional
        A folder with ``labels.zarr``, ``synapses.parquet`` and ``connectome.parquet`` to score the results against.

    Returns
    -------
    dict
        What is written to ``run.json``.

    Raises
    ------
    PlanError
        If something is wrong that can be known before it starts; or if the folder holds a run of another plan.
    RunLocked
        If another run holds the folder.
    RunFailed
        If jobs failed for good.
    """
    if workers < 1:
        raise InvalidInput(f"{workers} workers were asked for; at least 1 is needed")
    plan = workflow if isinstance(workflow, Plan) else make_plan(load(workflow), inputs or {}, options or Options())
    folder = Path(out).resolve()
    with locked(folder):
        keep_plan(folder, plan.to_json())
        (folder / "run.json").unlink(missing_ok=True)
        log = folder / OWN / "logs" / "workers.log"
        records = SqlRecords.in_file(folder / OWN / "run.sqlite")
        engine = LocalEngine(WORKER, workers, log)
        try:
            record = _run(plan, folder, engine, records, log, progress)
            if truth is not None:
                record["scores"] = scores_of(folder, Path(truth), options.box if options else None)
            if {"raw", "neurons", "connectome"} <= {*record["inputs"], *record["outputs"]}:
                write_report(folder, record)
            write_json(folder / "run.json", record)
        finally:
            engine.close()
            records.close()
    return record


def _run(
    plan: Plan, folder: Path, engine: Engine, records: SqlRecords, log: Path, progress: Progress | None
) -> dict[str, Any]:
    began = time.time()
    reports: list[StepReport] = []

    def one(step: Step) -> None:
        records.append([Event(time.time(), "step started", step.name, {"key": step.key})])
        reports.append(run_step(step, str(folder), engine, records, log=log, progress=progress))
        records.append([Event(time.time(), "step ended", step.name, asdict(reports[-1]))])

    records.append([Event(began, "run started", details={"plan": plan.key, "workers": engine.slots})])
    for step in plan.steps:
        one(step)
    for name, handle in plan.outputs.items():
        if handle.type == "volume":
            stem = str(Path(handle.uri.partition("://")[2]).stem)
            for step in pyramid_steps(name, stem, handle, _spec(handle, folder), plan.steps[0].home):
                one(step)
    records.append([Event(time.time(), "run ended", details={"plan": plan.key})])
    return _record(plan, reports, began, engine)


def _spec(handle: Handle, folder: Path) -> Any:
    return open_source(handle.within(str(folder)).uri).spec


def _record(plan: Plan, reports: list[StepReport], began: float, engine: Engine) -> dict[str, Any]:
    steps = {step.name: step for step in plan.steps}
    return {
        "schema_version": 1,
        "workflow": plan.workflow,
        "plan": plan.key,
        "inputs": dict(plan.inputs),
        "unpinned": sorted(
            name for name, h in plan.inputs.items() if isinstance(h, dict) and h.get("key") == h.get("uri")
        ),
        "warnings": list(plan.warnings),
        "versions": {name: version(name) for name in RECORDED_PACKAGES} | {"python": sys.version.split()[0]},
        "engine": {"name": engine.name, "workers": engine.slots},
        "started_s": began,
        "wall_s": time.time() - began,
        "steps": [
            {
                "name": r.name,
                "tool": r.tool,
                "version": steps[r.name].version if r.name in steps else "1",
                "key": r.key,
                "parameters": dict(steps[r.name].parameters) if r.name in steps else {},
                "seeds": {k: v for k, v in steps[r.name].parameters.items() if k == "seed"} if r.name in steps else {},
                "blocks": {"total": r.total, "run": r.run, "reused": r.reused},
                "wall_s": round(r.wall_s, 3),
                "worker_s": round(r.worker_s, 3),
                "peak_bytes": r.peak_bytes,
            }
            for r in reports
        ],
        "outputs": {name: handle.within(".").uri for name, handle in plan.outputs.items()},
    }
