"""``voxome.plan``, ``voxome.run`` and ``voxome.tool``: the Python twins of the commands of these names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from voxome.calls import explain_calls
from voxome.config.machine import worker_count
from voxome.contracts.arguments import require_flags, require_function, require_mapping, require_path, require_text
from voxome.contracts.handle import Handle
from voxome.contracts.run_record import RunRecord
from voxome.contracts.uri import Location
from voxome.engines.choice import EngineChoice
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.records.choice import RecordsChoice
from voxome.services.transfer.choices import Verify
from voxome.workflow.array_inputs import inputs_folder, store_arrays
from voxome.workflow.mixed.outline import read_workflow
from voxome.workflow.options import BlockChoice, IntoOptions, RunOptions
from voxome.workflow.plan import Plan, make_plan
from voxome.workflow.run import Progress, run_plan
from voxome.workflow.run_tool import run_tool
from voxome.workflow.store import run_folder, store_address


@explain_calls
def plan(
    workflow: Location,
    inputs: Mapping[str, object] | None = None,
    *,
    block: BlockChoice | None = None,
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    force: bool = False,
    into: Mapping[str, Location] | None = None,
    levels: int = 1,
    verify: Verify = "sampled",
    drop: Collection[str] = (),
    existing: bool = False,
    environment: str | None = None,
) -> Plan:
    """Check and size a run without starting it; `run` takes the plan.

    Parameters
    ----------
    workflow : path
        A CWL file.
    inputs : mapping of str to values
        The workflow's inputs: URIs, paths, volumes, NumPy arrays, numbers. An array is written to a temporary folder
        of this machine, which is removed when this process ends; for workers on other machines, pass it to `run`.
    block, box, level, voxel_size_nm, force : optional
        See `run`.
    into, levels, verify, drop, existing : optional
        See `run`; destinations are checked, and nothing is created there.
    environment : str, optional
        See `run`.

    Returns
    -------
    Plan
        Steps with their blocks, warnings, results and destinations.

    Raises
    ------
    PlanError
        If the run could not start, with all problems.
    NotFound, InvalidInput
    """
    copies = IntoOptions.of(levels, verify, drop, existing)
    options = RunOptions.of(block, box, level, voxel_size_nm, force, into, copies, environment)
    path, values = require_path("workflow", workflow), _require_inputs(inputs)
    return make_plan(read_workflow(path), store_arrays(values, None), options)


@explain_calls
def run(
    workflow: Location | Plan,
    inputs: Mapping[str, object] | None = None,
    *,
    out: Location,
    store: Location | None = None,
    block: BlockChoice | None = None,
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    force: bool = False,
    into: Mapping[str, Location] | None = None,
    levels: int = 1,
    verify: Verify = "sampled",
    drop: Collection[str] = (),
    existing: bool = False,
    environment: str | None = None,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    truth: Location | None = None,
    fresh: bool = False,
    cache: Location | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Run a workflow over a volume of any size, block by block.

    Repeat the same call to resume a run that was interrupted. If parameters, inputs or tools have changed since, only
    the steps that these affect run again; ``changes`` in the result says which, and why.

    Parameters
    ----------
    workflow : path or Plan
        A CWL file, or what `plan` returned.
    inputs : mapping of str to values
        The workflow's inputs: URIs, paths, volumes, NumPy arrays, numbers; not with a plan. An array is written
        below the store, so that workers can read it.
    out : path
        The run folder; the results are complete when ``run.json`` is there.
    store : str or path, optional
        Where results and intermediate data are kept, if not in the run folder: a folder or an address, as
        ``s3://bucket/prefix?endpoint=…``. Ledger, logs, plan and ``run.json`` stay in the run folder.
    block : (z, y, x) or mapping, optional
        Shape of a block in voxels, ``(64, 128, 128)`` by default; or step name → shape, with ``"*"`` for all other
        steps. Not with a plan, as the following four.
    box : Box or str, optional
        The part of the volumes to run, in the store's coordinates. The arrays that are created have its voxels only, at
        the same indices and positions.
    level : int
        Pyramid level of the volumes; 0 is the finest.
    voxel_size_nm : (z, y, x), optional
        Used instead of the voxel size that the volumes have; arrays have none.
    force : bool
        Whether inputs that a tool rejects as unsuitable only cause warnings.
    into : mapping of str to str, optional
        Outputs → URIs in other stores, such as ``{"neurons": "dvid://host/uuid/neurons"}``. Each is created, or
        checked, before any block runs, and the output is copied into it as the last step, as by `transfer`: with its
        voxel size and position, resumable and verified. An output that has changed is copied again. Not with a plan,
        as the following four.
    levels, verify, drop, existing : optional
        How outputs are copied; see `transfer`. `existing` allows to write into a volume that this run did not create.
    environment : str, optional
        Where programs that are no tools of voxome run, as ``NAME[?option=value&…]``: ``native``, ``podman``,
        ``docker``, ``apptainer``. By default that of the settings; without one, programs whose document names an
        image run in containers. Not with a plan.
    workers : int, optional
        Number of processes; results do not depend on it. By default the cores that this process may use, in a container
        or a batch job too.
    engine : str, Engine or mapping, optional
        What runs the jobs: the name of an engine, as ``NAME[?option=value&…]``, an engine, or step name → either, with
        ``"*"`` for all other steps. ``local`` by default: processes on this machine.
    records : str or RecordStore, optional
        What keeps events and finished jobs: ``NAME[?option=value&…]`` or a record store; ``sqlite`` by default.
    truth : path, optional
        Folder with the ground truth for the scorer of the workflow; for the EM pipeline ``labels.zarr``,
        ``synapses.parquet`` and ``connectome.parquet``, of which a run of a box is compared with what lies in the box.
    fresh : bool
        Whether to remove what earlier runs in this folder have computed, and to start again.
    cache : path, optional
        Folder of results of commands, for this and other runs; for workflows with steps that are no tools of voxome.
    progress : function of a StepReport, optional
        Called after every job.

    Returns
    -------
    RunRecord
        The record of the run, a dict as in ``run.json``.

    Raises
    ------
    UnknownName, InvalidInput, PluginError
        If an argument is invalid, or the engine, step or record store does not exist.
    PlanError
        If the run cannot start, with all problems; or if the folder keeps its results in another store.
    RunLocked
        If another process is using the folder.
    RunFailed
        If jobs failed after all retries.
    """
    workers = worker_count(workers)
    require_flags(fresh=fresh)
    _require_progress(progress)
    copies = IntoOptions.of(levels, verify, drop, existing)
    options = RunOptions.of(block, box, level, voxel_size_nm, force, into, copies, environment)
    folder, home = run_folder(require_path("out", out)), None if store is None else require_path("store", store)
    values = _require_inputs(inputs)
    if not isinstance(workflow, Plan):
        path, arrays = require_path("workflow", workflow), inputs_folder(store_address(home, folder))
        workflow = make_plan(read_workflow(path), store_arrays(values, arrays), options)
    elif values or options != RunOptions():
        raise InvalidInput("a plan has its inputs and options already; pass them to voxome.plan")
    return run_plan(
        workflow,
        out=folder,
        store=home,
        workers=workers,
        engine=engine,
        records=records,
        truth=None if truth is None else require_path("truth", truth),
        fresh=fresh,
        cache=None if cache is None else require_path("cache", cache),
        progress=progress,
    )


