"""Jobs that compute levels: seen by all processes of a relay, done by one of them, taken over when it dies."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Event, Thread

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.dialects.boss.downsample import compute
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.records import Channel, LevelsJob
from voxome.relay.dialects.boss.state import BossState

_LOOK_S = 1.0
"""Time between two looks at the jobs, and two signs of life of those that run."""
_DEAD_S = 4.0
"""Time without a sign of life after which a job is taken over."""
_LOG = logging.getLogger(__name__)


class _Taken(Exception):
    """Another process has the job, or has ended it."""


class Downsampler:
    """Computes levels in a thread, one channel at a time; the status of a channel reports its progress.

    Jobs are records of the catalogue. The process that has claimed one changes its `beat` while it lives: no clocks are
    compared, so that those of several machines may differ.

    Parameters
    ----------
    boss : BossState
        The channels.
    """

    def __init__(self, boss: BossState) -> None:
        self._boss, self._catalogue = boss, boss.catalogue
        self._owner = secrets.token_hex(8)
        self._closed, self._wake, self._stop = Event(), Event(), Event()
        self._worker: Thread | None = None
        self._beats: dict[str, tuple[str, int, float]] = {}
        self._watcher = Thread(target=self._watch, name="voxome-downsampler", daemon=True)
        self._watcher.start()

    def start(self, channel: Channel) -> None:
        """Start computing the levels of `channel`.

        Raises
        ------
        Refused
            If another request has started that.
        """
        try:
            with self._boss.locked():  # job and status together: another process may have ended the job at once
                now = self._boss.refresh(channel.uid)
                started = replace(now, downsample_status="IN_PROGRESS")
                self._catalogue.write(add=[LevelsJob(uid=channel.uid), started], remove=[now])
        except AlreadyExists as error:
            message = f"Channel {channel.name} is IN_PROGRESS already. Invalid Request."
            raise Refused(Code.INVALID_STATE, message) from error
        self._wake.set()

    def cancel(self, channel: Channel) -> None:
        """Stop computing the levels of `channel`, in whatever process; finished blocks are kept."""
        with suppress(NotFound):
            self._change(LevelsJob(uid=channel.uid), lambda job: replace(job, cancelled=True))
        self._wake.set()

    def close(self) -> None:
        """Stop, and wait until the threads have ended; another process continues, or the next start of the relay."""
        self._closed.set()
        self._stop.set()
        self._wake.set()
        self._watcher.join()
        if self._worker is not None:
            self._worker.join()

    def _watch(self) -> None:
        while not self._closed.is_set():
            self._wake.clear()
            try:
                self._look()
            except Exception:  # of any database: the next look may succeed
                _LOG.exception("the jobs that compute levels cannot be read")
            self._wake.wait(_LOOK_S)

    def _look(self) -> None:
        """Give signs of life, stop what was cancelled, and claim what nobody works at."""
        for job in self._catalogue.find(LevelsJob):
            is_busy = self._worker is not None and self._worker.is_alive()
            if job.owner == self._owner and is_busy:
                with suppress(NotFound, _Taken):
                    job = self._change(job, lambda one: replace(self._own(one), beat=one.beat + 1))
                if job.cancelled:
                    self._stop.set()
            elif (job.owner == self._owner or self._is_free(job)) and not is_busy:
                with suppress(NotFound, _Taken):
                    self._claim(job)

    def _is_free(self, job: LevelsJob) -> bool:
        """Return whether nobody has a job, or its owner has given no sign of life for too long."""
        seen = self._beats.get(job.uid)
        if seen is None or seen[:2] != (job.owner, job.beat):
            self._beats[job.uid] = (job.owner, job.beat, time.monotonic())
            return not job.owner
        return time.monotonic() - seen[2] >= _DEAD_S

    def _claim(self, free: LevelsJob) -> None:
        def claim(job: LevelsJob) -> LevelsJob:
            if (job.owner, job.beat) != (free.owner, free.beat):
                raise _Taken
            return replace(job, owner=self._owner, beat=job.beat + 1, ended=False)

        job = self._change(free, claim)
        self._stop.clear()
        if self._closed.is_set():
            self._stop.set()
        self._worker = Thread(target=self._run, args=(job,), name="voxome-downsample", daemon=True)
        self._worker.start()

    def _run(self, job: LevelsJob) -> None:
        try:
            if job.cancelled:
                self._stop.set()
            channel = self._boss.change(job.uid, downsample_status="IN_PROGRESS")
            compute(self._boss, self._boss.pyramid(channel), self._stop, job.blocks, lambda n: self._report(job, n))
            self._end(job, channel)
        except _Taken:
            _LOG.info("another process computes the levels of a channel")
        except NotFound:
            _LOG.info("a channel was deleted while its levels were computed")
            self._remove(job)
        except Exception:
            _LOG.exception("the levels of a channel failed")
            with suppress(NotFound):
                self._boss.change(job.uid, downsample_status="FAILED")
            self._remove(job)
        finally:
            self._wake.set()

    def _report(self, job: LevelsJob, count: int) -> None:
        self._change(job, lambda one: replace(self._own(one), blocks=count))

    def _end(self, job: LevelsJob, channel: Channel) -> None:
        """Set the final status. A write marks the job, or, if that is gone, the channel: it finds one or the other."""
        now = self._own(self._catalogue.get(LevelsJob, job.uid))
        if self._closed.is_set() and not now.cancelled:
            self._change(job, lambda one: replace(self._own(one), owner=""))
            return
        if channel.served and not now.cancelled:
            self._boss.set_outdated(channel.served, False)
        self._boss.change(channel.uid, downsample_status="NOT_DOWNSAMPLED" if now.cancelled else "DOWNSAMPLED")
        if self._remove(job).outdated:
            if channel.served:
                self._boss.set_outdated(channel.served, True)
            self._boss.change(channel.uid, downsample_status="NOT_DOWNSAMPLED")

    def _remove(self, job: LevelsJob) -> LevelsJob:
        """Remove a job; return it as it was then."""
        with suppress(NotFound, _Taken):
            job = self._change(job, lambda one: replace(self._own(one), ended=True))
            self._catalogue.write(remove=[job])
        return job

    def _change(self, job: LevelsJob, change: Callable[[LevelsJob], LevelsJob]) -> LevelsJob:
        return self._catalogue.change(job, change)

    def _own(self, job: LevelsJob) -> LevelsJob:
        """Return a job, if this process has it."""
        if job.owner != self._owner:
            self._stop.set()
            raise _Taken
        return job
