"""Levels computed by voxome: created, filled by jobs on an engine, and resumed where an earlier call has stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.job_loop import JobBatch, run_jobs
from voxome.blocks.progress import Progress, StepReport
from voxome.contracts.abilities import most_detailed_version
from voxome.contracts.downsampling import Method
from voxome.contracts.engine import Engine, JobResult, Resources
from voxome.contracts.formats import PRIVATE
from voxome.contracts.provenance import LOCAL, InputRecord, Provenance
from voxome.contracts.spec import Scale
from voxome.engines.perform import perform
from voxome.engines.threads import ThreadEngine
from voxome.errors import AlreadyExists, NotFound, VoxomeError
from voxome.records.choice import OpenRecords
from voxome.resources.provenance import input_record, own_version, read_provenance, record
from voxome.resources.unfinished import require_finished
from voxome.services.downsample.job import OpenAssembly, OpenPass
from voxome.services.downsample.levels import (
    LevelChoice,
    create_level,
    known_scales,
    missing_scales,
    require_pyramid,
)
from voxome.services.downsample.lost import lost_ids
from voxome.services.downsample.passes import Assembly, Pass
from voxome.services.downsample.planning import plan_assemblies, plan_passes
from voxome.services.downsample.report import DownsampleReport, LevelReport
from voxome.services.downsample.scratch import Scratch, scratch_address
from voxome.services.transfer.copy import block_bytes
from voxome.services.transfer.endpoint import Endpoint
from voxome.services.transfer.engine import OpenEngine
from voxome.services.transfer.execute import LEVEL_BYTES
from voxome.services.transfer.state import State, locked_state
from voxome.storage.find import storage_at

_LOG = logging.getLogger(__name__)
_THREADS = 2
"""Number of threads that compute tiles of a block, so that one reads while another computes."""
_MAX_BESIDE = 1 << 26
"""Bytes of a block that may be stored while the next one is computed, which needs as much memory again."""
_ENCODED = 2
"""Voxels are at least so many times as large as encoded chunks and the pieces of coarser levels."""
_LOST = "lost.npz"


@dataclass(frozen=True)
class LocalRequest:
    """Parameters of a downsampling.

    Attributes
    ----------
    volume : Endpoint
        The volume to which levels are added.
    method : {"mean", "mode", "max", "min", "stride"}
        How the voxels of a cell become one.
    no_data : number or None
        Value that does not count.
    choice : LevelChoice
        Which levels it is to have.
    existing : bool
        Whether levels that there are may be computed again.
    force : bool
        Whether level 0 may be unfinished.
    source, source_version : str
        URI and version of what was copied into level 0 for the levels; empty if nothing was.
    """

    volume: Endpoint
    method: Method
    no_data: float | int | None
    choice: LevelChoice
    existing: bool
    force: bool
    source: str = ""
    source_version: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """What later calls find the state by, as JSON values."""
        options = {"method": self.method, "no_data": self.no_data, "levels": asdict(self.choice)}
        return {
            "source": self.source or self.volume.uri,
            "destination": self.volume.uri,
            "box": "",
            "options": {"service": "downsample", **options},
        }


def run_local(
    request: LocalRequest, root: Path, open_engine: OpenEngine, open_records: OpenRecords, progress: Progress | None
) -> DownsampleReport:
    """Create the missing levels of a volume, and fill them.

    Parameters
    ----------
    request : LocalRequest
        What to do.
    root : path
        Folder for progress.
    open_engine, open_records : functions
        Open what runs the jobs and what keeps the finished ones.
    progress : callable, optional
        Called with a `StepReport` whenever a job ends.

    Raises
    ------
    AlreadyExists
        If there are levels that this call would overwrite, or level 0 has changed since an earlier call.
    UnsupportedFormat, InvalidInput, ReadOnly
        If the store cannot have such levels.
    RunFailed, RunLocked
        If jobs failed; if another work on the volume is running.
    """
    with locked_state(root, request.identity, open_records, request.volume.lock, "downsampling") as state:
        return _Downsampling(request, state).run(open_engine, progress or (lambda _: None))


def is_copied(request: LocalRequest, root: Path, open_records: OpenRecords) -> bool:
    """Return whether an earlier call has copied level 0 and begun with the levels.

    Raises
    ------
    AlreadyExists
        If what was copied has changed since.
    """
    with locked_state(root, request.identity, open_records, request.volume.lock, "downsampling") as state:
        if not state.begun:
            return False
        try:
            request.volume.open()
        except NotFound:
            state.forget()
            return False
        state.check("origin", request.source, request.source_version)
        return True


class _Downsampling:
    """One call, with its state locked."""

    def __init__(self, request: LocalRequest, state: State) -> None:
        self._request, self._state, self._began = request, state, time.monotonic()
        self._name = request.volume.uri or "the volume"
        self._target = request.volume.open("r+")
        self._pyramid = require_pyramid(self._name, self._target)
        self._totals = {"bytes": 0, "run": 0, "blocks": 0}

    def run(self, open_engine: OpenEngine, progress: Progress) -> DownsampleReport:
        self._check_state()
        scales = self._create_levels()
        passes, assemblies = self._plan(scales)
        done = bool(self._state.facts.get("complete"))
        if not done:
            self._fill(passes, assemblies, open_engine, progress)
            self._record(scales)
            self._state.keep(complete=True, final=self._token(), released=False, recording=False)
        if not self._state.facts.get("released"):
            self._state.mark_finished(self._target.spec.domain)
            self._scratch.delete()
            self._state.keep(released=True)
        blocks = sum(len(one.grid) for one in (*passes, *(one for some in assemblies for one in some)))
        return DownsampleReport(
            destination=self._request.volume.uri,
            levels=[LevelReport.of(self._pyramid.level(n).spec) for n in range(len(scales))],
            lost_ids=self._stored_lost_ids(),
            bytes=self._totals["bytes"],
            blocks=blocks,
            run=self._totals["run"],
            reused=blocks - self._totals["run"],
            wall_s=time.monotonic() - self._began,
            provenance=self._stored_provenance() or self._provenance(scales),
        )

    def _check_state(self) -> None:
        """Refuse levels that an earlier call has not begun, unless they may be computed again; then start over."""
        state, request = self._state, self._request
        if state.facts.get("created") and len(self._pyramid.levels) < state.facts["levels"]:
            self._forget()
        if state.begun:
            fact = "final" if state.facts.get("complete") else "source"
            if state.facts.get(fact) in (None, self._token()) and not (
                request.existing and state.facts.get("complete")
            ):
                return
            if not request.existing:
                raise AlreadyExists(
                    f"{self._name} has changed since its levels were computed: compute them again with existing=True "
                    "(--existing)"
                )
            self._forget()
            return
        require_finished(request.volume.uri if request.volume.scheme else "", force=request.force)
        if len(self._pyramid.levels) > 1 and not request.existing:
            raise AlreadyExists(
                f"{self._name} already has {len(self._pyramid.levels)} levels: compute the coarser ones again with "
                "existing=True (--existing), or write a copy with out='zarr://…' (--out)"
            )

    def _forget(self) -> None:
        self._scratch.delete()
        self._state.forget()

    def _create_levels(self) -> list[Scale]:
        """Create the missing levels; return the scales of all, also of those beyond the levels requested.

        The volume is marked before, as a level is empty at first.
        """
        state, request = self._state, self._request
        if state.facts.get("created"):
            return known_scales(self._name, self._pyramid)[: state.facts["levels"]]
        facts, marks, count = dict(state.facts), state.marks, len(self._pyramid.levels)
        try:
            for scale in missing_scales(self._name, self._target, self._pyramid, request.choice):
                state.keep(created=False, origin=request.source_version)
                state.mark_unfinished(self._target.spec.domain)
                create_level(self._name, self._target, self._pyramid, scale, at_first=request.method == "stride")
        except VoxomeError:
            if not facts and len(self._pyramid.levels) == count:
                state.restore_marks(marks)
                state.forget()
            raise
        scales = known_scales(self._name, self._pyramid)
        state.keep(created=True, levels=len(scales), source=self._token(), origin=request.source_version)
        return scales

    def _plan(self, scales: Sequence[Scale]) -> tuple[list[Pass], list[list[Assembly]]]:
        request, spec = self._request, self._target.spec
        levels = {number: self._pyramid.level(number).spec for number in range(1, len(scales))}
        passes = plan_passes(
            source=request.volume.uri,
            target=request.volume.uri,
            scratch=self._scratch_address,
            spec=spec,
            levels=levels,
            scales=scales,
            method=request.method,
            no_data=request.no_data,
            ids=spec.kind == "labels" and spec.dtype.kind in "iu",
        )
        return passes, [plan_assemblies(one, spec, levels, scales) for one in passes]

    def _fill(
        self,
        passes: Sequence[Pass],
        assemblies: Sequence[Sequence[Assembly]],
        open_engine: OpenEngine,
        progress: Progress,
    ) -> None:
        state = self._state
        keys = [one.key for one in (*passes, *(one for some in assemblies for one in some))]
        if state.facts.get("keys") != keys:
            for key in keys:
                state.ledger.forget(key)
        state.keep(keys=keys, complete=False)
        state.mark_unfinished(self._target.spec.domain)
        log = state.folder / PRIVATE / "workers.log"
        with open_engine(self._target, log) as engine:
            for one, parts in zip(passes, assemblies, strict=True):
                self._run(one, engine, log, progress)
                for part in parts:
                    self._run(part, engine, log, progress)
        lost = lost_ids(passes, self._scratch) if passes and passes[0].ids else {}
        np.savez(state.folder / PRIVATE / _LOST, **{str(level): ids for level, ids in lost.items()})  # type: ignore[arg-type]

    def _run(self, one: Pass | Assembly, engine: Engine | None, log: Path, progress: Progress) -> None:
        began, ledger, token = time.monotonic(), self._state.ledger, self._token()
        level = one.levels[0] if isinstance(one, Pass) else one.level
        itemsize = self._target.spec.dtype.itemsize
        report = StepReport(one.name, "downsample", one.key, len(one.grid))
        report.block_bytes = block_bytes(one.block, one.grid.box.shape, itemsize)
        report.reused = sum(len(one.blocks(job)) for job in ledger.jobs_done(one.key, 0))

        def on_done(job: int, result: JobResult) -> None:
            if not report.run and self._token() != token:
                self._state.keep(source=None)
            blocks = one.blocks(job)
            report.run += len(blocks)
            self._totals["run"] += len(blocks)
            self._totals["bytes"] += sum(one.grid[index].write.size for index in blocks) * itemsize

        payload = {"pass": asdict(one)} if isinstance(one, Pass) else {"assembly": asdict(one)}
        batch = JobBatch(
            name=f"the downsampling of {self._name}",
            key=one.key,
            phase=0,
            jobs=one.jobs,
            task="downsample",
            payload=lambda job: {**payload, "job": job},
            where=lambda job: f"level {level} {one.where(job)}",
            resources=Resources(memory_bytes=2 * report.block_bytes + LEVEL_BYTES),
        )
        progress(report)
        with self._engine(one, engine) as opened:
            run_jobs(
                batch,
                opened,
                ledger,
                on_done=on_done,
                on_progress=lambda: progress(report),
                on_retry=report.count_retry,
                log=log if engine else None,
            )
        report.wall_s, report.ended = time.monotonic() - began, True
        progress(report)

    @contextmanager
    def _engine(self, one: Pass | Assembly, engine: Engine | None) -> Iterator[Engine]:
        """Yield the engine, or threads over the open volumes."""
        if engine is not None:
            yield engine
            return
        task = self._open(one).run
        workers = 2 if isinstance(one, Pass) and self._held_bytes(one) <= _MAX_BESIDE else 1
        threads = ThreadEngine(workers=workers, run=partial(perform, task=task, quiet=True))
        try:
            yield threads
        finally:
            threads.close()

    def _held_bytes(self, one: Pass) -> int:
        """Return about how many bytes of a block are in memory until it is stored; chunks in shards are encoded."""
        level = self._pyramid.level(one.levels[0]).spec
        size = block_bytes(one.block, one.grid.box.shape, level.dtype.itemsize)
        return size // _ENCODED if level.read_chunk != level.write_chunk else size

    def _open(self, one: Pass | Assembly) -> OpenPass | OpenAssembly:
        if isinstance(one, Assembly):
            return OpenAssembly(one, self._pyramid.level(one.level), _THREADS)
        return OpenPass(one, self._target, self._pyramid.level(one.levels[0]), _THREADS)

    @property
    def _scratch_address(self) -> str:
        return scratch_address(self._request.volume, self._state.folder)

    @property
    def _scratch(self) -> Scratch:
        return Scratch(storage_at(self._scratch_address))

    def _token(self) -> str:
        """Return the version of level 0."""
        return most_detailed_version(self._pyramid.level(0)).token

    def _stored_lost_ids(self) -> dict[int, NDArray[np.uint64]]:
        with np.load(self._state.folder / PRIVATE / _LOST, allow_pickle=False) as stored:
            return {int(level): stored[level] for level in stored}

    def _provenance(self, scales: Sequence[Scale]) -> Provenance:
        request = self._request
        parameters = {"method": request.method, "no_data": request.no_data, "scales": [list(one) for one in scales[1:]]}
        source = input_record("volume", self._pyramid.level(0), request.volume.uri)
        if request.source:
            source = InputRecord("volume", request.source, request.source_version)
        return Provenance.now("downsample", LOCAL, "common.downsample", own_version(), parameters, [source])

    def _record(self, scales: Sequence[Scale]) -> None:
        """Record the downsampling with the volume, unless an earlier call was killed right after it has.

        This may change the version of level 0, which later calls compare.
        """
        one, stored = self._provenance(scales), self._stored_provenance()
        if not (self._state.facts.get("recording") and stored and stored.parameters == one.parameters):
            self._state.keep(source=None, recording=True)
            record(self._target, one, name=self._name)

    def _stored_provenance(self) -> Provenance | None:
        """Return what the store keeps of the downsampling that has filled the levels; None if it keeps nothing."""
        entries = [one for one in read_provenance(self._target) if one.service == "downsample"]
        return entries[-1] if entries else None
