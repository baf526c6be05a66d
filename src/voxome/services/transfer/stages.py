"""The two stages of a transfer: the target is prepared, and its blocks are copied."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from voxome.blocks.progress import Progress
from voxome.contracts.abilities import SupportsWriteCheck, ability, most_detailed_version
from voxome.contracts.formats import PRIVATE
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.read_cost import WARN_ABOVE, chunk_origin, cost_warning, grid_cost
from voxome.contracts.source import VolumeSource
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.geometry.notation import comma_text
from voxome.records.choice import OpenRecords
from voxome.resources.create import require_creatable
from voxome.resources.provenance import history_of, input_record, own_version, record
from voxome.services.downsample.scratch import Scratch, scratch_address
from voxome.services.transfer.copy import Copy
from voxome.services.transfer.endpoint import Endpoint
from voxome.services.transfer.engine import OpenEngine
from voxome.services.transfer.execute import Part, TransferContext, run_part
from voxome.services.transfer.prepare import TransferRequest, plan_copy, plan_levels, prepare, require_fit
from voxome.services.transfer.state import locked_state
from voxome.storage.find import storage_at

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TransferReport:
    """Outcome of a transfer.

    Attributes
    ----------
    source, destination : str
        URIs.
    bytes : int
        Uncompressed size of the voxels written by this call.
    blocks, run, reused, verified : int
        Number of all blocks, of those written by this call, by earlier calls, and of those read back.
    wall_s, bytes_per_s : float
        Elapsed time in seconds, and throughput.
    """

    source: str
    destination: str
    bytes: int
    blocks: int
    run: int
    reused: int
    verified: int
    wall_s: float
    bytes_per_s: float


def check_target(request: TransferRequest) -> bool:
    """Check the target of a transfer without changing anything; return whether it exists.

    Raises
    ------
    PlanError
        If it exists and does not fit.
    UnsupportedFormat, InvalidInput
        If it cannot be created.
    ReadOnly, AccessDenied, StoreError
        If its store cannot be reached or written.
    """
    try:
        target = request.target.open("r+")
    except NotFound:
        require_creatable(request.target.text, request.new_spec)
        return False
    require_fit(target.spec, request)
    _require_writable(target)
    return True


def _require_writable(target: VolumeSource) -> bool:
    """Raise if the store knows that it cannot be written; return whether it knows."""
    known = ability(target, SupportsWriteCheck)
    if known is not None:
        known.check_writable()
    return known is not None


def prepare_transfer(request: TransferRequest, root: Path, open_records: OpenRecords, *, restart: bool = False) -> None:
    """Create or check the target of a transfer whose source does not exist yet, and check that it can be written.

    If blocks are left to copy, and the store does not know whether it can be written, a voxel is read and written back:
    only then do servers refuse a token, and write-protected disks show.

    Parameters
    ----------
    request : TransferRequest
        The transfer, with the version of its source.
    root : path
        Folder for transfer progress.
    open_records : function
        Opens the records.
    restart : bool
        Whether everything is copied again.

    Raises
    ------
    AlreadyExists, PlanError, UnsupportedFormat, InvalidInput, ReadOnly, AccessDenied, StoreError, RunLocked
    """
    with locked_state(root, request.identity, open_records, request.target.lock) as state:
        if restart and state.begun:
            state.restart()
        target = prepare(state, request)
        if not (state.facts.get("complete") or _require_writable(target)):
            corner = Box.of_shape((1,) * request.box.ndim, request.target_spec.domain.start)
            target.write(corner, target.read(corner))


def run_transfer(
    request: TransferRequest,
    source: VolumeSource,
    root: Path,
    open_engine: OpenEngine,
    open_records: OpenRecords,
    progress: Progress | None,
) -> tuple[TransferReport, list[Part]]:
    """Prepare the target, and copy the blocks that are not in the ledger.

    Parameters
    ----------
    request : TransferRequest
        The transfer.
    source : VolumeSource
        Its source, open.
    root : path
        Folder for transfer progress.
    open_engine, open_records : functions
        Open what runs the jobs and what keeps the finished ones.
    progress : callable, optional
        Called with a `StepReport` whenever a job ends.

    Returns
    -------
    TransferReport, list of parts
        The outcome, and what the transfer consists of: a copy, and what fills coarser levels.

    Raises
    ------
    AlreadyExists, PlanError, UnsupportedFormat, InvalidInput, RunFailed, RunLocked
        As `transfer`.
    """
    began = time.monotonic()
    with locked_state(root, request.identity, open_records, request.target.lock) as state:
        target = prepare(state, request, source)
        copy = plan_copy(source, target, request)
        scratch = scratch_address(request.target, state.folder)
        parts = [copy, *plan_levels(target, request, scratch)]
        for warning in _cost_warnings(request.source, source, copy):
            _log.warning("%s", warning)
        state.mark_unfinished(request.target_spec.domain)
        state.begin(parts, verify_again=request.source_version is None and bool(state.facts.get("complete")))
        log = state.folder / PRIVATE / "workers.log"
        with open_engine(target, log) as opened:
            run = TransferContext(source, target, request, state, opened, log, progress or (lambda _: None))
            for part in parts:
                run_part(run, part)
        _record(run)
        state.keep(complete=True)
        if len(parts) > 1:
            Scratch(storage_at(scratch)).delete()
        state.mark_finished(request.target_spec.domain)
    blocks, done, wall_s = sum(len(part.grid) for part in parts), run.totals, time.monotonic() - began
    report = TransferReport(
        request.source.uri,
        request.target.uri,
        done.bytes,
        blocks,
        done.run,
        blocks - done.run,
        done.verified,
        wall_s,
        done.bytes / wall_s,
    )
    if report.reused and request.verify != "all":
        _warn_of_unseen_changes(request, source)
    return report, parts


def _record(run: TransferContext) -> None:
    """Record the transfer in the provenance of the target, unless an earlier call has, and nothing was copied since.

    This may change the version of the target, which later calls expect to be the recorded one.
    """
    request, state = run.request, run.state
    if state.facts.get("recorded") and not run.totals.run:
        return
    parameters = {
        "box": str(request.box),
        "levels": request.levels,
        **{name: value for name, value in asdict(request.options).items() if value not in (None, ())},
    }
    inputs = [input_record("source", run.source, request.source.uri)]
    if request.source_version is not None:
        inputs = [replace(inputs[0], version=request.source_version)]
    one = Provenance.now("transfer", LOCAL, "voxome.transfer", own_version(), parameters, inputs)
    state.keep(target=None)
    history = () if request.existing else history_of(run.source, request.source.uri)
    record(run.target, *history, one, name=request.target.uri)
    state.keep(target=request.target.reopen().version().token, recorded=True)


def _warn_of_unseen_changes(request: TransferRequest, source: VolumeSource) -> None:
    """Log a warning if blocks were copied earlier from a source that cannot tell whether they have changed since."""
    version = most_detailed_version(source)
    if request.source_version is None and not (version.pinned or version.covers_voxels):
        _log.warning(
            "%s cannot tell whether its voxels have changed, and blocks that were copied earlier are kept; compare "
            "them with verify='all' (--verify all), or copy everything again with existing=True (--existing)",
            request.source.uri,
        )


def _cost_warnings(endpoint: Endpoint, source: VolumeSource, copy: Copy) -> list[str]:
    """Return the warning for a copy whose blocks read much more of the source than they need."""
    spec = source.spec.replace(domain=source.spec.domain.shift(copy.shift))
    origin = [a + b for a, b in zip(chunk_origin(source), copy.shift, strict=True)]
    amplification = grid_cost(spec, copy.grid, origin).amplification
    if amplification <= WARN_ABOVE:
        return []
    what = f"copies in blocks of {comma_text(copy.block)} voxels"
    return [cost_warning(endpoint.uri or "the source", what, spec, amplification)]