@explain_calls
def tool(
    name: str,
    inputs: Mapping[str, object],
    *,
    out: Location,
    block: BlockChoice | None = None,
    box: Box | str | None = None,
    level: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    force: bool = False,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    into: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Handle]:
    """Run one tool over a volume of any size, block by block; repeat the same call to resume.

    Parameters
    ----------
    name : str
        Name of the tool, such as ``common.threshold``.
    inputs : mapping of str to values
        Inputs (URIs, paths, volumes, NumPy arrays, handle files) and parameters.
    out : str or path
        Results are written to the folder ``<name>-<step key>`` below this folder or address
        (``s3://bucket/prefix?endpoint=…``). Ledger and log are there too, or, if it is not on this machine, below
        ``VOXOME_STATE`` or the user's cache folder.
    block, box, level, voxel_size_nm, force, workers, engine, records : optional
        See `run`.
    into : mapping of str to str, optional
        Outputs → URIs of existing arrays to write them into. They are written again by every call, unless it resumes
        one that was interrupted.
    progress : function of a StepReport, optional
        Called after every job.

    Returns
    -------
    dict of str to Handle
        Locations of the outputs: ``voxome.open(handles["mask"].uri)`` opens a volume.

    Raises
    ------
    UnknownName, InvalidInput, PlanError, RunLocked, RunFailed
    """
    address, workers = require_path("out", out), worker_count(workers)
    require_text("name", name, "common.threshold")
    _require_progress(progress)
    values = _require_inputs(inputs)
    targets = {} if into is None else require_mapping("into", into, "{'mask': 'zarr://mask.zarr'}")
    return run_tool(
        name,
        store_arrays(values, inputs_folder(store_address(address, Path(address)))),
        store=address,
        workers=workers,
        options=RunOptions.of(block, box, level, voxel_size_nm, force),
        engine=engine,
        records=records,
        progress=progress,
        into=targets,
    )


def _require_inputs(inputs: Mapping[str, object] | None) -> Mapping[str, object]:
    return {} if inputs is None else require_mapping("inputs", inputs, "{'image': 'em.zarr'}")


def _require_progress(progress: Progress | None) -> None:
    if progress is not None:
        require_function("progress", progress)
